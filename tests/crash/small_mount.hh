// A little tmpfs that nobody outside this process and its children sees.
#pragma once

#include <cstdint>
#include <string>

namespace vxs::test {

// Gives the process mounts of its own. Call before the first thread starts. Throws
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
  void resize(std::uint64_t bytes);

 private:
  void remount(unsigned long flags);

  std::string directory_;
  std::uint64_t bytes_;
  bool read_only_ = false;
};

}  // namespace vxs::test
