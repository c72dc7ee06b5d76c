// An Env whose every operation can be made to fail, once or from then on.
#pragma once

#include <atomic>
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "store/env.hh"

namespace vxs::history_test {

class FailingEnv final : public store::Env {
 public:
  explicit FailingEnv(store::Env& real) : real_(real) {}

  /// Operation number `at` (from 0, counted from this call) fails, and the following `more`.
  void fail_at(int at, int more = 0) {
    next_ = 0;
    first_ = at;
    last_ = at + more;
  }
  void heal() { first_ = last_ = -1; }
  /// Any thread: no file can be made from now on, or again.
  void be_full(bool full) { full_ = full; }
  /// Files that could not be made since the disk was full.
  [[nodiscard]] int refused() const { return refused_; }
  [[nodiscard]] int operations() const { return next_; }

  store::IoResult<std::unique_ptr<store::EnvFile>> create_file(const std::string& path) override {
    if (full_) ++refused_;
    if (full_ || fails()) return failure(path);
    auto file = real_.create_file(path);
    if (!file) return file;
    return std::make_unique<File>(*this, *std::move(file));
  }
  store::IoResult<std::unique_ptr<store::EnvFile>> open_file(const std::string& path,
                                                             bool writable) override {
    return real_.open_file(path, writable);
  }
  store::IoResult<std::unique_ptr<store::EnvMapping>> create_mapping(const std::string& path,
                                                                     std::size_t size) override {
    return real_.create_mapping(path, size);
  }
  store::IoResult<std::unique_ptr<store::EnvMapping>> create_anonymous(std::size_t size) override {
    return real_.create_anonymous(size);
  }
  std::uint64_t random_bits() override { return real_.random_bits(); }
  store::IoResult<std::string> read_file(const std::string& path) override {
    return real_.read_file(path);
  }
  store::IoResult<void> rename_file(const std::string& from, const std::string& to) override {
    if (fails()) return failure(from);
    return real_.rename_file(from, to);
  }
  store::IoResult<void> remove_file(const std::string& path) override {
    if (fails()) return failure(path);
    return real_.remove_file(path);
  }
  store::IoResult<std::vector<std::string>> list_directory(const std::string& path) override {
    return real_.list_directory(path);
  }
  store::IoResult<void> make_directories(const std::string& path) override {
    if (fails()) return failure(path);
    return real_.make_directories(path);
  }
  store::IoResult<void> sync_directory(const std::string& path) override {
    if (fails()) return failure(path);
    return real_.sync_directory(path);
  }
  bool exists(const std::string& path) override { return real_.exists(path); }
  bool is_memory_file_system(const std::string& path) override {
    return real_.is_memory_file_system(path);
  }

 private:
  class File final : public store::EnvFile {
   public:
    File(FailingEnv& env, std::unique_ptr<store::EnvFile> real)
        : env_(env), real_(std::move(real)) {}
    store::IoResult<void> write_at(std::uint64_t offset, std::string_view data) override {
      if (!env_.fails()) return real_->write_at(offset, data);
      // A full disk takes a part.
      static_cast<void>(real_->write_at(offset, data.substr(0, data.size() / 2)));
      return failure("write");
    }
    store::IoResult<void> read_at(std::uint64_t offset, std::size_t size,
                                  std::string& out) override {
      return real_->read_at(offset, size, out);
    }
    store::IoResult<void> sync() override {
      if (env_.fails()) return failure("fsync");
      return real_->sync();
    }
    store::IoResult<void> preallocate(std::uint64_t size) override {
      return real_->preallocate(size);
    }
    store::IoResult<void> truncate(std::uint64_t size) override { return real_->truncate(size); }
    store::IoResult<std::uint64_t> size() override { return real_->size(); }

   private:
    FailingEnv& env_;
    std::unique_ptr<store::EnvFile> real_;
  };

  bool fails() {
    const int now = next_++;
    return now >= first_ && now <= last_;
  }
  static tl::unexpected<store::IoError> failure(const std::string& what) {
    return tl::unexpected(store::IoError{ENOSPC, what + ": injected"});
  }

  store::Env& real_;
  int next_ = 0;
  int first_ = -1;
  int last_ = -1;
  std::atomic<bool> full_ = false;
  std::atomic<int> refused_ = 0;
};

}  // namespace vxs::history_test
