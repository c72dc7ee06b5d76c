// --since of `log` and `conflicts`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tools/vxs/context.hh"

namespace vxs::tools {

struct Since {
  std::optional<std::int64_t> time_us;  ///< at or after this time
  Seq seq = 0;                          ///< above this Seq
};
/// "" means everything. Errors: as find_moment().
[[nodiscard]] reader::ReadResult<Since> parse_since(const reader::Repository& repository,
                                                    const std::string& text);

}  // namespace vxs::tools
