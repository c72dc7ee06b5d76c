// A little tmpfs that nobody outside this process and its children sees.
#pragma once

#include <cstdint>
#include <string>

namespace vxs::test {

// Gives the process mounts of its own, once. Call before the first thread starts. Throws
// std::runtime_error; needs root.
void leave_mount_namespace();

// A tmpfs of `bytes` over `directory` (made when missing); unmounted in the destructor.
class SmallMount {
 public:
  SmallMount(std::string directory, std::uint64_t bytes);
  ~SmallMount();
  SmallMount(const SmallMount&) = delete;
  SmallMount& operator=(const SmallMount&) = delete;

  // Takes all space that is left but `left` bytes, or gives it back.
  void fill(std::uint64_t left = 0);
  void empty();
  // Changes what the file system allows. Throws where the kernel refuses (EBUSY: open for writing).
  void set_read_only(bool read_only);

 private:
  std::string directory_;
  std::uint64_t bytes_;
};

// Makes a directory read-only for whoever opens something in it by its name, files open for writing
// notwithstanding (which keep a file system itself from becoming so); ends with the object.
class ReadOnlyCover {
 public:
  explicit ReadOnlyCover(std::string directory);
  ~ReadOnlyCover();
  ReadOnlyCover(const ReadOnlyCover&) = delete;
  ReadOnlyCover& operator=(const ReadOnlyCover&) = delete;

 private:
  std::string directory_;
};

}  // namespace vxs::test
