// Read-only access to a history repository: objects, refs, nothing of their meaning.
//
// Works while the daemon writes: every object is immutable, and a pack that consolidation removed
// is found again in the new one. Threads: one thread uses a Repository.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "store/history/git_handles.hh"
#include "store/history_reader/error.hh"

namespace vxs::store::reader {

/// One entry of a Git tree; the name's bytes belong to the GitTreeBytes it came from.
struct GitEntry {
  std::string_view name;
  ObjectId id;
  bool is_tree = false;
  bool executable = false;  ///< mode 100755
};

/// The bytes of a Git tree object, read without building an index: most trees are looked into once.
class GitTreeBytes {
 public:
  GitTreeBytes() = default;
  explicit GitTreeBytes(GitOdbObject object) : object_(std::move(object)) {}

  /// Calls `visit` with each entry in Git's order until it returns false. False if the bytes are no
  /// tree.
  template <typename Visit>
  bool for_each(Visit&& visit) const {
    std::string_view rest = bytes();
    while (!rest.empty()) {
      GitEntry entry;
      if (!next(rest, entry)) return false;
      if (!visit(entry)) return true;
    }
    return true;
  }
  /// The entry called `name`; one with an empty id if there is none.
  [[nodiscard]] GitEntry find(std::string_view name) const;
  [[nodiscard]] std::vector<GitEntry> entries() const;

 private:
  [[nodiscard]] std::string_view bytes() const;
  static bool next(std::string_view& rest, GitEntry& entry);

  GitOdbObject object_;  // empty: the empty tree
};

struct GitRefName {
  std::string name;  ///< "refs/conflicts/…"
  ObjectId target;
};

class Repository {
 public:
  /// Opens the bare repository at `path`. Errors: kUnreadable (missing, no repository, no right).
  [[nodiscard]] static ReadResult<Repository> open(const std::string& path);

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  /// The commit refs/heads/main points to. Errors: kNotFound (no commit yet), kUnreadable.
  [[nodiscard]] ReadResult<ObjectId> main_head() const;
  /// All direct refs whose name begins with `prefix`, ordered by name.
  [[nodiscard]] ReadResult<std::vector<GitRefName>> refs(std::string_view prefix) const;
  /// The target of one ref. Errors: kNotFound, kUnreadable.
  [[nodiscard]] ReadResult<ObjectId> ref(const std::string& name) const;
  /// The object whose id begins with `hex` (7..40 digits). Errors: kNotFound, kUsage (ambiguous).
  [[nodiscard]] ReadResult<ObjectId> expand(const std::string& hex) const;

  /// The bytes of a commit, tree or blob. Errors: kUnreadable (missing, of another type, damaged).
  [[nodiscard]] ReadResult<GitOdbObject> object(const ObjectId& id, git_object_t type) const;
  [[nodiscard]] ReadResult<GitTreeBytes> tree(const ObjectId& id) const;
  [[nodiscard]] ReadResult<std::string> blob(const ObjectId& id) const;

 private:
  Repository() = default;

  std::string path_;
  std::unique_ptr<GitLibrary> library_;  // outlives the handles below
  GitRepository repository_;
  GitOdb odb_;
};

}  // namespace vxs::store::reader
