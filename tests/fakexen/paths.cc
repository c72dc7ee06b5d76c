// File names of a Xen host, given to the daemons from memory or moved into
// the private directory FAKEXEN_RUNDIR.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "tests/fakexen/the_machine.hh"

namespace {

using vxs::fakexen::Machine;
using vxs::fakexen::the_domid;
using vxs::fakexen::the_machine;

using namespace std::string_view_literals;

struct Prefix {
  std::string_view from;
  std::string_view to;  // appended to FAKEXEN_RUNDIR
};
constexpr Prefix kMoved[] = {
    {"/var/run/xenstored", ""},
    {"/var/run/xen", "/xen"},
    {"/var/log/xen", "/log"},
    {"/var/lib/xen", "/lib"},
};

// Where `path` really lies.
std::string moved(const char* path) {
  const std::string_view view(path);
  const char* rundir = std::getenv("FAKEXEN_RUNDIR");
  if (rundir == nullptr) return std::string(view);
  for (const Prefix& prefix : kMoved) {
    if (!view.starts_with(prefix.from)) continue;
    const std::string_view rest = view.substr(prefix.from.size());
    if (!rest.empty() && rest.front() != '/') continue;
    return std::string(rundir).append(prefix.to).append(rest);
  }
  return std::string(view);
}

template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

// A memory file with `content`, at the start; -1 with errno on failure.
int memory_file(const char* name, std::string_view content) {
  const int fd = memfd_create(name, 0);
  if (fd < 0) return -1;
  if (pwrite(fd, content.data(), content.size(), 0) != static_cast<ssize_t>(content.size())) {
    close(fd);
    return -1;
  }
  return fd;
}

// The descriptor for one of Xen's own files, -2 for every other path. Without a machine they are
// what they are on this host.
int open_xen_file(std::string_view path) {
  Machine* machine = the_machine();
  if (machine == nullptr) return -2;
  if (path == "/proc/xen/xsd_port"sv) {
    const auto domain = machine->domain(the_domid());
    return memory_file("xsd_port", std::to_string(domain ? domain->store_port : 0));
  }
  if (path == "/proc/xen/xsd_kva"sv) return machine->open_own_page(the_domid());
  if (path == "/proc/xen/capabilities"sv) return memory_file("capabilities", "control_d\n");
  if (path == "/dev/xen/evtchn"sv) return memory_file("evtchn", "");
  return -2;
}

using OpenFunction = int(const char*, int, ...);

bool of_xen(std::string_view path) {
  return path.starts_with("/proc/xen/"sv) || path.starts_with("/dev/xen/"sv);
}

int open_through(const char* real, const char* path, int flags, mode_t mode) {
  const int special = of_xen(path) ? open_xen_file(path) : -2;
  if (special != -2) return special;
  return next<OpenFunction>(real)(moved(path).c_str(), flags, mode);
}

FILE* fopen_through(const char* real, const char* path, const char* mode) {
  const int special = of_xen(path) ? open_xen_file(path) : -2;
  if (special != -2) return special < 0 ? nullptr : fdopen(special, mode);
  return next<FILE*(const char*, const char*)>(real)(moved(path).c_str(), mode);
}

mode_t mode_of(int flags, va_list arguments) {
  const bool has_mode = (flags & (O_CREAT | __O_TMPFILE)) != 0;
  return has_mode ? va_arg(arguments, mode_t) : 0;
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return open_through("open", path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return open_through("open64", path, flags, mode);
}

FILE* fopen(const char* path, const char* mode) { return fopen_through("fopen", path, mode); }
FILE* fopen64(const char* path, const char* mode) { return fopen_through("fopen64", path, mode); }

int mkdir(const char* path, mode_t mode) noexcept {
  return next<int(const char*, mode_t)>("mkdir")(moved(path).c_str(), mode);
}

int chmod(const char* path, mode_t mode) noexcept {
  return next<int(const char*, mode_t)>("chmod")(moved(path).c_str(), mode);
}

int unlink(const char* path) noexcept {
  return next<int(const char*)>("unlink")(moved(path).c_str());
}

int access(const char* path, int mode) noexcept {
  return next<int(const char*, int)>("access")(moved(path).c_str(), mode);
}

int rename(const char* from, const char* to) noexcept {
  return next<int(const char*, const char*)>("rename")(moved(from).c_str(), moved(to).c_str());
}

int stat(const char* __restrict path, struct stat* __restrict info) noexcept {
  return next<int(const char*, struct stat*)>("stat")(moved(path).c_str(), info);
}

int stat64(const char* __restrict path, struct stat64* __restrict info) noexcept {
  return next<int(const char*, struct stat64*)>("stat64")(moved(path).c_str(), info);
}

int bind(int fd, const struct sockaddr* address, socklen_t length) noexcept {
  const auto real = next<int(int, const struct sockaddr*, socklen_t)>("bind");
  if (address->sa_family != AF_UNIX || length <= offsetof(sockaddr_un, sun_path) + 1) {
    return real(fd, address, length);
  }
  sockaddr_un target{};
  std::memcpy(&target, address, length < sizeof(target) ? length : sizeof(target) - 1);
  const std::string path = moved(target.sun_path);
  if (path.size() >= sizeof(target.sun_path)) {
    errno = ENAMETOOLONG;
    return -1;
  }
  std::memcpy(target.sun_path, path.c_str(), path.size() + 1);
  return real(fd, reinterpret_cast<const struct sockaddr*>(&target),
              static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1));
}

}  // extern "C"
