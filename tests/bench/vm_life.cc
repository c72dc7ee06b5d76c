#include "tests/bench/vm_life.hh"

#include <array>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace vxs::bench {

namespace {

struct Device {
  std::string_view kind;
  std::string_view id;
};
constexpr std::array<Device, 4> kDevices{
    {{"vbd", "51712"}, {"vbd", "51728"}, {"vbd", "51744"}, {"vif", "0"}}};

// All paths that belong to one VM.
class VmPaths {
 public:
  explicit VmPaths(unsigned domid)
      : domid_(std::to_string(domid)),
        uuid_("7f1d2a60-9c3e-4b8f-8a51-" + std::to_string(100'000'000'000 + domid)) {}

  [[nodiscard]] const std::string& domid() const { return domid_; }
  [[nodiscard]] const std::string& uuid() const { return uuid_; }
  [[nodiscard]] std::string domain() const { return "/local/domain/" + domid_; }
  [[nodiscard]] std::string vm() const { return "/vm/" + uuid_; }
  [[nodiscard]] std::string vss() const { return "/vss/" + uuid_; }
  [[nodiscard]] std::string front(const Device& d) const { return domain() + "/device/" + tail(d); }
  [[nodiscard]] std::string back_root(std::string_view kind) const {
    return "/local/domain/0/backend/" + std::string(kind) + "/" + domid_;
  }
  [[nodiscard]] std::string back(const Device& d) const {
    return back_root(d.kind) + "/" + std::string(d.id);
  }
  [[nodiscard]] std::string hotplug(const Device& d) const {
    return "/xapi/" + domid_ + "/hotplug/" + tail(d);
  }
  [[nodiscard]] std::string private_data(const Device& d) const {
    return "/xapi/" + domid_ + "/private/" + tail(d);
  }

 private:
  static std::string tail(const Device& d) { return std::string(d.kind) + "/" + std::string(d.id); }

  std::string domid_;
  std::string uuid_;
};

// Collects the requests of one block.
class BlockBuilder {
 public:
  explicit BlockBuilder(bool transactional) { block_.transactional = transactional; }

  void read(const std::string& path) { add(MessageType::kRead, path_body(path)); }
  void remove(const std::string& path) { add(MessageType::kRm, path_body(path)); }
  void list(const std::string& path) { add(MessageType::kDirectory, path_body(path)); }
  void write(const std::string& path, std::string_view value) {
    add(MessageType::kWrite, write_body(path, value));
  }
  void make(const std::string& path, std::initializer_list<std::string> perms) {
    const std::vector<std::string> entries(perms);
    add(MessageType::kMkdir, path_body(path));
    add(MessageType::kSetPerms, perms_body(path, entries));
  }
  [[nodiscard]] Block take() { return std::move(block_); }

 private:
  void add(MessageType type, std::string body) {
    block_.requests.push_back({type, std::move(body)});
  }

  Block block_;
};

Block domain_block(const VmPaths& vm) {
  BlockBuilder b(true);
  const std::string reader = "r" + vm.domid();
  const std::string owner = "n" + vm.domid();
  b.remove(vm.domain());
  b.make(vm.domain(), {"n0", reader});
  b.read(vm.vm());
  b.make(vm.vm(), {"n0", reader});
  b.write(vm.vm() + "/uuid", vm.uuid());
  b.write(vm.vm() + "/name", "bench-" + vm.domid());
  b.write(vm.vm() + "/domains/" + vm.domid(), vm.domain());
  b.remove(vm.vss());
  b.make(vm.vss(), {"n0", reader});
  b.write(vm.domain() + "/vm", vm.vm());
  b.write(vm.domain() + "/vss", vm.vss());
  b.write(vm.domain() + "/name", "bench-" + vm.domid());
  b.write(vm.domain() + "/domid", vm.domid());
  b.write(vm.domain() + "/created", "1700000000");
  for (const char* name : {"cpu", "memory"}) {
    b.make(vm.domain() + "/" + name, {"n0", reader});
  }
  for (const char* name :
       {"device", "error", "drivers", "control", "attr", "data", "messages", "vm-data"}) {
    b.make(vm.domain() + "/" + name, {owner});
  }
  return b.take();
}

Block platform_block(const VmPaths& vm) {
  BlockBuilder b(true);
  b.write(vm.domain() + "/vm-data/xsdata", "bench");
  b.write(vm.domain() + "/platform/acpi", "1");
  b.write(vm.domain() + "/bios-strings/bios-vendor", "Xen");
  b.write(vm.domain() + "/action-request", "none");
  b.write(vm.domain() + "/control/platform-feature-multiprocessor-suspend", "1");
  b.write(vm.domain() + "/unique-domain-id", vm.uuid());
  return b.take();
}

Block device_block(const VmPaths& vm, const Device& device) {
  BlockBuilder b(true);
  const std::string owner = "n" + vm.domid();
  const std::string reader = "r" + vm.domid();
  const std::string front = vm.front(device);
  const std::string back = vm.back(device);
  b.read("/local/domain/0/vm");
  b.read(front);
  b.remove(front);
  b.remove(back);
  b.make(front, {owner, "r0"});
  b.make(back, {"n0", reader});
  b.make(vm.hotplug(device), {"n0"});
  b.write(front + "/backend", back);
  b.write(front + "/backend-id", "0");
  b.write(back + "/frontend", front);
  b.write(back + "/frontend-id", vm.domid());
  b.write(back + "/online", "1");
  b.write(vm.private_data(device) + "/kind", device.kind);
  b.write(vm.private_data(device) + "/id", device.id);
  return b.take();
}

}  // namespace

std::vector<Block> vm_start_blocks(unsigned domid) {
  const VmPaths vm(domid);
  std::vector<Block> blocks;
  blocks.push_back(domain_block(vm));
  blocks.push_back(platform_block(vm));
  for (const Device& device : kDevices) blocks.push_back(device_block(vm, device));
  return blocks;
}

std::vector<Block> vm_stop_blocks(unsigned domid) {
  const VmPaths vm(domid);
  BlockBuilder shutdown(true);
  shutdown.read(vm.domain());
  shutdown.write(vm.domain() + "/control/shutdown", "poweroff");

  BlockBuilder rest(false);
  for (const Device& device : kDevices) {
    rest.write(vm.back(device) + "/online", "0");
    rest.remove(vm.front(device));
    rest.remove(vm.back(device));
    rest.remove(vm.domain() + "/error/device/" + std::string(device.kind) + "/" +
                std::string(device.id));
  }
  rest.remove(vm.vm() + "/domains/" + vm.domid());
  rest.list(vm.vm() + "/domains");
  rest.remove(vm.vm());
  rest.remove(vm.vss());
  rest.remove(vm.domain());
  rest.remove("/xapi/" + vm.domid());
  for (const char* kind : {"vbd", "vif"}) rest.remove(vm.back_root(kind));

  std::vector<Block> blocks;
  blocks.push_back(shutdown.take());
  blocks.push_back(rest.take());
  return blocks;
}

}  // namespace vxs::bench
