// The hash of the tree that the new program of a live update has to reproduce: most of it is found
// while requests are served, so that clients wait for what changed since only.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <thread>

#include "store/tree.hh"

namespace vxs::daemon {

/// One thread, which owns the trees; another one reads between begin() and hash().
class HashAhead {
 public:
  HashAhead() = default;
  ~HashAhead() { forget(); }
  HashAhead(const HashAhead&) = delete;
  HashAhead& operator=(const HashAhead&) = delete;

  /// Begins with a version, which is kept until forget(). Where no thread can be had, nothing.
  void begin(const store::Tree& tree);
  /// The thread is not done.
  [[nodiscard]] bool busy() const noexcept { return thread_.joinable() && !done_; }
  /// Tree::state_hash() of a version of the same family: of what differs from the first one, or of
  /// everything if there is none. Waits while busy().
  [[nodiscard]] std::uint64_t hash(const store::Tree& tree);
  void forget();

 private:
  std::optional<store::Tree> base_;
  std::uint64_t hash_ = 0;  ///< of base_, once done_
  std::atomic<bool> done_ = false;
  std::thread thread_;
};

}  // namespace vxs::daemon
