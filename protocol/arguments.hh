// How a request's payload is cut into arguments, and the numbers in them
// (conformance B0.7, B6, B9, B14, B18, L17). Pure; all results are views into
// the payload given.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "protocol/error.hh"
#include "protocol/ids.hh"

#include <tl/expected.hpp>

namespace vxs::protocol {

/// The "one argument" form (B0.7): a payload with exactly one NUL, at its end.
/// The result is without the NUL and may be empty ("\0" is one empty argument).
/// Errors: kInval for an empty payload, a missing NUL, a NUL anywhere else.
[[nodiscard]] tl::expected<std::string_view, Error> one_argument(std::string_view payload) noexcept;

/// A first string and everything behind its NUL, as WRITE and SET_PERMS have it.
struct FirstAndRest {
  std::string_view first;
  std::string_view rest;
};

/// Cuts at the first NUL (B2, B8.1). Errors: kInval if there is none.
[[nodiscard]] tl::expected<FirstAndRest, Error> split_first(std::string_view payload) noexcept;

/// The number of NUL-terminated strings in `payload`, which is the number of
/// its NULs: bytes after the last NUL are no string (B0.7).
[[nodiscard]] std::size_t count_strings(std::string_view payload) noexcept;

/// Fills `out` with the first strings of `payload`, at most out.size(), and
/// returns the number of strings the *whole* payload has, like count_strings.
std::size_t split_strings(std::string_view payload, std::span<std::string_view> out) noexcept;

/// The strings of a message that has at most N of them. `count` is the number
/// of strings that came, also when that is more than N, so the message decides:
/// `count == 2` where too many are an error (DIRECTORY_PART, WATCH, UNWATCH,
/// SET_TARGET, SET_FEATURE), `count >= 3` where they are ignored (INTRODUCE,
/// L17). Bytes after the last NUL are ignored.
template <std::size_t N>
struct Strings {
  std::array<std::string_view, N> at;
  std::size_t count = 0;
};
template <std::size_t N>
[[nodiscard]] Strings<N> split_strings(std::string_view payload) noexcept {
  Strings<N> result;
  result.count = split_strings(payload, result.at);
  return result;
}

/// Digits and nothing else, at most `max`; leading zeros are fine.
/// Errors: kInval for an empty text, any other character, a value over `max`.
[[nodiscard]] tl::expected<std::uint64_t, Error> parse_decimal(std::string_view text,
                                                               std::uint64_t max) noexcept;

/// What an empty domid argument means.
enum class EmptyDomId : std::uint8_t {
  kReject,
  /// GET_DOMAIN_PATH and GET_FEATURE take it as domain 0 (B18, B19).
  kIsZero,
};

/// A domid argument: decimal, 0..65535, leading zeros allowed (B14, B18, L18).
/// Errors: kInval for anything else.
[[nodiscard]] tl::expected<DomId, Error> parse_domid(std::string_view text,
                                                     EmptyDomId empty) noexcept;

/// A number as atoi reads it: white space, a sign, digits, and whatever follows
/// is ignored; no digits at all are 0. Values beyond the type end at its limits.
[[nodiscard]] std::int64_t parse_lenient(std::string_view text) noexcept;

/// DIRECTORY_PART's byte offset (B6): lenient; a negative one lies behind every
/// list's end, as in C, and becomes the largest offset.
[[nodiscard]] std::uint64_t parse_part_offset(std::string_view text) noexcept;

/// The largest depth there is; greater ones mean the same.
inline constexpr std::uint32_t kMaxWatchDepth = ~std::uint32_t{0} - 1;

/// WATCH's depth (B9): lenient. Errors: kInval for a negative one.
[[nodiscard]] tl::expected<std::uint32_t, Error> parse_watch_depth(std::string_view text) noexcept;

}  // namespace vxs::protocol
