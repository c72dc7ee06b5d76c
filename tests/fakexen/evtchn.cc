// libxenevtchn over the fake machine.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "tests/fakexen/the_machine.hh"

extern "C" {
#include <xenevtchn.h>
}

// The library's own opaque type: one open of the event-channel device.
struct xenevtchn_handle {
  vxs::fakexen::Machine& machine;
  int fd;
  uint32_t number;
};

namespace {

using vxs::fakexen::the_domid;
using vxs::fakexen::the_machine;
using vxs::fakexen::to_c;

// Owns `fd` from here on. The C interface hands the handle to the caller until xenevtchn_close.
xenevtchn_handle* adopt(int fd) {
  const auto number = the_machine()->handle_of(fd);
  if (!number) {
    errno = number.error();
    return nullptr;
  }
  return std::make_unique<xenevtchn_handle>(xenevtchn_handle{*the_machine(), fd, *number})
      .release();
}

}  // namespace

extern "C" {

xenevtchn_handle* xenevtchn_open(xentoollog_logger*, unsigned int flags) {
  if (the_machine() == nullptr || (flags & ~static_cast<unsigned>(XENEVTCHN_NO_CLOEXEC)) != 0) {
    errno = the_machine() == nullptr ? ENOENT : EINVAL;
    return nullptr;
  }
  const auto fd = the_machine()->open_handle((flags & XENEVTCHN_NO_CLOEXEC) == 0, the_domid());
  if (!fd) {
    errno = fd.error();
    return nullptr;
  }
  return adopt(*fd);
}

xenevtchn_handle* xenevtchn_fdopen(xentoollog_logger*, int fd, unsigned flags) {
  if (the_machine() == nullptr || flags != 0) {
    errno = EINVAL;
    return nullptr;
  }
  return adopt(fd);
}

int xenevtchn_close(xenevtchn_handle* handle) {
  if (handle == nullptr) return 0;
  const std::unique_ptr<xenevtchn_handle> owned(handle);
  close(owned->fd);
  owned->machine.reap();
  return 0;
}

int xenevtchn_fd(xenevtchn_handle* handle) { return handle->fd; }

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle* handle, uint32_t domid,
                                                     evtchn_port_t port) {
  return to_c(handle->machine.bind_interdomain(handle->number, domid, port));
}

xenevtchn_port_or_error_t xenevtchn_bind_virq(xenevtchn_handle* handle, unsigned int virq) {
  return to_c(handle->machine.bind_virq(handle->number, virq));
}

int xenevtchn_unbind(xenevtchn_handle* handle, evtchn_port_t port) {
  return to_c(handle->machine.unbind(handle->number, port));
}

int xenevtchn_notify(xenevtchn_handle* handle, evtchn_port_t port) {
  return to_c(handle->machine.notify(handle->number, port));
}

int xenevtchn_unmask(xenevtchn_handle* handle, evtchn_port_t port) {
  handle->machine.unmask(handle->number, port);
  return 0;
}

// Blocks, as the real one does, unless the caller made the descriptor non-blocking.
xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle* handle) {
  evtchn_port_t port = 0;
  const ssize_t got = read(handle->fd, &port, sizeof(port));
  if (got == static_cast<ssize_t>(sizeof(port))) return static_cast<int>(port);
  if (got >= 0) errno = EIO;
  return -1;
}

}  // extern "C"
