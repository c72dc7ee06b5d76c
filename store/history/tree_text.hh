// A Git tree object's bytes: finding, adding, patching and removing entries in place.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "store/history/object_id.hh"
#include "store/history/pack_builder.hh"

namespace vxs::store {

/// The three modes in our trees.
enum class EntryMode : std::uint8_t {
  kFile,     ///< 100644
  kEscaped,  ///< 100755: a value stored escaped
  kDirectory,
};

/// Bytes of which an earlier version may lie in a pack: remembers how much of that version's
/// beginning and end is still untouched.
class Versioned {
 public:
  [[nodiscard]] const std::string& bytes() const noexcept { return bytes_; }
  [[nodiscard]] const ObjectId& id() const noexcept { return id_; }
  [[nodiscard]] const PackPlace& place() const noexcept { return place_; }
  /// Replaces bytes[at, at + size).
  void replace(std::size_t at, std::size_t size, std::string_view with);
  /// The bytes are those of the object `id` at `place`.
  void load(std::string bytes, const ObjectId& id, const PackPlace& place);
  /// The object `id` exists in the repository: if the bytes turn out to be its, write() has nothing
  /// to do. REQUIRES: nothing loaded or written.
  void expect(const ObjectId& id) noexcept { id_ = id; }
  /// Writes the bytes as an object unless they are those of id(); returns true if id() changed.
  bool write(ObjectType type, PackBuilder& pack, ObjectHasher& hasher);

 private:
  void settle(const ObjectId& id, const PackPlace& place) noexcept;

  std::string bytes_;
  ObjectId id_;  // null: never written
  PackPlace place_;
  std::uint64_t written_size_ = 0;
  std::size_t prefix_ = 0;
  std::size_t suffix_ = 0;
};

/// One entry: its place within the tree's bytes and what it says.
struct TreeEntry {
  std::size_t at = 0;
  std::size_t size = 0;
  EntryMode mode = EntryMode::kFile;
  std::string_view name;
  ObjectId id;
};

/// The entry at `at`; nothing at the end or where the bytes are no tree of ours.
[[nodiscard]] std::optional<TreeEntry> entry_at(std::string_view tree, std::size_t at) noexcept;
[[nodiscard]] std::optional<TreeEntry> find_entry(std::string_view tree,
                                                  std::string_view name) noexcept;
/// True if every byte belongs to a well-formed entry of one of our modes.
[[nodiscard]] bool is_our_tree(std::string_view tree) noexcept;

/// Adds an entry where git's order wants it. REQUIRES: no entry has this name.
void insert_entry(Versioned& tree, EntryMode mode, std::string_view name, const ObjectId& id);
void append_entry(std::string& out, EntryMode mode, std::string_view name, const ObjectId& id);
void erase_entry(Versioned& tree, const TreeEntry& entry);
/// Changes mode and id; the modes are both of files or both of directories.
void patch_entry(Versioned& tree, const TreeEntry& entry, EntryMode mode, const ObjectId& id);

/// Git's order of two entries of a tree: directories compare as if with a slash at the end.
[[nodiscard]] bool comes_before(std::string_view a, bool a_is_directory, std::string_view b,
                                bool b_is_directory) noexcept;

}  // namespace vxs::store
