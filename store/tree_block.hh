// Memory of the tree: blocks from the C++ heap, counted as what they really take.
// Internal to store/tree*.cc and store/child_*.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

#include "store/tree.hh"

namespace vxs::store {

/// What a heap block of `bytes` usable bytes takes: glibc's chunks are multiples of 16, 8 of them
/// the allocator's own.
[[nodiscard]] constexpr std::size_t chunk_size(std::size_t bytes) noexcept {
  const std::size_t chunk = (bytes + 8 + 15) & ~std::size_t{15};
  return chunk < 32 ? 32 : chunk;
}
/// The bytes a chunk has for us.
[[nodiscard]] constexpr std::size_t usable_size(std::size_t chunk) noexcept { return chunk - 8; }

/// Sizes are kept in the blocks as a number of 16-byte units.
inline constexpr std::size_t kUnit = 16;

/// Frees a block and counts it off.
inline void free_block(TreeStats& stats, void* block, std::size_t chunk) noexcept {
  if (!stats.pool.give(block, chunk)) ::operator delete(block);
  stats.total_bytes -= chunk;
}

/// Where a change counts its memory: `stats` is what is alive in any version, `reachable` what
/// the version being changed reaches.
class Account {
 public:
  Account(TreeStats& stats, std::size_t& reachable) noexcept
      : stats_(stats), reachable_(reachable) {}

  /// A block of `chunk` bytes (from chunk_size()), alive and reachable. Throws std::bad_alloc.
  [[nodiscard]] void* allocate(std::size_t chunk) {
    void* block = stats_.pool.take(chunk);
    if (block == nullptr) block = ::operator new(usable_size(chunk));
    count(chunk);
    return block;
  }
  /// The same, nullptr if there is no memory.
  [[nodiscard]] void* try_allocate(std::size_t chunk) noexcept {
    void* block = stats_.pool.take(chunk);
    if (block == nullptr) block = ::operator new(usable_size(chunk), std::nothrow);
    if (block != nullptr) count(chunk);
    return block;
  }
  /// A block of this version alone goes.
  void free(void* block, std::size_t chunk) noexcept {
    free_block(stats_, block, chunk);
    reachable_ -= chunk;
  }
  /// This version no longer reaches a block that another one keeps alive (and the other way).
  void leave(std::size_t chunk) noexcept { reachable_ -= chunk; }
  void reach(std::size_t chunk) noexcept { reachable_ += chunk; }

  [[nodiscard]] TreeStats& stats() noexcept { return stats_; }
  [[nodiscard]] std::size_t reachable() const noexcept { return reachable_; }

 private:
  void count(std::size_t chunk) noexcept {
    stats_.total_bytes += chunk;
    reachable_ += chunk;
  }
  TreeStats& stats_;
  std::size_t& reachable_;
};

}  // namespace vxs::store
