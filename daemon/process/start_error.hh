// Why the daemon cannot start, as a sentence for the operator.
#pragma once

#include <string>

#include <tl/expected.hpp>

namespace vxs::process {

/// Printed to standard error before exiting 1. No newline at the end; foreign bytes are escaped.
struct StartError {
  std::string text;
};

template <typename T>
using StartResult = tl::expected<T, StartError>;

/// "what: strerror(code)".
[[nodiscard]] tl::unexpected<StartError> start_error(const std::string& what, int code);
[[nodiscard]] tl::unexpected<StartError> start_error(const std::string& what);

}  // namespace vxs::process
