// Guests on rings in memory, the real RingServer and Server between them, and passes of the loop
// made by hand.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/core/server.hh"
#include "daemon/rings/ring_server.hh"
#include "tests/daemon/core/core_fixture.hh"
#include "tests/support/memory_hypervisor.hh"
#include "tests/support/ring_guest.hh"

namespace vxs::test {

// Does something in the middle of the next Server::handle().
class InterruptingObserver final : public daemon::Observer {
 public:
  std::vector<std::string> warnings;
  void interrupt(std::function<void()> what) {
    interruption_ = std::move(what);
    tracing_ = true;
  }
  void request_in(const daemon::Connection&, std::uint32_t, std::string_view) override {
    tracing_ = false;
    std::exchange(interruption_, nullptr)();
  }
  void reply_out(const daemon::Connection&, std::uint32_t, std::string_view) override {}
  void event_out(const daemon::Connection&, std::string_view, std::string_view) override {}
  void object(bool, std::string_view, const void*) override {}
  void warn(std::string_view sentence) override { warnings.emplace_back(sentence); }
  void info(std::string_view) override {}
  void error(std::string_view) override {}

 private:
  std::function<void()> interruption_;
};

class RingTest : public testing::Test {
 protected:
  explicit RingTest(FakeJournal::Mode mode = FakeJournal::Mode::kImmediate,
                    const daemon::ServerOptions& options = {})
      : journal(mode),
        head(stats, perms,
             store::Tree(stats, list({{.domid = 0}, anything_goes()}), list({{.domid = 0}}),
                         list({{.domid = 0}})),
             0),
        domains(0, {}),
        rings(loop, xen),
        server(options, journal, clock, head, domains, observer) {
    rings.start(server);
  }
  ~RingTest() override {
    for (auto& [domid, guest] : guests) rings.detach(domid);
  }

  static protocol::PermEntry anything_goes() {
    return {.domid = kDomIdAny, .access = protocol::Access::kBoth};
  }
  store::PermRef list(const std::vector<protocol::PermEntry>& entries) {
    return perms.intern(entries);
  }

  struct Guest {
    DomId domid = 0;
    daemon::Port port = 0;
    // Its page, kept as long as the guest lives: the daemon has a mapping of its own.
    std::shared_ptr<MemoryHypervisor::Page> memory;
    std::unique_ptr<support::RingGuest> ring;
    daemon::Connection* connection = nullptr;
    std::vector<std::string> got;  // as CoreTest::take() prints frames
  };

  // A domain with a page, not attached.
  Guest& create(DomId domid) {
    Guest& guest = guests[domid];
    guest.domid = domid;
    guest.port = domid + 10U;
    guest.memory = xen.add_domain(domid, guest.port).page;
    guest.ring =
        std::make_unique<support::RingGuest>(protocol::RingPageView(guest.memory->bytes.data()));
    return guest;
  }
  daemon::Connection& connect(DomId domid, std::uint32_t features = daemon::kOfferedFeatures) {
    daemon::Connection::Peer peer;
    peer.id = server.new_connection_id();
    peer.caller.domid = domid;
    peer.caller.privileged = domid == 0;
    peer.features = features;
    peer.ring = true;
    return server.add_connection(std::move(peer));
  }
  using Begin = daemon::Rings::Begin;
  // An introduced domain, its first pass over.
  Guest& introduce(DomId domid, Begin begin = Begin::kFresh,
                   std::uint32_t features = daemon::kOfferedFeatures) {
    Guest& guest = guests.contains(domid) ? guests.at(domid) : create(domid);
    EXPECT_TRUE(rings.attach(domid, guest.port, true));
    guest.connection = &connect(domid, features);
    rings.serve(domid, *guest.connection, begin);
    pass();
    return guest;
  }
  // As RELEASE and death do.
  void release(Guest& guest) {
    rings.detach(guest.domid);
    server.remove_connection(*guest.connection);
    guest.connection = nullptr;
  }

  void pass() {
    loop.run_once(true);
    rings.serve_backlog();
    server.end_of_pass();
    rings.flush();
  }
  // Passes until nothing is left to do, at most `limit`; how many.
  int passes(int limit = 1000) {
    int count = 0;
    do {
      pass();
      ++count;
    } while (rings.has_backlog() && count < limit);
    return count;
  }
  void signal(const Guest& guest) { xen.signal(guest.domid, guest.port); }
  static protocol::RingPageView page(const Guest& guest) { return guest.ring->page(); }

  // Everything the guest finds in its ring.
  void drain(Guest& guest) {
    bool any = false;
    while (guest.ring->take()) any = true;
    if (any) signal(guest);
    while (const auto frame = guest.ring->next()) {
      std::string text = frame->payload;
      if (frame->header.type == wire::kWatchEvent) {
        text = "event " + text;
        std::replace(text.begin(), text.end(), '\0', ' ');
      }
      while (!text.empty() && (text.back() == '\0' || text.back() == ' ')) text.pop_back();
      guest.got.push_back(std::move(text));
    }
  }
  std::vector<std::string> take(Guest& guest) {
    drain(guest);
    return std::exchange(guest.got, {});
  }

  // Bytes into the ring, as many at a time as fit; passes and reads meanwhile.
  void send(Guest& guest, std::string_view bytes, std::size_t piece = protocol::kRingSize) {
    for (int i = 0; i < 100'000 && !bytes.empty(); ++i) {
      bytes.remove_prefix(guest.ring->put(bytes, piece));
      signal(guest);
      pass();
      drain(guest);
    }
    EXPECT_TRUE(bytes.empty()) << "the daemon takes no more";
  }
  // One request and its answer.
  std::string call(Guest& guest, std::uint32_t type, std::string_view payload,
                   std::uint32_t tx_id = 0) {
    (void)take(guest);
    send(guest, support::RingGuest::frame(type, payload, tx_id));
    for (int i = 0; i < 1000 && guest.got.empty(); ++i) {
      pass();
      drain(guest);
    }
    if (guest.got.empty()) return "no answer";
    const std::string answer = guest.got.front();
    guest.got.erase(guest.got.begin());
    return answer;
  }
  std::string write(Guest& guest, const std::string& path, std::string_view value) {
    return call(guest, wire::kWrite, zstrings({path}).append(value));
  }
  std::string read(Guest& guest, const std::string& path) {
    return call(guest, wire::kRead, zstrings({path}));
  }

  store::PermTable perms;
  store::TreeStats stats;
  FakeJournal journal;
  ManualClock clock;
  InterruptingObserver observer;
  transactions::Head head;
  daemon::Domains domains;
  MemoryHypervisor xen;
  daemon::EventLoop loop;
  std::map<DomId, Guest> guests;
  daemon::RingServer rings;
  daemon::Server server;
};

}  // namespace vxs::test
