#include "tests/bench/sample_tree.hh"

#include "tests/bench/bulk.hh"
#include "tests/bench/error.hh"

namespace vxs::bench {

namespace {

std::string domain_path(std::uint64_t domid) { return "/local/domain/" + std::to_string(domid); }

std::string tail_path(std::uint64_t domid) { return domain_path(domid) + "/device/vif/0/state"; }

void require_written(const Reply& reply) {
  if (reply.type != MessageType::kWrite) throw BenchError("the daemon refused a WRITE");
}

}  // namespace

// The nodes: the domain, ten leaves, memory and its four, control and its five,
// device, device/vif, four devices with eight leaves each.
std::vector<std::string> domain_leaves(std::uint64_t domid) {
  const std::string domain = domain_path(domid);
  std::vector<std::string> leaves;
  for (const char* name : {"vm", "vss", "name", "domid", "created", "cpu", "console", "store",
                           "unique-domain-id", "action-request"}) {
    leaves.push_back(domain + "/" + name);
  }
  for (const char* name : {"target", "static-max", "videoram", "dynamic-min"}) {
    leaves.push_back(domain + "/memory/" + name);
  }
  for (const char* name : {"shutdown", "feature-poweroff", "feature-reboot", "feature-suspend",
                           "platform-feature-multiprocessor-suspend"}) {
    leaves.push_back(domain + "/control/" + name);
  }
  for (const char* device : {"0", "1", "2", "3"}) {
    for (const char* name : {"state", "backend", "backend-id", "mac", "handle", "tx-ring-ref",
                             "rx-ring-ref", "event-channel"}) {
      leaves.push_back(domain + "/device/vif/" + device + "/" + name);
    }
  }
  return leaves;
}

std::uint64_t write_domains(Connection& connection, std::uint64_t domains) {
  std::vector<std::string> leaves;
  std::size_t at = 0;
  std::uint64_t domid = 0;
  return run_pipelined(
      connection,
      [&](std::string& out) {
        if (at == leaves.size()) {
          if (domid == domains) return false;
          leaves = domain_leaves(++domid);
          at = 0;
        }
        const std::string value = "value-" + std::to_string(domid);
        append_request(out, MessageType::kWrite, 0, {write_body(leaves[at++], value)});
        return true;
      },
      require_written);
}

void write_tail(Connection& connection, std::uint64_t domains, std::uint64_t count) {
  std::uint64_t written = 0;
  run_pipelined(
      connection,
      [&](std::string& out) {
        if (written == count) return false;
        ++written;
        append_request(out, MessageType::kWrite, 0,
                       {write_body(last_tail_path(domains, written), last_tail_value(written))});
        return true;
      },
      require_written);
}

std::string last_tail_path(std::uint64_t domains, std::uint64_t count) {
  return tail_path((count - 1) % domains + 1);
}

std::string last_tail_value(std::uint64_t count) { return "tail-" + std::to_string(count); }

}  // namespace vxs::bench
