// Stock git and libgit2's indexer as judges of a repository.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vxs::history_test {

struct Output {
  int status = -1;   ///< exit status
  std::string text;  ///< stdout and stderr
};

/// Runs `git -C <repository> <arguments>` through a shell, without any configuration of the user.
[[nodiscard]] Output git(const std::string& repository, const std::string& arguments);
/// The same; throws std::runtime_error with the output if it fails.
std::string git_ok(const std::string& repository, const std::string& arguments);
/// Runs any shell command.
[[nodiscard]] Output shell(const std::string& command);

/// "" if `git fsck --full --strict`, verify-pack and libgit2's indexer accept everything,
/// otherwise what they say.
[[nodiscard]] std::string complaints(const std::string& repository);
/// What `git fsck --full --strict` says, "" if it has nothing against it (dangling objects are
/// none of its complaints).
[[nodiscard]] std::string fsck_complaints(const std::string& repository);

[[nodiscard]] std::vector<std::string> lines(std::string_view text);

}  // namespace vxs::history_test
