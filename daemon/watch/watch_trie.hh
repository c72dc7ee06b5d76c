// A path-compressed trie over path components that finds the watches a changed path concerns
// (conformance D1, D2, D5, D18). The daemon uses it through watch_index.hh.
//
// A trie node is a watched path, or a place where watched paths part; the edge above it holds any
// number of components. So a watch takes memory in proportion to its path's length and no more.
// Children are found by hash. No function recurses, and match() allocates nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vxs::daemon {

class WatchTrie {
 public:
  using Id = std::uint64_t;
  /// Which of the matching watches are wanted.
  enum class Reach : std::uint8_t {
    kExactAndAbove,  ///< D1: on the path itself and on what it is below
    kExact,          ///< on the path itself
  };
  enum class Order : std::uint8_t { kChildrenFirst, kParentsFirst };

  WatchTrie();
  ~WatchTrie();
  WatchTrie(const WatchTrie&) = delete;
  WatchTrie& operator=(const WatchTrie&) = delete;
  void swap(WatchTrie& other) noexcept;

  /// Adds a watch on a canonical absolute path or "@name" or "@name/domid". `depth` is D2's.
  /// REQUIRES: no watch with this id is on this path. Strong guarantee for std::bad_alloc.
  void add(std::string_view path, std::optional<std::uint32_t> depth, Id id);
  /// False if there is no such watch.
  bool remove(std::string_view path, Id id) noexcept;

  /// Calls visit(context, id) for each watch that `path` concerns, those of one path together,
  /// shorter paths first, in no defined order on one path. O(components + matches), no memory.
  ///
  /// Special paths (D18): "@name" concerns watches on it without a depth; "@name/domid" those on
  /// "@name" with a depth of at least 1 and those on itself.
  using Visit = void (*)(void* context, Id id);
  void match(std::string_view path, Reach reach, Visit visit, void* context) const;

  /// Calls visit(context, id, watched path) for each watch placed strictly below `path`, whatever
  /// its depth (D5), those of one path together. Siblings come in byte order of their names, so
  /// that the order depends on nothing but the watches. O(watches below), with memory for them.
  using VisitBelow = void (*)(void* context, Id id, std::string_view path);
  void match_below(std::string_view path, Order order, VisitBelow visit, void* context) const;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// Heap bytes of everything here, the caller's own records of watches not included.
  [[nodiscard]] std::size_t bytes() const noexcept;
  /// Trie nodes beside the two roots, at most twice the number of watched paths.
  [[nodiscard]] std::size_t node_count() const noexcept { return node_count_; }

 private:
  struct Entry {
    Id id;
    std::uint32_t depth;  ///< kNoDepth: none given
  };
  struct Node;
  struct Position;

  [[nodiscard]] const Node& root_of(std::string_view path) const noexcept;
  [[nodiscard]] Node* child(const Node& parent, std::string_view rest) const noexcept;
  [[nodiscard]] Position locate(std::string_view path) const noexcept;
  [[nodiscard]] std::size_t bucket(const Node& parent, std::string_view component) const noexcept;
  void grow();
  void hash_in(Node& node) noexcept;
  void hash_out(Node& node) noexcept;
  void link(Node& parent, Node& node) noexcept;
  void unlink(Node& node) noexcept;
  Node* make(std::string label);
  void destroy(Node* node) noexcept;
  Node* insert_path(std::string_view path);
  Node* split(Node& node, std::size_t label_bytes);
  void prune(Node* node) noexcept;
  void merge_down(Node* node) noexcept;

  Node* absolute_ = nullptr;  ///< "/"
  Node* special_ = nullptr;   ///< above "@name"
  std::vector<Node*> buckets_;
  std::uint64_t seed_ = 0;
  std::size_t node_count_ = 0;
  std::size_t size_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace vxs::daemon
