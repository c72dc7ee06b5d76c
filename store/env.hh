// The narrow door to the disk (after LevelDB's Env): everything the store writes
// goes through here, so that a fault-injecting twin (tests/store/fault_env.hh) can
// fail, tear, delay and forget writes and cut the power.
//
// Thread-safe: journal, checkpoint and history threads call it concurrently.
// Every function returns a host errno value on failure, never throws but std::bad_alloc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

namespace vxs::store {

/// A failed system call: the errno, what was tried and on which path.
struct IoError {
  int code = 0;
  std::string what;  ///< e.g. "fsync /var/lib/vxenstored/…: No space left on device"
};

template <typename T>
using IoResult = tl::expected<T, IoError>;

/// An IoError that says "<action> <path>: <strerror(code)>".
[[nodiscard]] IoError make_io_error(int code, std::string_view action, std::string_view path);

/// An open file for writing at given offsets. Closed by the destructor.
class EnvFile {
 public:
  virtual ~EnvFile() = default;
  /// Writes all of `data` at `offset` (retries short writes and EINTR).
  [[nodiscard]] virtual IoResult<void> write_at(std::uint64_t offset, std::string_view data) = 0;
  /// Reads up to `size` bytes at `offset` into `out` (resized); fewer only at end of file.
  [[nodiscard]] virtual IoResult<void> read_at(std::uint64_t offset, std::size_t size,
                                               std::string& out) = 0;
  /// fdatasync. After a failure nothing may be assumed of what was written before (fsyncgate).
  [[nodiscard]] virtual IoResult<void> sync() = 0;
  /// Reserves real blocks for [0, size) and extends the file (posix_fallocate): later writes in
  /// that range cannot fail with ENOSPC.
  [[nodiscard]] virtual IoResult<void> preallocate(std::uint64_t size) = 0;
  /// Cuts the file to `size` bytes; its blocks beyond are freed.
  [[nodiscard]] virtual IoResult<void> truncate(std::uint64_t size) = 0;
  [[nodiscard]] virtual IoResult<std::uint64_t> size() = 0;
};

/// A preallocated file mapped shared and writable, for segments on tmpfs, or anonymous
/// memory. The memory is real (preallocated), so a store to it cannot fault.
class EnvMapping {
 public:
  virtual ~EnvMapping() = default;
  [[nodiscard]] virtual std::span<std::byte> bytes() noexcept = 0;
};

class Env {
 public:
  virtual ~Env() = default;
  /// Creates (O_EXCL, 0600) a file for writing.
  [[nodiscard]] virtual IoResult<std::unique_ptr<EnvFile>> create_file(const std::string& path) = 0;
  /// Opens an existing file; `writable` as said.
  [[nodiscard]] virtual IoResult<std::unique_ptr<EnvFile>> open_file(const std::string& path,
                                                                     bool writable) = 0;
  /// Creates (O_EXCL, 0600), preallocates and maps a file of `size` bytes, all zero. On failure
  /// no file is left.
  [[nodiscard]] virtual IoResult<std::unique_ptr<EnvMapping>> create_mapping(
      const std::string& path, std::size_t size) = 0;
  /// `size` bytes of zeroed memory without a file, gone with the process.
  [[nodiscard]] virtual IoResult<std::unique_ptr<EnvMapping>> create_anonymous(
      std::size_t size) = 0;
  [[nodiscard]] virtual IoResult<std::string> read_file(const std::string& path) = 0;
  [[nodiscard]] virtual IoResult<void> rename_file(const std::string& from,
                                                   const std::string& to) = 0;
  [[nodiscard]] virtual IoResult<void> remove_file(const std::string& path) = 0;
  /// Names in a directory, without "." and "..", unordered.
  [[nodiscard]] virtual IoResult<std::vector<std::string>> list_directory(
      const std::string& path) = 0;
  /// mkdir -p with mode 0700 for what is missing.
  [[nodiscard]] virtual IoResult<void> make_directories(const std::string& path) = 0;
  /// fsync of a directory, after creating, renaming or removing names in it.
  [[nodiscard]] virtual IoResult<void> sync_directory(const std::string& path) = 0;
  [[nodiscard]] virtual bool exists(const std::string& path) = 0;
  /// True where stores to a mapping never block on writeback: tmpfs, ramfs, hugetlbfs.
  [[nodiscard]] virtual bool is_memory_file_system(const std::string& path) = 0;
  /// 64 unpredictable bits (getrandom): the nonces of segments. A test's twin counts instead.
  [[nodiscard]] virtual std::uint64_t random_bits() = 0;
};

/// The real one. Stateless; one per process suffices.
[[nodiscard]] std::unique_ptr<Env> make_posix_env();

}  // namespace vxs::store
