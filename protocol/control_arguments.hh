// CONTROL's payload, `command\0argument\0...` (conformance H1). Pure.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include "protocol/error.hh"

#include <tl/expected.hpp>

namespace vxs::protocol {

/// The most arguments a CONTROL request may have besides its command; the
/// longest known one, live-update -s with all its options, has 6.
inline constexpr std::size_t kMaxControlArguments = 16;

/// A control request cut into its strings, which are views into the payload.
class ControlArguments {
 public:
  /// Bytes after the last NUL are ignored (B0.7). Errors: kInval for a payload
  /// without any NUL, for an empty command, and for more than
  /// kMaxControlArguments arguments.
  [[nodiscard]] static tl::expected<ControlArguments, Error> parse(
      std::string_view payload) noexcept;

  /// Never empty; whether a command of that name exists is the daemon's matter.
  [[nodiscard]] std::string_view command() const noexcept { return strings_[0]; }
  /// What follows the command; arguments may be empty strings.
  [[nodiscard]] std::span<const std::string_view> arguments() const noexcept {
    return std::span(strings_).subspan(1, count_ - 1);
  }

 private:
  ControlArguments() = default;

  std::array<std::string_view, kMaxControlArguments + 1> strings_;
  std::size_t count_ = 0;  // with the command, 1 or more
};

}  // namespace vxs::protocol
