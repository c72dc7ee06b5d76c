// The `.meta` files of the history (docs/git-layout.md, "`.meta`").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/ids.hh"
#include "protocol/permissions.hh"

namespace vxs::store::reader {

/// When a node was created: Seq of the record and a number within it. Siblings sort by it.
struct CreationOrder {
  Seq seq = 0;
  std::uint64_t within = 0;
  friend auto operator<=>(const CreationOrder&, const CreationOrder&) = default;
};

/// One line.
struct MetaLine {
  std::string git_name;  ///< "." for the directory itself
  CreationOrder created;
  std::vector<protocol::PermEntry> perms;  ///< never empty
  std::string full_name;                   ///< of a `~h…` node, else empty
  bool fanned_out = false;                 ///< attribute `fan`
};

/// Parses one line without its newline; nothing if it breaks the format. Unknown attributes are
/// ignored.
[[nodiscard]] std::optional<MetaLine> parse_meta_line(std::string_view line);
/// The line of `git_name` within a whole file, unparsed; empty if there is none.
[[nodiscard]] std::string_view find_meta_line(std::string_view file, std::string_view git_name);
/// Parses a permission list, "n5#3,r0".
[[nodiscard]] std::optional<std::vector<protocol::PermEntry>> parse_meta_perms(
    std::string_view text);
/// Inverse of parse_meta_perms.
[[nodiscard]] std::string format_perms(const std::vector<protocol::PermEntry>& perms);

}  // namespace vxs::store::reader
