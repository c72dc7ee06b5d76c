#include "daemon/loop/event_loop.hh"

#include <event2/event.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace vxs::daemon {

struct Interest::State {
  event* handle = nullptr;
  EventLoop::Callback callback;

  ~State() {
    if (handle != nullptr) event_free(handle);
  }
};

Interest::Interest() noexcept = default;
Interest::Interest(Interest&&) noexcept = default;
Interest& Interest::operator=(Interest&&) noexcept = default;
Interest::~Interest() = default;

void Interest::enable() { (void)event_add(state_->handle, nullptr); }
void Interest::disable() { (void)event_del(state_->handle); }
void Interest::enable_after(std::int64_t microseconds) {
  const timeval delay{.tv_sec = microseconds / 1'000'000, .tv_usec = microseconds % 1'000'000};
  (void)event_add(state_->handle, &delay);
}

EventLoop::EventLoop() : base_(nullptr), wake_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (wake_fd_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  const std::unique_ptr<event_config, decltype(&event_config_free)> config(event_config_new(),
                                                                           &event_config_free);
  // Everything happens on one thread; post() has a lock of its own.
  event_config_set_flag(config.get(), EVENT_BASE_FLAG_NOLOCK);
  base_ = event_base_new_with_config(config.get());
  if (base_ == nullptr) throw std::system_error(errno, std::generic_category(), "epoll");
  wake_ = readable(wake_fd_, [this] {
    std::uint64_t count = 0;
    (void)!::read(wake_fd_, &count, sizeof count);
    run_posted();
  });
  wake_.enable();
}

EventLoop::~EventLoop() {
  wake_ = Interest();
  posted_.clear();
  event_base_free(base_);
  ::close(wake_fd_);
}

Interest EventLoop::make(int fd, short what, Callback callback) {
  Interest interest;
  interest.state_ = std::make_unique<Interest::State>();
  interest.state_->callback = std::move(callback);
  interest.state_->handle = event_new(
      base_, fd, what,
      [](evutil_socket_t, short, void* context) {
        // The callback may destroy the interest it belongs to, and with it itself.
        static_cast<Interest::State*>(context)->callback();
      },
      interest.state_.get());
  if (interest.state_->handle == nullptr) throw std::bad_alloc();
  return interest;
}

Interest EventLoop::readable(int fd, Callback callback) {
  return make(fd, EV_READ | EV_PERSIST, std::move(callback));
}
Interest EventLoop::writable(int fd, Callback callback) {
  return make(fd, EV_WRITE | EV_PERSIST, std::move(callback));
}
Interest EventLoop::timer(Callback callback) { return make(-1, 0, std::move(callback)); }
Interest EventLoop::signal(int number, Callback callback) {
  return make(number, EV_SIGNAL | EV_PERSIST, std::move(callback));
}

void EventLoop::post(Callback task) {
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(task));
  }
  const std::uint64_t one = 1;
  (void)!::write(wake_fd_, &one, sizeof one);
}

void EventLoop::run_posted() {
  std::vector<Callback> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(posted_);
  }
  for (const auto& task : tasks) task();
}

void EventLoop::run_once(bool poll) {
  (void)event_base_loop(base_, EVLOOP_ONCE | (poll ? EVLOOP_NONBLOCK : 0));
}

}  // namespace vxs::daemon
