#include "tree_failing_new.hh"

#include <cstdlib>
#include <new>

namespace {
long g_left = -1;

void* allocate(std::size_t size) noexcept {
  if (g_left >= 0 && g_left-- == 0) return nullptr;
  return std::malloc(size == 0 ? 1 : size);
}
}  // namespace

void* operator new(std::size_t size) {
  void* memory = allocate(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }

namespace vxs::store::test {

void fail_allocation(long number) { g_left = number; }
bool allocation_failed() { return g_left < 0; }

}  // namespace vxs::store::test
