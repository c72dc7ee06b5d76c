#include "protocol/arguments.hh"

#include <algorithm>
#include <limits>

namespace vxs::protocol {

namespace {

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_space(char c) noexcept { return c == ' ' || (c >= '\t' && c <= '\r'); }

}  // namespace

tl::expected<std::string_view, Error> one_argument(std::string_view payload) noexcept {
  if (payload.empty() || payload.find('\0') != payload.size() - 1) {
    return tl::unexpected(Error::kInval);
  }
  return payload.substr(0, payload.size() - 1);
}

tl::expected<FirstAndRest, Error> split_first(std::string_view payload) noexcept {
  const std::size_t nul = payload.find('\0');
  if (nul == std::string_view::npos) return tl::unexpected(Error::kInval);
  return FirstAndRest{.first = payload.substr(0, nul), .rest = payload.substr(nul + 1)};
}

std::size_t count_strings(std::string_view payload) noexcept {
  return static_cast<std::size_t>(std::count(payload.begin(), payload.end(), '\0'));
}

std::size_t split_strings(std::string_view payload, std::span<std::string_view> out) noexcept {
  std::size_t count = 0;
  for (std::string_view& slot : out) {
    const std::size_t nul = payload.find('\0');
    if (nul == std::string_view::npos) return count;
    slot = payload.substr(0, nul);
    payload.remove_prefix(nul + 1);
    ++count;
  }
  return count + count_strings(payload);
}

tl::expected<std::uint64_t, Error> parse_decimal(std::string_view text,
                                                 std::uint64_t max) noexcept {
  if (text.empty()) return tl::unexpected(Error::kInval);
  std::uint64_t value = 0;
  for (const char c : text) {
    if (!is_digit(c)) return tl::unexpected(Error::kInval);
    const auto digit = static_cast<std::uint64_t>(c - '0');
    // value * 10 + digit <= max, without the overflow.
    if (digit > max || value > (max - digit) / 10) return tl::unexpected(Error::kInval);
    value = value * 10 + digit;
  }
  return value;
}

tl::expected<DomId, Error> parse_domid(std::string_view text, EmptyDomId empty) noexcept {
  if (text.empty() && empty == EmptyDomId::kIsZero) return DomId{0};
  return parse_decimal(text, std::numeric_limits<DomId>::max()).map([](std::uint64_t value) {
    return static_cast<DomId>(value);
  });
}

std::int64_t parse_lenient(std::string_view text) noexcept {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  std::size_t at = 0;
  while (at < text.size() && is_space(text[at])) ++at;
  bool negative = false;
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) {
    negative = text[at] == '-';
    ++at;
  }
  std::int64_t magnitude = 0;
  for (; at < text.size() && is_digit(text[at]); ++at) {
    const std::int64_t digit = text[at] - '0';
    if (magnitude > (kMax - digit) / 10) {
      return negative ? std::numeric_limits<std::int64_t>::min() : kMax;
    }
    magnitude = magnitude * 10 + digit;
  }
  return negative ? -magnitude : magnitude;
}

std::uint64_t parse_part_offset(std::string_view text) noexcept {
  const std::int64_t value = parse_lenient(text);
  return value < 0 ? std::numeric_limits<std::uint64_t>::max() : static_cast<std::uint64_t>(value);
}

tl::expected<std::uint32_t, Error> parse_watch_depth(std::string_view text) noexcept {
  const std::int64_t value = parse_lenient(text);
  if (value < 0) return tl::unexpected(Error::kInval);
  return static_cast<std::uint32_t>(std::min<std::int64_t>(value, kMaxWatchDepth));
}

}  // namespace vxs::protocol
