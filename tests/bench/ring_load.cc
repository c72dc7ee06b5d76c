#include "tests/bench/ring_load.hh"

#include <exception>
#include <thread>

namespace vxs::bench {

namespace {

using Clock = std::chrono::steady_clock;

struct Outcome {
  LoadResult load;
  std::exception_ptr failure;
};

void run_one(RingClient& client, Clock::time_point stop, LoadResult& load) {
  for (Clock::time_point began = Clock::now(); began < stop;) {
    Step step = Step::kContinue;
    while (step != Step::kDone) {
      if (!client.script->next_request(client.connection.output())) return;
      ++load.requests;
      step = client.script->on_reply(client.connection.exchange());
      if (step == Step::kRetry) ++load.retries;
    }
    const Clock::time_point now = Clock::now();
    ++load.operations;
    load.latencies_ns.push_back(static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(now - began).count()));
    began = now;
  }
}

void add(LoadResult& total, const LoadResult& one) {
  total.operations += one.operations;
  total.requests += one.requests;
  total.retries += one.retries;
  total.latencies_ns.insert(total.latencies_ns.end(), one.latencies_ns.begin(),
                            one.latencies_ns.end());
}

}  // namespace

LoadResult run_rings(std::vector<RingClient>& clients, std::chrono::nanoseconds duration) {
  std::vector<Outcome> outcomes(clients.size());
  const Clock::time_point begin = Clock::now();
  const Clock::time_point stop = begin + duration;
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < clients.size(); ++i) {
      threads.emplace_back([&, i] {
        try {
          run_one(clients[i], stop, outcomes[i].load);
        } catch (...) {
          outcomes[i].failure = std::current_exception();
        }
      });
    }
  }
  LoadResult total;
  total.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  for (const Outcome& outcome : outcomes) {
    if (outcome.failure) std::rethrow_exception(outcome.failure);
    add(total, outcome.load);
  }
  return total;
}

}  // namespace vxs::bench
