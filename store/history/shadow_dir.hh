// One directory of the repository's tree as the history thread keeps it: its serialized tree and
// `.meta`, their ids and their places in the open pack.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "store/history/tree_text.hh"

namespace vxs::store {

struct ShadowDir {
  ShadowDir(std::string git_name, ShadowDir* parent_dir);
  ~ShadowDir();  ///< iterative: the depth belongs to guests
  ShadowDir(const ShadowDir&) = delete;
  ShadowDir& operator=(const ShadowDir&) = delete;

  /// The child of that name among those in memory, or nullptr.
  [[nodiscard]] ShadowDir* find_child(std::string_view git_name) const noexcept;
  /// Adds a child. REQUIRES: find_child(child->name) == nullptr.
  ShadowDir& add_child(std::unique_ptr<ShadowDir> child);
  /// Takes a child out; nullptr if it is not in memory.
  std::unique_ptr<ShadowDir> take_child(std::string_view git_name);
  /// Writes `.meta` and the tree where they differ from what was written before, and the tree's id
  /// into the parent's entry. REQUIRES: its children have been written. False if the parent has no
  /// such entry.
  [[nodiscard]] bool write(PackBuilder& pack, ObjectHasher& hasher);
  /// Bytes, with what the allocator needs.
  [[nodiscard]] std::size_t memory() const noexcept;

  std::string name;
  ShadowDir* parent;
  Versioned tree;
  Versioned meta;
  std::vector<std::unique_ptr<ShadowDir>> children;  ///< those in memory, by name
  std::uint32_t depth;                               ///< of Git directories; 0 is the root
  std::uint32_t child_count = 0;                     ///< entries that do not begin with a dot
  std::size_t bucket_bytes;                          ///< of buckets' names in its Git path
  std::size_t accounted = 0;                         ///< what the owner last counted for it
  std::uint64_t last_used = 0;
  bool is_bucket;
  bool is_fanned = false;
  bool meta_loaded = false;
  bool meta_dirty = false;
  bool dirty = false;      ///< differs from the last written state, or a descendant does
  bool split_due = false;  ///< has grown beyond kMaxFlatChildren
};

}  // namespace vxs::store
