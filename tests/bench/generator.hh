#pragma once
// The load: one thread, one epoll instance, a closed loop per connection.

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/connection.hh"
#include "tests/bench/script.hh"

namespace vxs::bench {

struct LoadResult {
  std::uint64_t operations = 0;
  std::uint64_t requests = 0;
  std::uint64_t retries = 0;  // operations begun again after EAGAIN
  double seconds = 0;
  std::vector<std::uint64_t> latencies_ns;  // one per operation, retries included
};

class Generator {
 public:
  // Opens one connection per script. Throws BenchError when that fails.
  Generator(const std::string& socket_path, std::vector<std::unique_ptr<Script>> scripts);
  ~Generator();
  Generator(const Generator&) = delete;
  Generator& operator=(const Generator&) = delete;

  // Runs every script until `duration` has passed or all are at their end. No
  // operation begins after that moment and all that began are finished, so the
  // CPU time used belongs to exactly the operations counted. When operations
  // are still unfinished `grace` later, throws BenchError. May be called again
  // (first for the warm-up).
  LoadResult run(std::chrono::nanoseconds duration,
                 std::chrono::nanoseconds grace = std::chrono::seconds(60));

 private:
  struct Client {
    Connection connection;
    std::unique_ptr<Script> script;
    std::chrono::steady_clock::time_point began;
    bool in_operation = false;
    bool wants_output = false;
  };

  // Sends the client's next request; false if none was due.
  bool advance(Client& client, LoadResult& result, std::chrono::steady_clock::time_point now,
               bool may_begin);
  void serve(Client& client, LoadResult& result, std::chrono::steady_clock::time_point stop);
  void watch_output(Client& client);

  int epoll_ = -1;
  std::vector<std::unique_ptr<Client>> clients_;
  std::size_t active_ = 0;
};

}  // namespace vxs::bench
