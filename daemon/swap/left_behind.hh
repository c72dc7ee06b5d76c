// The descriptors another program left to this process when it became us.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "daemon/process/start_error.hh"

namespace vxs::swap {

/// Null if `fd` is an open unix stream socket that is connected (or `listening`); else what is
/// wrong with it.
[[nodiscard]] std::optional<std::string> check_socket(int fd, bool listening);

/// What the supervisor wants of every descriptor it keeps: close-on-exec, and not blocking.
void make_ours(int fd);

/// Closes every descriptor above 2 that came through the exec (those without close-on-exec) and is
/// not in `wanted`: log files, pipes, what else the old program had no use for any more either.
void close_others(const std::set<int>& wanted);

}  // namespace vxs::swap
