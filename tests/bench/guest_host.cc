#include "tests/bench/guest_host.hh"

#include <cstring>
#include <string>

#include "tests/bench/bulk.hh"
#include "tests/bench/error.hh"
#include "tests/bench/sample_tree.hh"

namespace vxs::bench {

namespace {

std::string home_of(std::uint32_t domid) { return "/local/domain/" + std::to_string(domid); }

// The nodes below inherit it.
void make_homes(Connection& toolstack, std::uint32_t domains) {
  std::uint32_t domid = 0;
  bool made = true;
  run_pipelined(toolstack, [&](std::string& out) {
    if (made && domid == domains) return false;
    if (made) {
      append_request(out, MessageType::kMkdir, 0, {path_body(home_of(++domid))});
    } else {
      const std::vector<std::string> perms{"n0", "r" + std::to_string(domid)};
      append_request(out, MessageType::kSetPerms, 0, {perms_body(home_of(domid), perms)});
    }
    made = !made;
    return true;
  });
}

void set_watches(RingConnection& guest) {
  for (unsigned i = 0; i < kWatchesPerGuest; ++i) {
    const std::string number = std::to_string(i);
    append_request(guest.output(), MessageType::kWatch, 0,
                   {path_body("data/" + number), path_body("token-" + number)});
    if (guest.exchange().type != MessageType::kWatch) throw BenchError("a guest may not watch");
  }
  guest.drop_events();
}

}  // namespace

std::vector<RingConnection> make_guests(fakexen::Machine& machine, Connection& toolstack,
                                        std::uint32_t domains) {
  std::vector<RingConnection> guests;
  for (std::uint32_t domid = 1; domid <= domains; ++domid) {
    fakexen::Uuid handle{};
    std::memcpy(handle.data(), &domid, sizeof domid);
    if (!machine.create_domain(domid, handle)) throw BenchError("a domain cannot be made");
    guests.emplace_back(machine, domid);
  }
  make_homes(toolstack, domains);
  write_domains(toolstack, domains);
  std::size_t at = 0;
  run_pipelined(toolstack, [&](std::string& out) {
    if (at == guests.size()) return false;
    append_request(out, MessageType::kIntroduce, 0, {guests[at++].introduction()});
    return true;
  });
  for (RingConnection& guest : guests) set_watches(guest);
  return guests;
}

}  // namespace vxs::bench
