#pragma once
// What stops a benchmark: a daemon that does not start, dies, or answers what
// the workload cannot go on from. Thrown; main() prints it and exits with 2.

#include <stdexcept>

namespace vxs::bench {

class BenchError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace vxs::bench
