#include "tests/crash/small_mount.hh"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <utility>

namespace vxs::test {
namespace {

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

}  // namespace

void leave_mount_namespace() {
  static bool left = false;
  if (std::exchange(left, true)) return;
  if (::unshare(CLONE_NEWNS) != 0) fail("unshare(CLONE_NEWNS)");
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    fail("mount --make-rprivate");
}

SmallMount::SmallMount(std::string directory, std::uint64_t bytes)
    : directory_(std::move(directory)), bytes_(bytes) {
  std::filesystem::create_directories(directory_);
  const std::string options = "mode=0700,size=" + std::to_string(bytes_);
  if (::mount("vxs-test", directory_.c_str(), "tmpfs", 0, options.c_str()) != 0) {
    fail("mount " + directory_);
  }
}

SmallMount::~SmallMount() { (void)::umount2(directory_.c_str(), MNT_DETACH); }

void SmallMount::fill(std::uint64_t left) {
  struct statvfs space {};
  if (::statvfs(directory_.c_str(), &space) != 0) fail("statvfs " + directory_);
  const std::uint64_t free = space.f_bavail * space.f_frsize;
  if (free <= left) return;
  const int fd = ::open((directory_ + "/ballast").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0) fail("open ballast");
  const auto begin = ::lseek(fd, 0, SEEK_END);
  const int error = ::posix_fallocate(fd, begin, static_cast<off_t>(free - left));
  ::close(fd);
  errno = error;
  if (error != 0) fail("fallocate ballast");
}

void SmallMount::empty() { std::filesystem::remove(directory_ + "/ballast"); }

void SmallMount::set_read_only(bool read_only) {
  const std::string options = "size=" + std::to_string(bytes_);
  const unsigned long flags = read_only ? MS_REMOUNT | MS_RDONLY : MS_REMOUNT;
  if (::mount("none", directory_.c_str(), nullptr, flags, options.c_str()) != 0) {
    fail("remount " + directory_);
  }
}

ReadOnlyCover::ReadOnlyCover(std::string directory) : directory_(std::move(directory)) {
  const char* path = directory_.c_str();
  if (::mount(path, path, nullptr, MS_BIND, nullptr) != 0) fail("mount --bind " + directory_);
  if (::mount("none", path, nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) != 0) {
    fail("mount -o remount,bind,ro " + directory_);
  }
}

ReadOnlyCover::~ReadOnlyCover() { (void)::umount2(directory_.c_str(), MNT_DETACH); }

}  // namespace vxs::test
