// From Xenstore paths to paths in the history repository (docs/git-layout.md,
// "The tree"). Pure; the writer, the reader and `vxs path` share it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace vxs::store {

/// A longer name is replaced by `~h` and its SHA-256.
inline constexpr std::size_t kMaxPlainName = 200;
/// A directory with more children gets buckets.
inline constexpr std::uint32_t kMaxFlatChildren = 512;
/// A directory whose Git path has more bytes of bucket names (slashes included) never gets buckets,
/// so that no Git path is longer than 3,800 bytes.
inline constexpr std::size_t kMaxBucketBytes = 600;

/// Appends the Git name of one path component: the name, or `~h<sha256>`.
void append_git_name(std::string& out, std::string_view name);
[[nodiscard]] std::string git_name(std::string_view name);

/// Appends the bucket of `name` in a fanned-out directory: `~12xx` for 1234, `~` and two
/// hexadecimal digits of the SHA-256 for anything but a decimal number of at most 9 digits.
void append_bucket_name(std::string& out, std::string_view name);
[[nodiscard]] std::string bucket_name(std::string_view name);

/// True for a name made by append_git_name for a long name.
[[nodiscard]] bool is_hashed_name(std::string_view git_name) noexcept;
/// True for a name made by append_bucket_name.
[[nodiscard]] bool is_bucket_name(std::string_view git_name) noexcept;

/// True for the directories that are fanned out from their first child on: /local/domain, /vm,
/// /local/domain/N/backend/K. `path` is a canonical Xenstore path.
[[nodiscard]] bool is_fanned_from_start(std::string_view path) noexcept;

/// Asked for each directory on the way, by its Git path ("" is the root) and its Xenstore path
/// ("/" is the root): is it fanned out in the tree that is looked at?
using IsFanned = std::function<bool(std::string_view git_directory, std::string_view directory)>;

/// The Git path of a node: of its file, or of its directory. "/" gives "". A special node, "@name",
/// gives ".special/name".
[[nodiscard]] std::string git_path(std::string_view path, const IsFanned& is_fanned);

}  // namespace vxs::store
