// The Env over the host's system calls.
#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cerrno>
#include <random>
#include <utility>

#include "store/env.hh"

namespace vxs::store {
namespace {

tl::unexpected<IoError> failed(int code, std::string_view action, std::string_view path) {
  return tl::unexpected(make_io_error(code, action, path));
}

/// Owns a descriptor.
class Fd {
 public:
  explicit Fd(int fd) noexcept : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  Fd& operator=(Fd&&) = delete;
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }

 private:
  int fd_;
};

int open_retrying(const std::string& path, int flags) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

int fallocate_retrying(int fd, std::uint64_t size) {
  int code = 0;
  do {
    code = ::posix_fallocate(fd, 0, static_cast<off_t>(size));
  } while (code == EINTR);
  return code;
}

IoResult<void> read_some(int fd, const std::string& path, std::uint64_t offset, std::size_t size,
                         std::string& out) {
  out.resize(size);
  std::size_t done = 0;
  while (done < size) {
    const ssize_t n =
        ::pread(fd, out.data() + done, size - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed(errno, "read", path);
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  out.resize(done);
  return {};
}

class PosixFile final : public EnvFile {
 public:
  PosixFile(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  IoResult<void> write_at(std::uint64_t offset, std::string_view data) override {
    while (!data.empty()) {
      const ssize_t n = ::pwrite(fd_.get(), data.data(), data.size(), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return failed(errno, "write", path_);
      if (n == 0) return failed(EIO, "write", path_);
      data.remove_prefix(static_cast<std::size_t>(n));
      offset += static_cast<std::uint64_t>(n);
    }
    return {};
  }

  IoResult<void> read_at(std::uint64_t offset, std::size_t size, std::string& out) override {
    return read_some(fd_.get(), path_, offset, size, out);
  }

  IoResult<void> sync() override {
    int rc = 0;
    do {
      rc = ::fdatasync(fd_.get());
    } while (rc < 0 && errno == EINTR);
    if (rc < 0) return failed(errno, "fdatasync", path_);
    return {};
  }

  IoResult<void> preallocate(std::uint64_t size) override {
    if (const int code = fallocate_retrying(fd_.get(), size); code != 0) {
      return failed(code, "preallocate", path_);
    }
    return {};
  }

  IoResult<void> truncate(std::uint64_t size) override {
    int rc = 0;
    do {
      rc = ::ftruncate(fd_.get(), static_cast<off_t>(size));
    } while (rc < 0 && errno == EINTR);
    if (rc < 0) return failed(errno, "truncate", path_);
    return {};
  }

  IoResult<std::uint64_t> size() override {
    struct stat info {};
    if (::fstat(fd_.get(), &info) < 0) return failed(errno, "stat", path_);
    return static_cast<std::uint64_t>(info.st_size);
  }

 private:
  Fd fd_;
  std::string path_;
};

class PosixMapping final : public EnvMapping {
 public:
  PosixMapping(void* base, std::size_t size) noexcept : base_(base), size_(size) {}
  PosixMapping(const PosixMapping&) = delete;
  PosixMapping& operator=(const PosixMapping&) = delete;
  ~PosixMapping() override { ::munmap(base_, size_); }
  std::span<std::byte> bytes() noexcept override { return {static_cast<std::byte*>(base_), size_}; }

 private:
  void* base_;
  std::size_t size_;
};

class PosixEnv final : public Env {
 public:
  IoResult<std::unique_ptr<EnvFile>> create_file(const std::string& path) override {
    Fd fd(open_retrying(path, O_RDWR | O_CREAT | O_EXCL));
    if (!fd) return failed(errno, "create", path);
    return std::make_unique<PosixFile>(std::move(fd), path);
  }

  IoResult<std::unique_ptr<EnvFile>> open_file(const std::string& path, bool writable) override {
    Fd fd(open_retrying(path, writable ? O_RDWR : O_RDONLY));
    if (!fd) return failed(errno, "open", path);
    return std::make_unique<PosixFile>(std::move(fd), path);
  }

  IoResult<std::unique_ptr<EnvMapping>> create_mapping(const std::string& path,
                                                       std::size_t size) override {
    const Fd fd(open_retrying(path, O_RDWR | O_CREAT | O_EXCL));
    if (!fd) return failed(errno, "create", path);
    if (const int code = fallocate_retrying(fd.get(), size); code != 0) {
      ::unlink(path.c_str());
      return failed(code, "preallocate", path);
    }
    // Populated now, so that an append later meets no page fault.
    void* base =
        ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd.get(), 0);
    if (base == MAP_FAILED) {
      const int code = errno;
      ::unlink(path.c_str());
      return failed(code, "map", path);
    }
    return std::make_unique<PosixMapping>(base, size);
  }

  IoResult<std::unique_ptr<EnvMapping>> create_anonymous(std::size_t size) override {
    void* base = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (base == MAP_FAILED) return failed(errno, "map", "anonymous memory");
    return std::make_unique<PosixMapping>(base, size);
  }

  IoResult<std::string> read_file(const std::string& path) override {
    const Fd fd(open_retrying(path, O_RDONLY));
    if (!fd) return failed(errno, "open", path);
    struct stat info {};
    if (::fstat(fd.get(), &info) < 0) return failed(errno, "stat", path);
    std::string out;
    if (auto read = read_some(fd.get(), path, 0, static_cast<std::size_t>(info.st_size), out);
        !read) {
      return tl::unexpected(read.error());
    }
    return out;
  }

  IoResult<void> rename_file(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) < 0) return failed(errno, "rename", from);
    return {};
  }

  IoResult<void> remove_file(const std::string& path) override {
    if (::unlink(path.c_str()) < 0) return failed(errno, "remove", path);
    return {};
  }

  IoResult<std::vector<std::string>> list_directory(const std::string& path) override {
    const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(path.c_str()), &::closedir);
    if (!dir) return failed(errno, "list", path);
    std::vector<std::string> names;
    for (;;) {
      errno = 0;
      const dirent* entry = ::readdir(dir.get());
      if (entry == nullptr) break;
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    if (errno != 0) return failed(errno, "list", path);
    return names;
  }

  IoResult<void> make_directories(const std::string& path) override {
    for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
      const std::string prefix = path.substr(0, end);
      if (::mkdir(prefix.c_str(), 0700) < 0 && errno != EEXIST) {
        const int code = errno;
        // A read-only file system or a foreign parent is no obstacle where the folder is there.
        struct stat info {};
        if (::stat(prefix.c_str(), &info) < 0 || !S_ISDIR(info.st_mode)) {
          return failed(code, "make directory", prefix);
        }
      }
      if (end == std::string::npos) return {};
    }
  }

  IoResult<void> sync_directory(const std::string& path) override {
    const Fd fd(open_retrying(path, O_RDONLY | O_DIRECTORY));
    if (!fd) return failed(errno, "open", path);
    if (::fsync(fd.get()) < 0) return failed(errno, "fsync", path);
    return {};
  }

  bool exists(const std::string& path) override {
    struct stat info {};
    return ::lstat(path.c_str(), &info) == 0;
  }

  bool is_memory_file_system(const std::string& path) override {
    struct statfs info {};
    if (::statfs(path.c_str(), &info) < 0) return false;
    switch (static_cast<std::uint32_t>(info.f_type)) {
      case TMPFS_MAGIC:
      case RAMFS_MAGIC:
      case HUGETLBFS_MAGIC:
        return true;
      default:
        return false;
    }
  }

  std::uint64_t random_bits() override {
    std::uint64_t bits = 0;
    ssize_t n = 0;
    do {
      n = ::getrandom(&bits, sizeof bits, 0);
    } while (n < 0 && errno == EINTR);
    if (n == static_cast<ssize_t>(sizeof bits)) return bits;
    std::random_device device;  // a kernel without getrandom
    return (std::uint64_t{device()} << 32) | device();
  }
};

}  // namespace

std::unique_ptr<Env> make_posix_env() { return std::make_unique<PosixEnv>(); }

}  // namespace vxs::store
