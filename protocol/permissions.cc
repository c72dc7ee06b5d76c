#include "protocol/permissions.hh"

#include <array>
#include <charconv>
#include <limits>

#include "protocol/arguments.hh"

namespace vxs::protocol {

namespace {

/// Decimal without leading zeros, or hexadecimal behind 0x or 0X; the whole
/// text, 0..65535 (B8.3).
tl::expected<DomId, Error> parse_perm_domid(std::string_view text) noexcept {
  if (!text.starts_with("0x") && !text.starts_with("0X")) {
    const bool looks_octal = text.size() > 1 && text.front() == '0';
    if (looks_octal) return tl::unexpected(Error::kInval);
    return parse_domid(text, EmptyDomId::kReject);
  }
  text.remove_prefix(2);
  DomId value = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, problem] = std::from_chars(text.data(), end, value, 16);
  if (problem != std::errc{} || stopped != end) return tl::unexpected(Error::kInval);
  return value;
}

tl::expected<PermEntry, Error> parse_entry(std::string_view text) noexcept {
  if (text.empty()) return tl::unexpected(Error::kInval);
  const std::optional<Access> access = access_from_letter(text.front());
  if (!access) return tl::unexpected(Error::kInval);
  return parse_perm_domid(text.substr(1)).map([&](DomId domid) {
    return PermEntry{.domid = domid, .access = *access, .incarnation = 0};
  });
}

}  // namespace

char access_letter(Access access) noexcept {
  constexpr std::array<char, 4> kLetters{'n', 'r', 'w', 'b'};
  return kLetters[static_cast<std::size_t>(access) & 3U];
}

std::optional<Access> access_from_letter(char letter) noexcept {
  switch (letter) {
    case 'n':
      return Access::kNone;
    case 'r':
      return Access::kRead;
    case 'w':
      return Access::kWrite;
    case 'b':
      return Access::kBoth;
    default:
      return std::nullopt;
  }
}

tl::expected<std::vector<PermEntry>, Error> parse_perm_entries(std::string_view text) {
  std::vector<PermEntry> entries;
  entries.reserve(count_strings(text));
  for (auto cut = split_first(text); cut; cut = split_first(cut->rest)) {
    const auto entry = parse_entry(cut->first);
    if (!entry) return tl::unexpected(entry.error());
    entries.push_back(*entry);
  }
  if (entries.empty() || entries.front().domid == kDomIdAny) return tl::unexpected(Error::kInval);
  return entries;
}

void append_perm_entries(std::span<const PermEntry> entries, std::string& out) {
  for (const PermEntry& entry : entries) {
    std::array<char, std::numeric_limits<DomId>::digits10 + 1> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), entry.domid).ptr;
    out += access_letter(entry.access);
    out.append(digits.data(), end);
    out += '\0';
  }
}

}  // namespace vxs::protocol
