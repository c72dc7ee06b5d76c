// Input: a program of what three guests and the toolstack do. Each step is an operation byte and
// its operands. A fourth guest behaves and has to be answered whatever the others did.
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/core/server.hh"
#include "daemon/rings/ring_server.hh"
#include "tests/daemon/core/fake_journal.hh"
#include "tests/fuzz/check.hh"
#include "tests/support/memory_hypervisor.hh"
#include "tests/support/ring_guest.hh"

namespace {

using namespace vxs;
using fuzz::check;
using test::MemoryHypervisor;

constexpr DomId kHostile = 3;
constexpr DomId kVictim = 4;
constexpr int kMaxSteps = 2000;
// Longer than any ring waits for its second look.
constexpr std::int64_t kPassUs = 2'000'000;
constexpr std::size_t kMaxOutbox = 256 * 1024 + 4112;

// Goes on with each pass of the loop only, so that an input always does the same.
class PassClock final : public daemon::Clock {
 public:
  std::int64_t now_us = 1;
  std::int64_t wall_us() override { return now_us; }
  std::int64_t monotonic_us() override { return now_us; }
};

// Reads operands; zeroes once the input is used up.
class Input {
 public:
  Input(const unsigned char* data, std::size_t size) : data_(data), size_(size) {}
  [[nodiscard]] bool empty() const { return size_ == 0; }
  std::uint8_t byte() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  std::uint32_t word() {
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i) value = value << 8 | byte();
    return value;
  }
  std::string bytes(std::size_t count) {
    std::string text;
    while (text.size() < count && size_ > 0) text.push_back(static_cast<char>(byte()));
    return text;
  }

 private:
  const unsigned char* data_;
  std::size_t size_;
};

class World {
 public:
  explicit World(test::FakeJournal::Mode mode)
      : journal_(mode),
        head_(stats_, perms_, store::Tree(stats_, anybody(), anybody(), anybody()), 0),
        domains_(0, {}),
        rings_(loop_, xen_),
        server_({}, journal_, clock_, head_, domains_, observer_) {
    rings_.start(server_);
    for (DomId domid = 1; domid <= kVictim; ++domid) {
      Guest& guest = guests_[domid];
      auto& domain = xen_.add_domain(domid, 10U + domid);
      domain.channels[20U + domid] = 0;
      guest.memory = domain.page;
      guest.ring.emplace(protocol::RingPageView(guest.memory->bytes.data()));
      introduce(domid, true);
    }
  }
  ~World() {
    for (DomId domid = 1; domid <= kVictim; ++domid) rings_.detach(domid);
    check(xen_.mapped == 0 && xen_.bound() == 0, "nothing stays mapped or bound");
  }

  void run(Input& input) {
    for (int steps = 0; !input.empty() && steps < kMaxSteps; ++steps) step(input);
    for (DomId domid = 1; domid <= kVictim; ++domid) {
      if (guests_[domid].connection == nullptr) continue;
      check(guests_[domid].connection->outbox.unsent() <= kMaxOutbox, "output is bounded");
    }
    check_victim();
  }

 private:
  struct Guest {
    std::shared_ptr<MemoryHypervisor::Page> memory;
    std::optional<support::RingGuest> ring;
    daemon::Connection* connection = nullptr;
  };

  store::PermRef anybody() {
    const std::vector<protocol::PermEntry> entries{
        {.domid = 0}, {.domid = kDomIdAny, .access = protocol::Access::kBoth}};
    return perms_.intern(entries);
  }

  void introduce(DomId domid, bool fresh) {
    if (guests_[domid].connection != nullptr) return;
    if (!rings_.attach(domid, 10U + domid, true)) return;
    daemon::Connection::Peer peer;
    peer.id = server_.new_connection_id();
    peer.caller.domid = domid;
    peer.features = daemon::kOfferedFeatures;
    peer.ring = true;
    guests_[domid].connection = &server_.add_connection(std::move(peer));
    rings_.serve(domid, *guests_[domid].connection,
                 fresh ? daemon::Rings::Begin::kFresh : daemon::Rings::Begin::kResumed);
  }
  void release(DomId domid) {
    if (guests_[domid].connection == nullptr) return;
    rings_.detach(domid);
    server_.remove_connection(*std::exchange(guests_[domid].connection, nullptr));
  }
  void signal(DomId domid) {
    for (const auto& [port, local] : xen_.at(domid).channels) xen_.signal(domid, port);
  }
  void pass() {
    clock_.now_us += kPassUs;
    loop_.run_once(true);
    rings_.look_at_expected();  // the loop's timer knows the real time only
    rings_.serve_backlog();
    server_.end_of_pass();
    rings_.flush();
    server_.journal_progressed();
  }

  void step(Input& input) {
    const std::uint8_t what = input.byte();
    const DomId domid = static_cast<DomId>(1 + (what >> 4) % kHostile);
    Guest& guest = guests_[domid];
    const auto page = guest.ring->page();
    switch (what & 15) {
      case 0:
        page.store(std::size_t{input.byte()} * 8 % 2080 & ~std::size_t{3}, input.word());
        break;
      case 1:  // the words behind the rings
        page.store(2048 + std::size_t{input.byte()} % 8 * 4, input.word());
        break;
      case 2: {  // indices that can be
        const bool requests = input.byte() % 2 == 0;
        const std::uint32_t at = input.word();
        page.store(requests ? protocol::kRingReqCons : protocol::kRingRspCons, at);
        page.store(requests ? protocol::kRingReqProd : protocol::kRingRspProd,
                   at + input.byte() * 4U);
        break;
      }
      case 3:
        (void)guest.ring->put(input.bytes(input.byte()));
        break;
      case 4:
      case 5: {  // a request with strings and perhaps a transaction
        const std::uint32_t type = input.byte() % 27U;
        const std::uint32_t tx_id = input.byte() % 4U;
        (void)guest.ring->put(
            support::RingGuest::frame(type, input.bytes(input.byte() % 40U), tx_id));
        signal(domid);
        break;
      }
      case 6: {  // a long one
        const std::string big(std::size_t{input.byte()} * 17, 'x');
        (void)guest.ring->put(support::RingGuest::frame(11, std::string("/a\0", 3) + big));
        signal(domid);
        break;
      }
      case 7:
        page.set_connection(1);
        signal(domid);
        break;
      case 8:
        release(domid);
        break;
      case 9:
        introduce(domid, input.byte() % 2 == 0);
        break;
      case 10:
        if (guest.connection == nullptr) break;
        server_.reset_ring(*guest.connection);
        rings_.reintroduce(domid, (input.byte() % 2 == 0 ? 10U : 20U) + domid);
        break;
      case 11:
        rings_.pause(domid, input.byte() % 2 == 0);
        break;
      case 12:
        rings_.scan(input.byte() % 5U);
        break;
      case 13:
        (void)guest.ring->take(input.byte() * 8U);
        guest.ring->forget();
        signal(domid);
        break;
      case 14:
        journal_.make_safe(journal_.last_seq());
        break;
      default:
        pass();
        break;
    }
    if ((what & 15) < 14 && what % 3 == 0) {
      signal(domid);
      pass();
    }
  }

  // The behaving guest asks, and is answered within a few turns of everybody. It may go on with a
  // request without another signal.
  void check_victim() {
    Guest& victim = guests_[kVictim];
    const std::string request = support::RingGuest::frame(2, std::string_view("/\0", 2), 0, 4711);
    constexpr std::size_t kHalf = 7;
    (void)victim.ring->put(request, kHalf);
    signal(kVictim);
    for (int i = 0; i < 5; ++i) pass();
    (void)victim.ring->put(request.substr(kHalf));
    for (int i = 0; i < 10; ++i) {
      pass();
      journal_.make_safe(journal_.last_seq());
      while (victim.ring->take()) {
      }
      const auto frame = victim.ring->next();
      if (!frame) continue;
      check(frame->header.req_id == 4711, "the answer belongs to the request");
      return;
    }
    check(false, "the behaving guest is answered");
  }

  store::PermTable perms_;
  store::TreeStats stats_;
  test::FakeJournal journal_;
  PassClock clock_;
  daemon::SilentObserver observer_;
  transactions::Head head_;
  daemon::Domains domains_;
  MemoryHypervisor xen_;
  daemon::EventLoop loop_;
  std::array<Guest, kVictim + 1> guests_;
  daemon::RingServer rings_;
  daemon::Server server_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  Input input(data, size);
  using Mode = test::FakeJournal::Mode;
  World world(std::array{Mode::kImmediate, Mode::kOnFlush, Mode::kLater}[input.byte() % 3U]);
  world.run(input);
  return 0;
}
