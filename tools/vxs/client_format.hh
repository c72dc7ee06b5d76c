// Values as the packaged xenstore clients print them.
#pragma once

#include <string>
#include <string_view>

namespace vxs::tools {

/// As xenstore-read and xenstore-ls escape a value: printable ASCII as it is but for \\, then
/// \t \n \r, three octal digits below 8, \xHH for every other byte (measured, Xen 4.17).
[[nodiscard]] std::string client_value(std::string_view value);

}  // namespace vxs::tools
