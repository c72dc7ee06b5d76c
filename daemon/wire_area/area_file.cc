#include "daemon/wire_area/area_file.hh"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U  // Linux 6.3; it complains about who says nothing
#endif

namespace vxs::daemon {
namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW;

tl::unexpected<std::string> failed(const char* what, std::uint64_t size) {
  const int code = errno;
  return tl::make_unexpected(
      fmt::format("wire area of {} MiB: {}: {}", size >> 20, what, std::strerror(code)));
}

}  // namespace

tl::expected<AreaFile, std::string> AreaFile::create(std::uint64_t size) {
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  process::Descriptor fd(::memfd_create("vxenstored-wire-area", kFlags | MFD_NOEXEC_SEAL));
  if (!fd && errno == EINVAL) fd.reset(::memfd_create("vxenstored-wire-area", kFlags));
  if (!fd) return failed("memfd_create", size);
  if (::ftruncate(fd.get(), static_cast<off_t>(size)) != 0) return failed("ftruncate", size);
  if (::fcntl(fd.get(), F_ADD_SEALS, kSeals | F_SEAL_SEAL) != 0) return failed("seal", size);
  return map(std::move(fd), size);
}

tl::expected<AreaFile, std::string> AreaFile::adopt(process::Descriptor fd) {
  const int seals = ::fcntl(fd.get(), F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals) {
    return tl::make_unexpected(std::string("wire area: not a sealed memfd"));
  }
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return failed("fstat", 0);
  return map(std::move(fd), static_cast<std::uint64_t>(status.st_size));
}

tl::expected<AreaFile, std::string> AreaFile::map(process::Descriptor fd, std::uint64_t size) {
  void* base = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (base == MAP_FAILED) return failed("mmap", size);
  // A slot is to cost its own small pages, whatever shmem_enabled says.
  (void)::madvise(base, size, MADV_NOHUGEPAGE);
  return AreaFile(std::move(fd), static_cast<char*>(base), size);
}

AreaFile::AreaFile(AreaFile&& other) noexcept
    : fd_(std::move(other.fd_)), base_(std::exchange(other.base_, nullptr)), size_(other.size_) {}

AreaFile::~AreaFile() {
  if (base_ != nullptr) ::munmap(base_, size_);
}

bool AreaFile::reserve(std::uint64_t offset, std::uint64_t length) const noexcept {
  int code = 0;
  do {
    code = ::fallocate(fd_.get(), FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                       static_cast<off_t>(length));
  } while (code != 0 && errno == EINTR);
  return code == 0;
}

void AreaFile::give_back(std::uint64_t offset, std::uint64_t length) const noexcept {
  if (length == 0) return;
  while (::fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                     static_cast<off_t>(offset), static_cast<off_t>(length)) != 0 &&
         errno == EINTR) {
  }
}

void AreaFile::leave_out_of_dumps(std::uint64_t offset) const noexcept {
  (void)::madvise(base_ + offset, size_ - offset, MADV_DONTDUMP);
}

}  // namespace vxs::daemon
