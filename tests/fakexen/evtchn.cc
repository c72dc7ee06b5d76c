// libxenevtchn with ports that can be bound and never become pending.
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <set>

extern "C" {
#include <xenevtchn.h>
}

// The library's own opaque type: one open of the event-channel device.
struct xenevtchn_handle {
  explicit xenevtchn_handle(int fd) : fd_(fd) {}
  ~xenevtchn_handle() { close(fd_); }
  xenevtchn_handle(const xenevtchn_handle&) = delete;
  xenevtchn_handle& operator=(const xenevtchn_handle&) = delete;

  [[nodiscard]] int fd() const { return fd_; }

  evtchn_port_t bind() {
    evtchn_port_t port = 1;
    while (bound_.contains(port)) ++port;
    bound_.insert(port);
    return port;
  }

  // 0, or -1 and EINVAL when the port is not bound.
  int unbind(evtchn_port_t port) { return bound_.erase(port) == 1 ? 0 : refuse(); }
  int check(evtchn_port_t port) const { return bound_.contains(port) ? 0 : refuse(); }

 private:
  static int refuse() {
    errno = EINVAL;
    return -1;
  }

  int fd_;
  std::set<evtchn_port_t> bound_;
};

extern "C" {

xenevtchn_handle* xenevtchn_open(xentoollog_logger*, unsigned int) {
  const int fd = eventfd(0, EFD_NONBLOCK);
  if (fd < 0) return nullptr;
  // The C interface hands ownership to the caller until xenevtchn_close.
  return std::make_unique<xenevtchn_handle>(fd).release();
}

int xenevtchn_close(xenevtchn_handle* handle) {
  const std::unique_ptr<xenevtchn_handle> owned(handle);
  return 0;
}

int xenevtchn_fd(xenevtchn_handle* handle) { return handle->fd(); }

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle* handle, uint32_t,
                                                     evtchn_port_t) {
  return static_cast<xenevtchn_port_or_error_t>(handle->bind());
}

xenevtchn_port_or_error_t xenevtchn_bind_virq(xenevtchn_handle* handle, unsigned int) {
  return static_cast<xenevtchn_port_or_error_t>(handle->bind());
}

int xenevtchn_unbind(xenevtchn_handle* handle, evtchn_port_t port) { return handle->unbind(port); }
int xenevtchn_notify(xenevtchn_handle* handle, evtchn_port_t port) { return handle->check(port); }
int xenevtchn_unmask(xenevtchn_handle* handle, evtchn_port_t port) { return handle->check(port); }

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle*) {
  errno = EAGAIN;
  return -1;
}

}  // extern "C"
