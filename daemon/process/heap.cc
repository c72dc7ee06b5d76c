#include "daemon/process/heap.hh"

#include <malloc.h>

namespace vxs::process {
namespace {

constexpr int kMapped = 1 << 20;
constexpr int kKeptAtTheEnd = 1 << 20;

}  // namespace

void bound_heaps() noexcept {
  (void)mallopt(M_MMAP_THRESHOLD, kMapped);
  (void)mallopt(M_TRIM_THRESHOLD, kKeptAtTheEnd);
}

void trim_heaps() noexcept { (void)malloc_trim(0); }

}  // namespace vxs::process
