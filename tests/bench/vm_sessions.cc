#include "tests/bench/vm_sessions.hh"

#include <functional>
#include <utility>
#include <vector>

#include "tests/bench/bulk.hh"
#include "tests/bench/generator.hh"
#include "tests/bench/meter.hh"
#include "tests/bench/vm_life.hh"

namespace vxs::bench {

namespace {

using BlocksOf = std::function<std::vector<Block>(unsigned domid)>;

constexpr unsigned kFirstDomid = 1;
constexpr unsigned kStartsMeasured = 10;
constexpr unsigned kRounds = 3;
// Far more than any run lasts: these scripts come to an end by themselves.
constexpr std::chrono::hours kUntilDone{1};

// Plays the blocks of the domids [next, end), one domid per operation.
class VmScript final : public BlockScript {
 public:
  VmScript(BlocksOf blocks, unsigned begin, unsigned end)
      : blocks_of_(std::move(blocks)), next_(begin), end_(end) {}

 protected:
  std::vector<Block> refill() override {
    if (next_ == end_) return {};
    return blocks_of_(next_++);
  }

 private:
  BlocksOf blocks_of_;
  unsigned next_;
  unsigned end_;
};

// The requests of all blocks of [begin, end), outside any transaction and
// pipelined: only for what is not measured.
void play_unmeasured(Server& server, const BlocksOf& blocks_of, unsigned begin, unsigned end) {
  Connection connection(server.socket_path());
  std::vector<BlockRequest> pending;
  std::size_t at = 0;
  unsigned domid = begin;
  run_pipelined(connection, [&](std::string& out) {
    while (at == pending.size()) {
      if (domid == end) return false;
      pending.clear();
      at = 0;
      for (const Block& block : blocks_of(domid)) {
        pending.insert(pending.end(), block.requests.begin(), block.requests.end());
      }
      ++domid;
    }
    append_request(out, pending[at].type, 0, {pending[at].body});
    ++at;
    return true;
  });
}

LoadResult play(Server& server, const BlocksOf& blocks_of, unsigned begin, unsigned end,
                unsigned per_connection, const MeasureOptions& options) {
  std::vector<std::unique_ptr<Script>> scripts;
  for (unsigned domid = begin; domid < end; domid += per_connection) {
    scripts.push_back(std::make_unique<VmScript>(blocks_of, domid, domid + per_connection));
  }
  Generator generator(server.socket_path(), std::move(scripts));
  return generator.run(kUntilDone, options.patience - kUntilDone);
}

class VmStartSession final : public Session {
 public:
  explicit VmStartSession(unsigned existing) : first_new_(kFirstDomid + existing) {}

  void prepare(Server& server) override {
    play_unmeasured(server, vm_start_blocks, kFirstDomid, first_new_);
  }

  Measurement measure(Server& server, const MeasureOptions& options) override {
    const unsigned end = first_new_ + kStartsMeasured;
    Meter meter(server, options);
    for (unsigned round = 0; round < kRounds; ++round) {
      meter.begin();
      meter.finish(play(server, vm_start_blocks, first_new_, end, kStartsMeasured, options));
      play_unmeasured(server, vm_stop_blocks, first_new_, end);
    }
    server.require_alive();
    return meter.result();
  }

 private:
  unsigned first_new_;
};

class ParallelStartSession final : public Session {
 public:
  explicit ParallelStartSession(unsigned vms) : vms_(vms) {}

  void prepare(Server&) override {}

  Measurement measure(Server& server, const MeasureOptions& options) override {
    const unsigned end = kFirstDomid + vms_;
    Meter meter(server, options);
    meter.begin();
    LoadResult both = play(server, vm_start_blocks, kFirstDomid, end, 1, options);
    const LoadResult stops = play(server, vm_stop_blocks, kFirstDomid, end, 1, options);
    both.requests += stops.requests;
    both.retries += stops.retries;
    both.seconds += stops.seconds;
    meter.finish(both);
    server.require_alive();
    return meter.result();
  }

 private:
  unsigned vms_;
};

}  // namespace

std::unique_ptr<Session> make_vm_start(unsigned existing) {
  return std::make_unique<VmStartSession>(existing);
}

std::unique_ptr<Session> make_parallel_start(unsigned vms) {
  return std::make_unique<ParallelStartSession>(vms);
}

}  // namespace vxs::bench
