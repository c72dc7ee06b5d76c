// The three forms of WATCH_DATA_EXTENDED (conformance H11). Pure.
//
// Upstream's document has 12 bytes before the path: connection, both lengths, depth, two bytes of
// zero. xenstored 4.22 writes the first 8 of them only and leaves the depth out, and reads the path
// at offset 10. Nothing in the record says which of the three it is, so the strings do:
//
// A form fits if at its offset a path of exactly the length named stands (no byte but those of
// paths, then a NUL), then a token of exactly its length, and zeros up to the record's end. For the
// specified form the two bytes before the path have to be zero. No record fits two of them: shifted
// by 2 or 4 bytes, the NUL of a path of three or five bytes and more falls into the path of the
// other form, which has none; and shorter ones would need a zero where the other form has a
// path's first byte. Only if none fits, the specified form is tried without looking at the two
// bytes, which a reader shall ignore.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "protocol/migration/records.hh"

namespace vxs::protocol::migration {

struct WatchStrings {
  WatchLayout layout = WatchLayout::kSpecified;
  std::string_view path;
  std::string_view token;
  /// Bytes of the body that belong to the record. xenstored 4.22 counts the 4 bytes it leaves out,
  /// and so names up to 8 bytes more than there are: what follows them is the next record.
  std::size_t body_bytes = 0;
};

/// Which form `body` has, given the lengths (with their NULs) it names. Nothing if none fits.
[[nodiscard]] std::optional<WatchStrings> find_watch_strings(std::string_view body,
                                                             std::uint16_t path_length,
                                                             std::uint16_t token_length);

/// Two NUL-terminated strings of exactly these lengths at `offset`; nothing if they are not there.
[[nodiscard]] std::optional<WatchStrings> watch_strings_at(std::string_view body,
                                                           std::size_t offset,
                                                           std::uint16_t path_length,
                                                           std::uint16_t token_length);

/// Whether this can be a watch's path as a client wrote it: the bytes of paths, at most
/// kMaxStreamPath of them.
[[nodiscard]] bool is_stream_watch_path(std::string_view path);

}  // namespace vxs::protocol::migration
