// Hashes of paths, made component by component: those of a path and of everything above it cost one
// walk, as do those of a request's chain of new nodes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

namespace vxs::transactions {

/// A special node's name stands for a path of one component.
class PathHash {
 public:
  /// Of "/".
  constexpr PathHash() noexcept = default;
  /// Calls visit(hash of the prefix, length of the prefix) for "/" (length 1; not for special
  /// nodes) and then for each prefix that is a path, the whole path last.
  template <typename Visit>
  static void along(std::string_view path, const Visit& visit) {
    PathHash hash;
    if (!path.starts_with('/')) {
      visit(hash.child(path), path.size());
      return;
    }
    visit(hash, std::size_t{1});
    for (std::size_t from = 1; from < path.size();) {
      const std::size_t end = std::min(path.find('/', from), path.size());
      hash = hash.child(path.substr(from, end - from));
      visit(hash, end);
      from = end + 1;
    }
  }
  [[nodiscard]] static PathHash of(std::string_view path) {
    PathHash last;
    along(path, [&last](PathHash hash, std::size_t) { last = hash; });
    return last;
  }
  [[nodiscard]] PathHash child(std::string_view name) const noexcept {
    PathHash below;
    const std::uint64_t mixed = (value_ ^ (value_ >> 29)) * 0xbf58476d1ce4e5b9U;
    below.value_ = mixed + std::hash<std::string_view>{}(name);
    return below;
  }
  [[nodiscard]] std::uint64_t value() const noexcept { return value_; }

 private:
  std::uint64_t value_ = 0x9e3779b97f4a7c15U;
};

}  // namespace vxs::transactions
