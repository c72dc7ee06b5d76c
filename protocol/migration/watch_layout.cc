#include "protocol/migration/watch_layout.hh"

#include <algorithm>
#include <string>

#include "protocol/path.hh"

namespace vxs::protocol::migration {
namespace {

constexpr std::size_t kSpecifiedOffset = 12;
constexpr std::size_t kCutOffset = 8;
constexpr std::size_t kUnpaddedOffset = 10;
/// The depth in the specified form, and what stands behind it.
constexpr std::size_t kPadOffset = 10;

bool all_zero(std::string_view bytes) noexcept {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == '\0'; });
}

constexpr std::size_t padded(std::size_t size) noexcept { return (size + 7) & ~std::size_t{7}; }

}  // namespace

bool is_stream_watch_path(std::string_view path) {
  if (path.size() > kMaxStreamPath) return false;
  std::string scratch;
  return canonicalize_path(path, {.allow_special = true, .guest_limit = kMaxStreamPath}, scratch)
      .has_value();
}

std::optional<WatchStrings> watch_strings_at(std::string_view body, std::size_t offset,
                                             std::uint16_t path_length,
                                             std::uint16_t token_length) {
  const std::size_t end = offset + path_length + token_length;
  if (path_length < 2 || token_length < 1 || end > body.size()) return std::nullopt;
  WatchStrings found;
  found.path = body.substr(offset, path_length);
  found.token = body.substr(offset + path_length, token_length);
  if (found.path.find('\0') != found.path.size() - 1) return std::nullopt;
  if (found.token.find('\0') != found.token.size() - 1) return std::nullopt;
  found.path.remove_suffix(1);
  found.token.remove_suffix(1);
  if (!is_stream_watch_path(found.path)) return std::nullopt;
  found.body_bytes = body.size();
  return found;
}

std::optional<WatchStrings> find_watch_strings(std::string_view body, std::uint16_t path_length,
                                               std::uint16_t token_length) {
  if (body.size() < kSpecifiedOffset) return std::nullopt;
  const auto fits = [&](std::size_t offset, WatchLayout layout) -> std::optional<WatchStrings> {
    const std::size_t end = offset + path_length + token_length;
    std::size_t record_end = body.size();
    if (layout == WatchLayout::kCut) record_end = std::min(record_end, padded(end));
    if (end > record_end || !all_zero(body.substr(end, record_end - end))) return std::nullopt;
    auto found = watch_strings_at(body, offset, path_length, token_length);
    if (!found) return std::nullopt;
    found->layout = layout;
    found->body_bytes = record_end;
    return found;
  };
  if (all_zero(body.substr(kPadOffset, kSpecifiedOffset - kPadOffset))) {
    if (auto found = fits(kSpecifiedOffset, WatchLayout::kSpecified)) return found;
  }
  if (auto found = fits(kCutOffset, WatchLayout::kCut)) return found;
  if (auto found = fits(kUnpaddedOffset, WatchLayout::kUnpadded)) return found;
  return watch_strings_at(body, kSpecifiedOffset, path_length, token_length);
}

}  // namespace vxs::protocol::migration
