// A private directory for the length of a test.
#pragma once

#include <string>

namespace vxs::support {

class TempDir {
 public:
  // Creates <parent>/vxs-XXXXXX, mode 0700; throws std::runtime_error. The
  // name stays short, since unix socket names end at 107 bytes.
  explicit TempDir(const std::string& parent = "/tmp");
  // Removes it with everything in it.
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace vxs::support
