// The wire area's memory: a sealed memfd, sparse, mapped whole.
#pragma once

#include <cstdint>
#include <string>

#include <tl/expected.hpp>

#include "daemon/process/descriptor.hh"

namespace vxs::daemon {

/// One thread. Not copyable; moving keeps addresses.
class AreaFile {
 public:
  /// A new one of `size` bytes, all zero and without pages. Errors: no memory, no descriptor, no
  /// address space (RLIMIT_AS).
  [[nodiscard]] static tl::expected<AreaFile, std::string> create(std::uint64_t size);
  /// One that an earlier process made. Errors: not a memfd of ours (its size could change under us:
  /// SIGBUS), no address space.
  [[nodiscard]] static tl::expected<AreaFile, std::string> adopt(process::Descriptor fd);

  AreaFile(AreaFile&& other) noexcept;
  AreaFile& operator=(AreaFile&&) = delete;
  AreaFile(const AreaFile&) = delete;
  AreaFile& operator=(const AreaFile&) = delete;
  ~AreaFile();

  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
  [[nodiscard]] char* at(std::uint64_t offset) const noexcept { return base_ + offset; }

  /// Makes sure that [offset, offset + length) has pages, so that a store to it cannot be SIGBUS.
  /// False: no memory.
  [[nodiscard]] bool reserve(std::uint64_t offset, std::uint64_t length) const noexcept;
  /// Gives the pages of [offset, offset + length) back; it reads as zeroes then.
  void give_back(std::uint64_t offset, std::uint64_t length) const noexcept;
  /// [offset, end) is left out of core dumps: terabytes of nothing.
  void leave_out_of_dumps(std::uint64_t offset) const noexcept;

 private:
  AreaFile(process::Descriptor fd, char* base, std::uint64_t size) noexcept
      : fd_(std::move(fd)), base_(base), size_(size) {}
  [[nodiscard]] static tl::expected<AreaFile, std::string> map(process::Descriptor fd,
                                                               std::uint64_t size);

  process::Descriptor fd_;
  char* base_;
  std::uint64_t size_;
};

}  // namespace vxs::daemon
