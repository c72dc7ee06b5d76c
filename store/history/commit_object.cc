#include "store/history/commit_object.hh"

#include <charconv>

namespace vxs::store {
namespace {

void append_person(std::string& out, std::string_view role, std::string_view person,
                   std::int64_t time) {
  out += role;
  out += person;
  out += ' ';
  out += std::to_string(time);
  out += " +0000\n";
}

}  // namespace

void append_commit(std::string& out, const CommitText& commit) {
  out += "tree ";
  commit.tree.append_hex(out);
  for (const ObjectId& parent : commit.parents) {
    out += "\nparent ";
    parent.append_hex(out);
  }
  out += '\n';
  append_person(out, "author ", commit.author, commit.author_time);
  append_person(out, "committer ", commit.committer, commit.committer_time);
  out += '\n';
  out += commit.message;
}

std::optional<ParsedCommit> parse_commit(std::string_view text) {
  ParsedCommit commit;
  bool has_tree = false;
  bool has_parent = false;
  while (!text.starts_with('\n')) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    const bool is_tree = line.starts_with("tree ");
    if (is_tree || (line.starts_with("parent ") && !has_parent)) {
      const auto id = ObjectId::from_hex(line.substr(line.find(' ') + 1));
      if (!id) return std::nullopt;
      (is_tree ? commit.tree : commit.first_parent) = *id;
      (is_tree ? has_tree : has_parent) = true;
    } else if (line.starts_with("committer ")) {
      const std::size_t zone = line.rfind(' ');
      const std::size_t time = line.rfind(' ', zone - 1) + 1;
      std::from_chars(line.data() + time, line.data() + zone, commit.committer_time);
    }
  }
  if (!has_tree) return std::nullopt;
  commit.message = text.substr(1);
  return commit;
}

}  // namespace vxs::store
