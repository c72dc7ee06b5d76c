// The shadow tree: the newest (or, for a branch, an older) version of the repository's tree, of
// which only the directories in use are in memory. A change patches it; flush() writes
// what changed, bottom-up, each directory once.
//
// No function recurses over the depth. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/change.hh"
#include "store/history/meta_text.hh"
#include "store/history/object_store.hh"
#include "store/history/redaction.hh"
#include "store/history/shadow_dir.hh"

namespace vxs::store {

/// A value as it lies in the repository.
struct StoredValue {
  ObjectId id;  ///< null: the empty value of a directory
  EntryMode mode = EntryMode::kFile;
};

/// What the commit message needs to know of a change beyond the change.
struct ChangeNote {
  StoredValue old_value;       ///< kWrite: before it
  StoredValue new_value;       ///< kCreate, kWrite: what was stored (null: nothing)
  bool parent_became = false;  ///< kCreate: the parent was a file before this record
};

class ShadowTree {
 public:
  /// `twin`, if given, is the tree at another commit: what both share is copied from memory. The
  /// twin must be unchanged since its flush() and outlive this object.
  explicit ShadowTree(ObjectStore& objects, const ShadowTree* twin = nullptr);
  /// Outlives this object and its twins' users; nullptr: nothing is hidden. A twin has its twin's.
  void redact(const Redaction* redaction) noexcept { redaction_ = redaction; }

  /// A tree with "/" (n0) and the special nodes with the permissions of C7 and C8.
  void start_empty();
  /// The tree `root`; read when needed. Error: kDamaged.
  [[nodiscard]] HistoryResult<void> open(const ObjectId& root);

  /// Applies a change of record `seq`, which must fit the tree (else kMismatch, and the tree must
  /// be opened anew). Views need not outlive the call.
  [[nodiscard]] HistoryResult<ChangeNote> apply(const Change& change, Seq seq);
  /// Applies a change to a tree that it was not computed for (a transaction's base): missing
  /// ancestors are made, what exists already is written, removing what is missing does nothing.
  [[nodiscard]] HistoryResult<ChangeNote> apply_loosely(const Change& change, Seq seq);

  /// Writes every changed directory and returns the root's id.
  [[nodiscard]] HistoryResult<ObjectId> flush();

  /// Directories (Xenstore paths) that have grown beyond kMaxFlatChildren since they were last
  /// asked for.
  [[nodiscard]] std::vector<std::string> take_splits();
  /// Gives the directory its buckets. False if it no longer needs them. REQUIRES: flushed.
  [[nodiscard]] HistoryResult<bool> split(std::string_view path);

  /// Forgets directories not used since the last trim, and if that is not enough all but the root,
  /// when memory() is above `budget` bytes. They are read back when needed. REQUIRES: flushed; no
  /// ShadowDir found before is used after.
  void trim(std::size_t budget);
  [[nodiscard]] std::size_t memory() const noexcept { return memory_; }

  /// The directory of a node that has (or had) children; nullptr for any other path. For
  /// building snapshots; valid until the next change.
  [[nodiscard]] HistoryResult<ShadowDir*> find_directory(std::string_view path);
  [[nodiscard]] HistoryResult<void> load_meta(ShadowDir& dir);
  /// Stores the value of a node, or what hides it, as a blob of the open pack, unless it is the
  /// blob `present`.
  [[nodiscard]] StoredValue put_value(std::string_view path, std::string_view value,
                                      const ObjectId& present = {});

  /// Where a node's entry is, or would be. Valid until the next change.
  struct Found {
    ShadowDir* directory = nullptr;  ///< of the parent node; nullptr if the parent is no directory
    ShadowDir* holder = nullptr;     ///< directory or its bucket; nullptr if the bucket is missing
    std::string name;                ///< in the holder
    std::optional<TreeEntry> entry;
  };
  /// `path` is not "/".
  [[nodiscard]] HistoryResult<Found> locate(std::string_view path);

 private:
  HistoryResult<Found> locate_in(ShadowDir& directory, std::string_view name);
  HistoryResult<ShadowDir*> child(ShadowDir& dir, std::string_view git_name);
  HistoryResult<void> load(ShadowDir& dir, const ObjectId& id);
  void adopt(std::unique_ptr<ShadowDir> root);  // all of it dirty
  bool copy_from_twin(ShadowDir& dir, const ObjectId& id);
  ShadowDir& make_child(ShadowDir& dir, std::string name);
  void drop_child(ShadowDir& dir, std::string_view git_name);
  void mark_dirty(ShadowDir& dir);
  void account(ShadowDir& dir) noexcept;

  HistoryResult<ChangeNote> create(const Change& change, Seq seq);
  HistoryResult<ChangeNote> write(const Change& change);
  HistoryResult<ChangeNote> remove(const Change& change);
  HistoryResult<ChangeNote> set_permissions(const Change& change);
  HistoryResult<void> set_special(const Change& change);
  HistoryResult<ShadowDir*> directory_for_child(std::string_view path, Seq seq, ChangeNote& note);
  HistoryResult<ShadowDir*> become_directory(Found& found, std::string_view path, Seq seq,
                                             ChangeNote& note);
  HistoryResult<void> replace_permissions(ShadowDir& dir, std::string_view name,
                                          std::string_view text);
  HistoryResult<bool> exists(std::string_view path);

  ObjectStore& objects_;
  const ShadowTree* twin_;
  const Redaction* redaction_ = nullptr;
  std::unique_ptr<ShadowDir> root_;
  std::vector<ShadowDir*> dirty_;
  std::vector<std::string> splits_;
  std::size_t memory_ = 0;
  std::uint64_t tick_ = 1;
  Seq numbering_seq_ = 0;  // next_number_ counts the nodes this record made
  std::uint64_t next_number_ = 0;
};

}  // namespace vxs::store
