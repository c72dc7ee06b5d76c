// Owners for libgit2's handles, one type per handle, and its last error as text: for the history
// writer and its readers. Nothing else in the project calls a git_*_free function.
#pragma once

#include <git2.h>

#include <cstring>
#include <memory>
#include <string>

#include "store/history/object_id.hh"

namespace vxs::store {

/// Calls a C destructor; stateless, so that a handle is one pointer wide.
template <auto Free>
struct GitFree {
  template <typename T>
  void operator()(T* handle) const noexcept {
    Free(handle);
  }
};

using GitRepository = std::unique_ptr<git_repository, GitFree<git_repository_free>>;
using GitOdb = std::unique_ptr<git_odb, GitFree<git_odb_free>>;
using GitOdbObject = std::unique_ptr<git_odb_object, GitFree<git_odb_object_free>>;
using GitTree = std::unique_ptr<git_tree, GitFree<git_tree_free>>;
using GitBlob = std::unique_ptr<git_blob, GitFree<git_blob_free>>;
using GitReference = std::unique_ptr<git_reference, GitFree<git_reference_free>>;
using GitReferenceIterator =
    std::unique_ptr<git_reference_iterator, GitFree<git_reference_iterator_free>>;

/// Initialises libgit2 for as long as it lives. Counted by libgit2 itself, so several may exist.
class GitLibrary {
 public:
  GitLibrary() noexcept { git_libgit2_init(); }
  ~GitLibrary() { git_libgit2_shutdown(); }
  GitLibrary(const GitLibrary&) = delete;
  GitLibrary& operator=(const GitLibrary&) = delete;
};

[[nodiscard]] inline git_oid to_git(const ObjectId& id) noexcept {
  git_oid oid;
  std::memcpy(oid.id, id.bytes.data(), id.bytes.size());
  return oid;
}
[[nodiscard]] inline ObjectId from_git(const git_oid& oid) noexcept {
  ObjectId id;
  std::memcpy(id.bytes.data(), oid.id, id.bytes.size());
  return id;
}

/// What libgit2 said about the last call of this thread that failed.
[[nodiscard]] inline std::string git_last_message() {
  const git_error* error = git_error_last();
  return error != nullptr && error->message != nullptr ? error->message : "unknown error";
}

}  // namespace vxs::store
