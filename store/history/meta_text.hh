// The text of a `.meta` file: one line for the directory itself and one for each leaf
// child (docs/git-layout.md).
#pragma once

#include <compare>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/ids.hh"
#include "protocol/permissions.hh"
#include "store/history/tree_text.hh"

namespace vxs::store {

/// When a node was made: orders the children of a node.
struct CreatedKey {
  Seq seq = 0;
  std::uint64_t number = 0;
  friend auto operator<=>(const CreatedKey&, const CreatedKey&) = default;
};

/// The fields of one line; the views point into the text.
struct MetaLine {
  std::size_t at = 0;
  std::size_t size = 0;   ///< with its newline
  std::string_view name;  ///< "." for the directory
  CreatedKey created;
  std::string_view permissions;
  bool fanned = false;
  std::string_view full_name;  ///< empty: the same as `name`
};

/// The line at `at`; nothing at the end or where the text is no line.
[[nodiscard]] std::optional<MetaLine> meta_line_at(std::string_view text, std::size_t at) noexcept;
[[nodiscard]] std::optional<MetaLine> find_meta_line(std::string_view text,
                                                     std::string_view name) noexcept;

/// What append_meta_line writes.
struct MetaLineParts {
  std::string_view name;
  CreatedKey created;
  std::string_view permissions;
  bool layout = false;
  bool fanned = false;
  std::string_view full_name;  ///< written unless empty
};
void append_meta_line(std::string& out, const MetaLineParts& parts);

/// "n5#3,r0".
void append_permissions(std::string& out, std::span<const protocol::PermEntry> entries);
/// Inverse; nothing for any other text.
[[nodiscard]] std::optional<std::vector<protocol::PermEntry>> parse_permissions(
    std::string_view text);

}  // namespace vxs::store
