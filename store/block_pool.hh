// A few freed blocks of each small size, kept for the next change: a change that copies a path
// frees as many blocks as it takes, more than the heap's own cache holds.
#pragma once

#include <array>
#include <cstddef>
#include <new>

namespace vxs::store {

/// One thread. Copying a pool copies nothing: blocks belong to the pool they were given to.
class BlockPool {
 public:
  BlockPool() noexcept = default;
  BlockPool(const BlockPool& /*other*/) noexcept {}
  BlockPool& operator=(const BlockPool& /*other*/) noexcept { return *this; }
  ~BlockPool() { set_limit(0); }

  /// At most this many bytes are kept; 0 gives all back. Sanitizer builds keep none, so that
  /// they see every use after free.
  void set_limit(std::size_t bytes) noexcept {
    limit_ = bytes;
    if (bytes_ > limit_) clear();
  }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

  /// A block of exactly `chunk` bytes of heap (a multiple of 16), nullptr if there is none.
  [[nodiscard]] void* take(std::size_t chunk) noexcept {
    if (chunk > kLargest) return nullptr;
    Free*& head = heads_[chunk / 16];
    Free* block = head;
    if (block == nullptr) return nullptr;
    head = block->next;
    bytes_ -= chunk;
    return block;
  }
  /// Takes the block, which came from operator new, or says no.
  [[nodiscard]] bool give(void* block, std::size_t chunk) noexcept {
    if (chunk > kLargest || bytes_ + chunk > limit_) return false;
    Free*& head = heads_[chunk / 16];
    head = new (block) Free{head};
    bytes_ += chunk;
    return true;
  }

 private:
  struct Free {
    Free* next;
  };
  void clear() noexcept {
    for (Free*& head : heads_) {
      while (head != nullptr) {
        Free* block = head;
        head = block->next;
        ::operator delete(block);
      }
    }
    bytes_ = 0;
  }

  static constexpr std::size_t kLargest = 512;
#if defined(VXS_ASAN) || defined(VXS_TSAN)
  std::size_t limit_ = 0;
#else
  std::size_t limit_ = std::size_t{64} << 10;
#endif
  std::size_t bytes_ = 0;
  std::array<Free*, kLargest / 16 + 1> heads_{};
};

}  // namespace vxs::store
