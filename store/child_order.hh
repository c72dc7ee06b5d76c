// The creation order of a large child set: a B+-tree by creation number whose leaves hold the
// names as DIRECTORY sends them and whose inner blocks hold sums of name bytes, so that a byte
// offset is found in O(log children) and a page of names is copied, not collected.
//
// Names are added at the right edge only and removed anywhere. Blocks are shared by reference
// counts and copied when a shared one must change.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "store/tree_impl.hh"

namespace vxs::store {

inline constexpr std::size_t kOrderFanout = 32;
/// A leaf takes no further name beyond this many bytes of names (a single name may be longer).
inline constexpr std::size_t kOrderLeafBytes = 2048;

struct OrderBlock {
  std::uint32_t references = 1;
  std::uint16_t count = 0;
  std::uint16_t level = 0;  ///< 0: a leaf
};

struct OrderLeaf : OrderBlock {
  std::uint32_t units = 0;
  std::uint32_t used = 0;               ///< bytes of names, NULs included
  std::uint64_t numbers[kOrderFanout];  ///< ascending
  std::uint32_t ends[kOrderFanout];     ///< where each name ends, after its NUL
  [[nodiscard]] char* names() noexcept { return reinterpret_cast<char*>(this + 1); }
  [[nodiscard]] const char* names() const noexcept {
    return reinterpret_cast<const char*>(this + 1);
  }
  [[nodiscard]] std::size_t begin(std::size_t i) const noexcept { return i == 0 ? 0 : ends[i - 1]; }
  [[nodiscard]] std::string_view name(std::size_t i) const noexcept {
    return {names() + begin(i), ends[i] - begin(i) - 1};
  }
};

struct OrderInner : OrderBlock {
  /// No number below child i is smaller than firsts[i], none below child i-1 as great.
  std::uint64_t firsts[kOrderFanout];
  std::uint64_t bytes[kOrderFanout];  ///< of names below
  OrderBlock* children[kOrderFanout];
};

/// Appends a name under a number greater than all before. Nothing changes if it throws
/// std::bad_alloc.
void order_append(OrderBlock*& root, std::uint64_t number, std::string_view name, Account& account);
/// Takes the name with this number out. REQUIRES: it exists. If it throws std::bad_alloc, no
/// content has changed.
void order_remove(OrderBlock*& root, std::uint64_t number, Account& account);
/// As Node::append_child_names.
bool order_names(const OrderBlock* root, std::string& out, std::size_t offset, std::size_t limit);

struct OrderPlace {
  const OrderLeaf* leaf = nullptr;  ///< nullptr: none
  std::uint32_t index = 0;
};
/// The first name whose number is at least `number`.
[[nodiscard]] OrderPlace order_find(const OrderBlock* root, std::uint64_t number) noexcept;

/// One reference to the block (may be nullptr) goes.
void order_drop(OrderBlock* root, Reaper& reaper) noexcept;

}  // namespace vxs::store
