// How long a checkpoint's copy of the watches holds up the main thread: all at once, and in the
// pieces of a pass. 100,000 watches of 1,000 connections.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>

#include "daemon/core/server.hh"
#include "tests/daemon/core/fake_journal.hh"

namespace {

using namespace vxs;

class StillClock final : public daemon::Clock {
 public:
  std::int64_t wall_us() override { return 1; }
  std::int64_t monotonic_us() override { return 1; }
};

struct World {
  World(int connections, int watches) {
    for (DomId domid = 1; domid <= connections; ++domid) {
      domains.add(domid).introduced = true;
      daemon::Connection::Peer peer;
      peer.id = server.new_connection_id();
      peer.caller.domid = domid;
      peer.kept = true;
      auto& connection = server.add_connection(std::move(peer));
      for (int i = 0; i < watches; ++i) {
        daemon::Watch watch;
        watch.path = "/local/domain/" + std::to_string(domid) + "/device/vbd/" +
                     std::to_string(51712 + i) + "/state";
        watch.token = "FFFF8881" + std::to_string(10000000 + i);
        (void)server.watches().add(connection, std::move(watch));
      }
    }
  }

  store::PermTable perms;
  store::TreeStats stats;
  test::FakeJournal journal{test::FakeJournal::Mode::kImmediate};
  StillClock clock;
  daemon::SilentObserver observer;
  store::PermRef root = perms.intern(std::vector<protocol::PermEntry>{{.domid = 0}});
  transactions::Head head{stats, perms, store::Tree(stats, root, root, root), 0};
  daemon::Domains domains{0, {}};
  daemon::Server server{{}, journal, clock, head, domains, observer};
};

void capture_at_once(benchmark::State& state) {
  World world(1000, 100);
  for (auto _ : state) {
    auto whole = world.server.lifecycle().capture();
    state.PauseTiming();
    whole = {};  // the checkpoint's thread does that
    state.ResumeTiming();
  }
}

/// The time of the worst pass is what counts.
void capture_in_pieces(benchmark::State& state) {
  using Clock = std::chrono::steady_clock;
  World world(1000, 100);
  std::chrono::duration<double, std::micro> worst_begin{0};
  std::chrono::duration<double, std::micro> worst_piece{0};
  double pieces = 0;
  for (auto _ : state) {
    auto& capture = world.server.system_capture();
    auto begun = Clock::now();
    world.server.lifecycle().begin_capture(capture);
    worst_begin = std::max<decltype(worst_begin)>(worst_begin, Clock::now() - begun);
    bool done = false;
    while (!done) {
      begun = Clock::now();
      done = capture.gather(512);
      worst_piece = std::max<decltype(worst_piece)>(worst_piece, Clock::now() - begun);
      ++pieces;
    }
    state.PauseTiming();
    (void)capture.take();
    state.ResumeTiming();
  }
  state.counters["worst_begin_us"] = worst_begin.count();
  state.counters["worst_piece_us"] = worst_piece.count();
  state.counters["pieces"] = pieces / static_cast<double>(state.iterations());
}

BENCHMARK(capture_at_once)->Unit(benchmark::kMicrosecond);
BENCHMARK(capture_in_pieces)->Unit(benchmark::kMicrosecond);

}  // namespace
