// The main thread's event loop: libevent behind a few owners.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

struct event;
struct event_base;

namespace vxs::daemon {

class EventLoop;

/// A registered interest in a descriptor, a signal or a time; gone with its owner. Its callback may
/// destroy it.
class Interest {
 public:
  Interest() noexcept;
  Interest(Interest&&) noexcept;
  Interest& operator=(Interest&&) noexcept;
  ~Interest();

  /// Starts or stops waiting. Timers: see EventLoop::timer.
  void enable();
  void disable();
  /// Timers only: fires once after `microseconds`.
  void enable_after(std::int64_t microseconds);

 private:
  friend class EventLoop;
  struct State;
  std::unique_ptr<State> state_;
};

/// One thread, except post().
class EventLoop {
 public:
  /// Throws std::system_error if there is no epoll or eventfd: start-up fails then.
  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  using Callback = std::function<void()>;
  /// Level-triggered; created disabled.
  [[nodiscard]] Interest readable(int fd, Callback callback);
  [[nodiscard]] Interest writable(int fd, Callback callback);
  [[nodiscard]] Interest timer(Callback callback);
  [[nodiscard]] Interest signal(int number, Callback callback);

  /// Any thread: runs `task` on the loop's thread in its next pass.
  void post(Callback task);

  /// Waits for events (not at all if `poll`) and runs their callbacks: one pass.
  void run_once(bool poll);

 private:
  [[nodiscard]] Interest make(int fd, short what, Callback callback);
  void run_posted();

  event_base* base_;
  int wake_fd_;
  Interest wake_;
  std::mutex mutex_;
  std::vector<Callback> posted_;
};

}  // namespace vxs::daemon
