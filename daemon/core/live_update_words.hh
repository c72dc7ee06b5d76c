// What live update says in more than one place.
#pragma once

namespace vxs::daemon {

/// The C daemon's answer to a version of the state stream that it does not write (from 4.21 on), and
/// ours, also to one that the new program does not read (H4).
inline constexpr const char* kVersionNotSupported = "Migration stream version not supported.";

}  // namespace vxs::daemon
