// The exit codes of vxs; the manual page lists them.
#pragma once

namespace vxs::tools {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFinding = 1;     ///< not found, or fsck found something
inline constexpr int kExitUsage = 2;       ///< the command line cannot be understood
inline constexpr int kExitUnreadable = 3;  ///< state or history cannot be read

}  // namespace vxs::tools
