// Patterns of Xenstore paths, for rules an administrator writes. Pure.
#pragma once

#include <string_view>

namespace vxs::protocol {

/// True for "/" and for absolute paths (C1, C2) of at most kPrivilegedPathLimit bytes in whose
/// names
/// `*` may stand too; a name with `**` is nothing else than `**`.
[[nodiscard]] bool is_path_glob(std::string_view text) noexcept;

/// Does the pattern fit all of a canonical path? `*` stands for any bytes within one name, also
/// none; a name `**` for any number of names, also none: "/a/**" fits "/a" and all below it.
/// Special names fit no pattern. Time: at most the product of both lengths. REQUIRES:
/// is_path_glob(glob).
[[nodiscard]] bool path_glob_matches(std::string_view glob, std::string_view path) noexcept;

}  // namespace vxs::protocol
