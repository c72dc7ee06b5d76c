// An Env whose files are strings, so that a fuzz target reads and writes whole
// files without a system call. One thread. Mappings are not offered.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "store/env.hh"

namespace vxs::fuzz {

class MemoryEnv final : public store::Env {
 public:
  void put(const std::string& path, std::string content);

  store::IoResult<std::unique_ptr<store::EnvFile>> create_file(const std::string& path) override;
  store::IoResult<std::unique_ptr<store::EnvFile>> open_file(const std::string& path,
                                                             bool writable) override;
  store::IoResult<std::unique_ptr<store::EnvMapping>> create_mapping(const std::string& path,
                                                                     std::size_t size) override;
  store::IoResult<std::unique_ptr<store::EnvMapping>> create_anonymous(std::size_t size) override;
  store::IoResult<std::string> read_file(const std::string& path) override;
  store::IoResult<void> rename_file(const std::string& from, const std::string& to) override;
  store::IoResult<void> remove_file(const std::string& path) override;
  store::IoResult<std::vector<std::string>> list_directory(const std::string& path) override;
  store::IoResult<void> make_directories(const std::string& path) override;
  store::IoResult<void> sync_directory(const std::string& path) override;
  bool exists(const std::string& path) override;
  bool is_memory_file_system(const std::string& path) override;
  std::uint64_t random_bits() override { return ++random_; }

 private:
  using Content = std::shared_ptr<std::string>;
  std::map<std::string, Content> files_;
  std::uint64_t random_ = 0;
};

}  // namespace vxs::fuzz
