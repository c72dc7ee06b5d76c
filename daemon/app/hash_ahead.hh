// The hash of the tree that the new program of a live update has to reproduce: most of it is found
// while requests are served, so that clients wait for what changed since only.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <thread>
#include <utility>

#include "store/tree.hh"

namespace vxs::daemon {

/// One thread, which owns the trees; another one reads between begin() and its end.
class HashAhead {
 public:
  using Hash = std::function<std::uint64_t(const store::Tree&)>;
  /// `done` is called by the other thread when busy() has become false: have tidy() called then by
  /// this one. It may be called until this object is gone. `hash`: Tree::state_hash(), but for
  /// tests.
  explicit HashAhead(std::function<void()> done, Hash hash = &store::Tree::state_hash)
      : tell_(std::move(done)), hash_of_(std::move(hash)) {}
  ~HashAhead() { end(); }
  HashAhead(const HashAhead&) = delete;
  HashAhead& operator=(const HashAhead&) = delete;

  /// Begins with a version, which is kept until forget(), or goes on with an earlier one that is
  /// not done. Where no thread can be had, nothing.
  void begin(const store::Tree& tree);
  /// The thread is not done.
  [[nodiscard]] bool busy() const noexcept { return thread_.joinable() && !done_; }
  /// Tree::state_hash() of a version of the same family: of what differs from the first one, or of
  /// everything if there is none. Waits while busy().
  [[nodiscard]] std::uint64_t hash(const store::Tree& tree);
  /// Does not wait: while busy() the version is kept until tidy() finds the thread done.
  void forget();
  /// Lets go of what was forgotten.
  void tidy();
  /// forget(), and waits.
  void end();

 private:
  std::function<void()> tell_;
  Hash hash_of_;
  std::optional<store::Tree> base_;
  bool forgotten_ = false;
  std::uint64_t hash_ = 0;  ///< of base_, once done_
  std::atomic<bool> done_ = false;
  std::thread thread_;
};

}  // namespace vxs::daemon
