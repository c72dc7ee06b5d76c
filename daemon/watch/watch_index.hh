// The index of all watches, by the caller's own kind of id (a pointer or a number). See
// watch_trie.hh for what matches, what it costs and in which order.
#pragma once

#include <bit>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "daemon/watch/watch_trie.hh"

namespace vxs::daemon {

/// One thread. The index never looks behind an id. A visitor must not change the index.
template <typename WatchId>
class BasicWatchIndex {
  static_assert(sizeof(WatchId) == sizeof(WatchTrie::Id) && std::is_trivially_copyable_v<WatchId>);

 public:
  void add(std::string_view path, std::optional<std::uint32_t> depth, WatchId id) {
    trie_.add(path, depth, std::bit_cast<WatchTrie::Id>(id));
  }
  bool remove(std::string_view path, WatchId id) noexcept {
    return trie_.remove(path, std::bit_cast<WatchTrie::Id>(id));
  }

  void swap(BasicWatchIndex& other) noexcept { trie_.swap(other.trie_); }

  /// visitor(WatchId) for each watch that a change of `path` concerns (D1, D2, D18).
  template <typename Visitor>
  void match(std::string_view path, Visitor&& visitor) const {
    match(path, WatchTrie::Reach::kExactAndAbove, visitor);
  }
  /// The same for watches on `path` itself only.
  template <typename Visitor>
  void match_exact(std::string_view path, Visitor&& visitor) const {
    match(path, WatchTrie::Reach::kExact, visitor);
  }
  /// visitor(WatchId) or visitor(WatchId, watched path) for each watch strictly below `path`
  /// (D5); which of those paths existed is the caller's to know (D6).
  template <typename Visitor>
  void match_subtree_exact(std::string_view path, bool children_first, Visitor&& visitor) const {
    using Plain = std::remove_reference_t<Visitor>;
    const auto order =
        children_first ? WatchTrie::Order::kChildrenFirst : WatchTrie::Order::kParentsFirst;
    trie_.match_below(
        path, order,
        [](void* context, WatchTrie::Id id, std::string_view watched) {
          Plain& visit = *static_cast<Plain*>(context);
          if constexpr (std::is_invocable_v<Plain&, WatchId, std::string_view>) {
            visit(std::bit_cast<WatchId>(id), watched);
          } else {
            visit(std::bit_cast<WatchId>(id));
          }
        },
        address(visitor));
  }

  [[nodiscard]] std::size_t size() const noexcept { return trie_.size(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return trie_.bytes(); }

 private:
  template <typename Visitor>
  static void* address(Visitor& visitor) noexcept {
    return const_cast<void*>(static_cast<const void*>(std::addressof(visitor)));
  }
  template <typename Visitor>
  void match(std::string_view path, WatchTrie::Reach reach, Visitor& visitor) const {
    trie_.match(
        path, reach,
        [](void* context, WatchTrie::Id id) {
          (*static_cast<Visitor*>(context))(std::bit_cast<WatchId>(id));
        },
        address(visitor));
  }

  WatchTrie trie_;
};

struct Watch;
using WatchIndex = BasicWatchIndex<Watch*>;

}  // namespace vxs::daemon
