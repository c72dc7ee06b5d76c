// The last thing a supervisor does: it becomes another program, a C xenstored for example, with its
// own pid and some of the descriptors it keeps (hot swap, design §6).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/process/descriptor.hh"
#include "daemon/process/start_error.hh"

namespace vxs::supervisor {

/// A plain value, which a daemon sends in a file that was never named (HAND_OVER).
struct HandOver {
  std::string file{};                    ///< absolute
  std::vector<std::string> arguments{};  ///< its command line, the program's name included
  /// Names of kept descriptors that stay open. They have the numbers that NUMBER told, and block
  /// (a C xenstored takes EAGAIN for the end of a connection).
  std::vector<std::string> descriptors{};
  /// Files to rename when all else is done, in this order; renamed back if the program cannot be
  /// started. So who finds the new name knows that we are gone.
  std::vector<std::pair<std::string, std::string>> renames{};
  friend bool operator==(const HandOver&, const HandOver&) = default;
};

/// Errors: no memory; a NUL in a string, or more than 1 MiB.
[[nodiscard]] process::StartResult<process::Descriptor> write_hand_over(const HandOver& order);
/// Nothing: the file is not one of ours, or not whole.
[[nodiscard]] std::optional<HandOver> read_hand_over(int fd);

/// Becomes the program. Returns only if that failed, with everything as it was. `find`: the
/// descriptor kept under a name, -1 if there is none, which is a failure. No signal is blocked or
/// handled then, and nothing of ours is in the environment.
[[nodiscard]] process::StartError become(const HandOver& order,
                                         const std::function<int(const std::string&)>& find);

}  // namespace vxs::supervisor
