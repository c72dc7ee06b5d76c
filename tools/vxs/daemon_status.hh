// What a running daemon says of itself: CONTROL vxs-status and vxs-quota, through libxenstore.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

namespace vxs::tools {

/// The lines `key: value` of the daemon's answer, in its order.
using DaemonStatus = std::vector<std::pair<std::string, std::string>>;

/// Asks the daemon at `socket`, for at most five seconds. Error: a sentence that says why there is
/// no answer.
[[nodiscard]] tl::expected<DaemonStatus, std::string> ask_daemon(const std::string& socket);

/// The text of a CONTROL command of ours, in the same way. `arguments`: each with its NUL.
[[nodiscard]] tl::expected<std::string, std::string> ask_daemon_text(const std::string& socket,
                                                                     const std::string& command,
                                                                     const std::string& arguments);

}  // namespace vxs::tools
