// Running the installed git on a repository.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vxs::tools {

/// Runs `git --git-dir=<repository> <arguments…>` and calls `line` for each line of its output and
/// errors. Returns its exit code, or nothing if git is not installed.
[[nodiscard]] std::optional<int> run_git(const std::string& repository,
                                         const std::vector<std::string>& arguments,
                                         const std::function<void(std::string_view)>& line);

}  // namespace vxs::tools
