// A commit object's text, both ways.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "store/history/object_id.hh"

namespace vxs::store {

struct CommitText {
  ObjectId tree;
  std::span<const ObjectId> parents;
  std::string_view author;  ///< "dom5 <dom5@host>"
  std::int64_t author_time = 0;
  std::string_view committer;
  std::int64_t committer_time = 0;
  std::string_view message;
};
void append_commit(std::string& out, const CommitText& commit);

/// What the writer wants to know of a commit it reads back.
struct ParsedCommit {
  ObjectId tree;
  ObjectId first_parent;  ///< null for a root
  std::int64_t committer_time = 0;
  std::string_view message;  ///< into the parsed text
};
/// Nothing if the text is no commit.
[[nodiscard]] std::optional<ParsedCommit> parse_commit(std::string_view text);

}  // namespace vxs::store
