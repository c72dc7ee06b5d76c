#include "tests/fuzz/memory_env.hh"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace vxs::fuzz {

using store::IoResult;
using store::make_io_error;

namespace {

class MemoryFile final : public store::EnvFile {
 public:
  explicit MemoryFile(std::shared_ptr<std::string> content) : content_(std::move(content)) {}

  IoResult<void> write_at(std::uint64_t offset, std::string_view data) override {
    if (content_->size() < offset + data.size()) content_->resize(offset + data.size());
    data.copy(content_->data() + offset, data.size());
    return {};
  }
  IoResult<void> read_at(std::uint64_t offset, std::size_t size, std::string& out) override {
    const std::size_t begin = std::min<std::size_t>(offset, content_->size());
    out = content_->substr(begin, size);
    return {};
  }
  IoResult<void> sync() override { return {}; }
  IoResult<void> preallocate(std::uint64_t size) override {
    if (content_->size() < size) content_->resize(size);
    return {};
  }
  IoResult<void> truncate(std::uint64_t size) override {
    content_->resize(size);
    return {};
  }
  IoResult<std::uint64_t> size() override { return content_->size(); }

 private:
  std::shared_ptr<std::string> content_;
};

auto missing(std::string_view action, const std::string& path) {
  return tl::unexpected(make_io_error(ENOENT, action, path));
}

}  // namespace

void MemoryEnv::put(const std::string& path, std::string content) {
  files_[path] = std::make_shared<std::string>(std::move(content));
}

IoResult<std::unique_ptr<store::EnvFile>> MemoryEnv::create_file(const std::string& path) {
  const auto [it, is_new] = files_.try_emplace(path, std::make_shared<std::string>());
  if (!is_new) return tl::unexpected(make_io_error(EEXIST, "create", path));
  return std::make_unique<MemoryFile>(it->second);
}

IoResult<std::unique_ptr<store::EnvFile>> MemoryEnv::open_file(const std::string& path,
                                                               bool /*writable*/) {
  const auto it = files_.find(path);
  if (it == files_.end()) return missing("open", path);
  return std::make_unique<MemoryFile>(it->second);
}

IoResult<std::unique_ptr<store::EnvMapping>> MemoryEnv::create_mapping(const std::string& path,
                                                                       std::size_t /*size*/) {
  return tl::unexpected(make_io_error(ENODEV, "map", path));
}

IoResult<std::unique_ptr<store::EnvMapping>> MemoryEnv::create_anonymous(std::size_t /*size*/) {
  return tl::unexpected(make_io_error(ENODEV, "map", "memory"));
}

IoResult<std::string> MemoryEnv::read_file(const std::string& path) {
  const auto it = files_.find(path);
  if (it == files_.end()) return missing("read", path);
  return *it->second;
}

IoResult<void> MemoryEnv::rename_file(const std::string& from, const std::string& to) {
  const auto it = files_.find(from);
  if (it == files_.end()) return missing("rename", from);
  files_[to] = std::exchange(it->second, nullptr);
  files_.erase(it);
  return {};
}

IoResult<void> MemoryEnv::remove_file(const std::string& path) {
  if (files_.erase(path) == 0) return missing("remove", path);
  return {};
}

IoResult<std::vector<std::string>> MemoryEnv::list_directory(const std::string& path) {
  const std::string prefix = path + "/";
  std::vector<std::string> names;
  for (const auto& [name, content] : files_) {
    if (name.starts_with(prefix)) names.push_back(name.substr(prefix.size()));
  }
  return names;
}

IoResult<void> MemoryEnv::make_directories(const std::string& /*path*/) { return {}; }
IoResult<void> MemoryEnv::sync_directory(const std::string& /*path*/) { return {}; }
bool MemoryEnv::exists(const std::string& path) { return files_.contains(path); }
bool MemoryEnv::is_memory_file_system(const std::string& /*path*/) { return false; }

}  // namespace vxs::fuzz
