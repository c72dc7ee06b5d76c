// What the preloaded library failing_disk.so does to the files of a journal, and when: a page that
// a test and the daemon share (FAILING_DISK names its file).
#pragma once

#include <atomic>
#include <cstdint>

namespace vxs::test {

enum class DiskFaultKind : std::uint32_t {
  kNone,
  // From the call on that is due, until it is changed:
  kNoSpace,     // writes and reservations: ENOSPC
  kWriteFails,  // writes: EIO
  kTornWrite,   // writes: half of the bytes, then EIO
  kSyncFails,   // fdatasync: EIO
  kSyncHangs,   // fdatasync: does not return as long
  // The process dies, and what comes after it meets `next`:
  kDieInWrite,  // half of the bytes were written
  kDieAfterWrite,
  kDieBeforeSync,
  kDieAfterSync,
};

struct FailingDisk {
  std::atomic<DiskFaultKind> kind;
  std::atomic<DiskFaultKind> next;
  std::atomic<std::int32_t> calls_left;  // of the kind that it strikes
  std::atomic<std::uint32_t> struck;
};

}  // namespace vxs::test
