// The one way in which bytes that a client chose are shown: in logs, commit
// messages, JSON strings' sources and on terminals. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace vxs::protocol {

/// Appends `bytes` to `out` so that only printable ASCII remains: space to `~`
/// stay, a backslash is doubled, newline, tab, carriage return and NUL become
/// \n \t \r \0, every other byte \xHH (two lower-case digits). So no newline,
/// no ESC, no NUL and no byte of a UTF-8 sequence survives. `\0` and `\xHH` have
/// a fixed length: what follows them is never part of them. Quotes stay as they
/// are. At most four bytes come out for one. `bytes` must not lie in `out`.
void append_escaped(std::string& out, std::string_view bytes);
[[nodiscard]] std::string escaped(std::string_view bytes);

/// Inverse of append_escaped; takes either case of hexadecimal digits. Nothing
/// for a text with another escape, a cut one, or a byte that append_escaped
/// never writes.
[[nodiscard]] std::optional<std::string> unescape(std::string_view text);

}  // namespace vxs::protocol
