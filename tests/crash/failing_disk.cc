// Preloaded into the daemon by kept_disk_test: its journal lies on a disk that fails and tears, and
// that may be the last it sees. Files are told by their names: those below a directory "journal".
#include "tests/crash/failing_disk.hh"

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace {

using vxs::test::DiskFaultKind;
using vxs::test::FailingDisk;

FailingDisk* disk() {
  static FailingDisk* const page = []() -> FailingDisk* {
    const char* name = std::getenv("FAILING_DISK");
    const int fd = name == nullptr ? -1 : ::open(name, O_RDWR | O_CLOEXEC);
    if (fd < 0) return nullptr;
    void* base = ::mmap(nullptr, sizeof(FailingDisk), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ::close(fd);
    return base == MAP_FAILED ? nullptr : static_cast<FailingDisk*>(base);
  }();
  return page;
}

bool in_journal(int fd) {
  char link[64];
  char target[512];
  (void)std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t size = ::readlink(link, target, sizeof target);
  return size > 0 && std::string_view(target, static_cast<std::size_t>(size)).find("/journal/") !=
                         std::string_view::npos;
}

/// What a call has to do now, if it is of one of these kinds.
DiskFaultKind due(int fd, std::initializer_list<DiskFaultKind> kinds) {
  FailingDisk* const page = disk();
  if (page == nullptr) return DiskFaultKind::kNone;
  const DiskFaultKind kind = page->kind.load();
  bool ours = false;
  for (const DiskFaultKind one : kinds) ours = ours || one == kind;
  if (!ours || !in_journal(fd)) return DiskFaultKind::kNone;
  if (page->calls_left.load() > 0 && page->calls_left.fetch_sub(1) > 0) {
    return DiskFaultKind::kNone;
  }
  page->struck.fetch_add(1);
  return kind;
}

[[noreturn]] void die() {
  disk()->kind.store(disk()->next.load());
  (void)::kill(::getpid(), SIGKILL);
  for (;;) ::pause();
}

template <typename Function>
Function* real(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

ssize_t write_at(int fd, const void* bytes, size_t size, off_t offset) {
  static auto* const next = real<ssize_t(int, const void*, size_t, off_t)>("pwrite");
  switch (due(fd, {DiskFaultKind::kNoSpace, DiskFaultKind::kWriteFails, DiskFaultKind::kTornWrite,
                   DiskFaultKind::kDieInWrite, DiskFaultKind::kDieAfterWrite})) {
    case DiskFaultKind::kNoSpace:
      errno = ENOSPC;
      return -1;
    case DiskFaultKind::kWriteFails:
      errno = EIO;
      return -1;
    case DiskFaultKind::kTornWrite:
      (void)next(fd, bytes, size / 2, offset);
      errno = EIO;
      return -1;
    case DiskFaultKind::kDieInWrite:
      (void)next(fd, bytes, size / 2, offset);
      die();
    case DiskFaultKind::kDieAfterWrite:
      (void)next(fd, bytes, size, offset);
      die();
    default:
      return next(fd, bytes, size, offset);
  }
}

}  // namespace

extern "C" {

ssize_t pwrite(int fd, const void* bytes, size_t size, off_t offset) {
  return write_at(fd, bytes, size, offset);
}

ssize_t pwrite64(int fd, const void* bytes, size_t size, off_t offset) {
  return write_at(fd, bytes, size, offset);
}

int fdatasync(int fd) {
  static auto* const next = real<int(int)>("fdatasync");
  switch (due(fd, {DiskFaultKind::kSyncFails, DiskFaultKind::kSyncHangs,
                   DiskFaultKind::kDieBeforeSync, DiskFaultKind::kDieAfterSync})) {
    case DiskFaultKind::kSyncFails:
      errno = EIO;
      return -1;
    case DiskFaultKind::kSyncHangs:
      while (disk()->kind.load() == DiskFaultKind::kSyncHangs) (void)::usleep(1000);
      return next(fd);
    case DiskFaultKind::kDieBeforeSync:
      die();
    case DiskFaultKind::kDieAfterSync:
      (void)next(fd);
      die();
    default:
      return next(fd);
  }
}

int posix_fallocate(int fd, off_t offset, off_t size) {
  static auto* const next = real<int(int, off_t, off_t)>("posix_fallocate");
  if (due(fd, {DiskFaultKind::kNoSpace}) != DiskFaultKind::kNone) return ENOSPC;
  return next(fd, offset, size);
}

}  // extern "C"
