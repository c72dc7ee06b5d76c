// Owners of libgit2's handles, and its errors as values.
#pragma once

#include <git2.h>
#include <git2/sys/midx.h>

#include <memory>
#include <string>

namespace vxs::store {

/// Keeps libgit2 initialised; one in every object that uses it.
class LibGit {
 public:
  LibGit() { git_libgit2_init(); }
  ~LibGit() { git_libgit2_shutdown(); }
  LibGit(const LibGit&) = delete;
  LibGit& operator=(const LibGit&) = delete;
};

struct GitFree {
  void operator()(git_repository* handle) const noexcept { git_repository_free(handle); }
  void operator()(git_odb* handle) const noexcept { git_odb_free(handle); }
  void operator()(git_odb_object* handle) const noexcept { git_odb_object_free(handle); }
  void operator()(git_midx_writer* handle) const noexcept { git_midx_writer_free(handle); }
};

template <typename T>
using GitPtr = std::unique_ptr<T, GitFree>;

/// What libgit2 says of the last failure on this thread.
[[nodiscard]] inline std::string last_git_error() {
  const git_error* error = git_error_last();
  return error == nullptr || error->message == nullptr ? "unknown error" : error->message;
}

}  // namespace vxs::store
