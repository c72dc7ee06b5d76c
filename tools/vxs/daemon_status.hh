// What a running daemon says of itself: CONTROL vxs-status, through libxenstore.
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

}  // namespace vxs::tools
