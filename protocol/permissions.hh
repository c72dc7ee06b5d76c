// One entry of a node's permission list, and the list's wire grammar
// (conformance B7, B8, C9..C17).
#pragma once

#include <compare>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/error.hh"
#include "protocol/ids.hh"

#include <tl/expected.hpp>

namespace vxs::protocol {

/// What an entry grants. The values are bits: kBoth == kRead | kWrite.
enum class Access : std::uint8_t { kNone = 0, kRead = 1, kWrite = 2, kBoth = 3 };

/// One entry. In a list the first entry names the owner and the default for
/// everybody else (C17).
struct PermEntry {
  DomId domid = 0;
  Access access = Access::kNone;
  /// The life of `domid` this entry is about; kIncarnationStale never matches.
  Incarnation incarnation = 0;

  friend auto operator<=>(const PermEntry&, const PermEntry&) = default;
};

/// The letter of the wire form: n, r, w or b.
[[nodiscard]] char access_letter(Access access) noexcept;
/// Inverse of access_letter; nothing for any other character.
[[nodiscard]] std::optional<Access> access_from_letter(char letter) noexcept;

/// Parses the NUL-terminated entries after SET_PERMS' path, e.g.
/// "n0\0r5\0trailing" (bytes after the last NUL are ignored, B8.1).
/// Incarnations are left 0: the dispatcher binds them. How many entries came,
/// for the quota check that precedes this one (B8.2), tells count_strings of
/// arguments.hh.
///
/// Each entry is a letter and a whole number, decimal or 0x-hexadecimal,
/// 0..65535 (B8.3 PICK). A decimal with a superfluous leading zero is an error:
/// C reads it as octal, and a right must not go to another domain than meant.
/// No entry at all is an error, and so is kDomIdAny as the owner, that is in the
/// first entry (B8). Errors: kInval.
[[nodiscard]] tl::expected<std::vector<PermEntry>, Error> parse_perm_entries(std::string_view text);

/// Appends the wire form, "n0\0r5\0", to `out`. Stale entries are printed like
/// the others (B7).
void append_perm_entries(std::span<const PermEntry> entries, std::string& out);

}  // namespace vxs::protocol
