#pragma once
// What one closed-loop client does: a sequence of operations, each of one or
// more requests. The generator owns scripts and calls them from one thread.

#include <string>

#include "tests/bench/wire.hh"

namespace vxs::bench {

enum class Step {
  kContinue,  // the operation goes on
  kRetry,     // it goes on from an earlier request, after EAGAIN
  kDone,      // it is finished; another one may begin
};

class Script {
 public:
  virtual ~Script() = default;
  // Appends the next request. At the beginning of an operation it returns false
  // (and appends nothing) when there is none left.
  virtual bool next_request(std::string& out) = 0;
  // Throws BenchError for an answer the workload cannot go on from.
  virtual Step on_reply(const Reply& reply) = 0;
};

}  // namespace vxs::bench
