// Has stock git write the repository's commit-graph with changed-path Bloom filters, which make
// `git log -- PATH` fast. Git is a recommended dependency: without it nothing happens.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace vxs::daemon {

/// The program `git` in the directories of `path` (as $PATH), "" if there is none.
[[nodiscard]] std::string find_git(const char* path);

/// One child at a time, at the lowest priority, in a clean environment. The kernel kills it when
/// the thread that started it ends, however that comes. All calls come from that thread.
class CommitGraph {
 public:
  /// `git`: the program's path, "" for none.
  CommitGraph(std::string repository, std::string git);
  ~CommitGraph() { stop(); }
  CommitGraph(const CommitGraph&) = delete;
  CommitGraph& operator=(const CommitGraph&) = delete;

  enum class State : std::uint8_t {
    kIdle,     ///< nothing runs
    kRunning,  ///< the child is at work
    kFailed,   ///< it has just ended without success; said once
  };
  /// Starts `git commit-graph write` unless it runs. What a killed one left is removed first. False
  /// if there is no git or it cannot be started.
  bool start();
  /// Reaps the child if it has ended. Never waits.
  State poll();
  /// Kills the child, if there is one. Waits for the kill, not for the work: at most 100 ms; a
  /// child that takes longer to die is reaped by a later poll(), or by init.
  void stop();
  [[nodiscard]] pid_t child() const noexcept { return child_; }

 private:
  void remove_leftovers() const;

  std::string repository_;
  std::string git_;
  pid_t child_ = -1;
};

}  // namespace vxs::daemon
