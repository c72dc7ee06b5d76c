#include "store/history_reader/commit.hh"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace vxs::store::reader {
namespace {

std::string_view take_line(std::string_view& rest) {
  const std::size_t end = std::min(rest.find('\n'), rest.size());
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return line;
}

/// The number at the front of `text`; nothing if there is none.
std::optional<std::uint64_t> leading_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || (end != text.data() + text.size() && *end != ' ')) {
    return std::nullopt;
  }
  return value;
}

/// Seconds of "name <mail> 1700000000 +0000".
std::int64_t signature_time(std::string_view signature) {
  const std::size_t close = signature.rfind("> ");
  if (close == std::string_view::npos) return 0;
  const auto seconds = leading_number(signature.substr(close + 2));
  return seconds ? static_cast<std::int64_t>(*seconds) : 0;
}

/// "Key: value" with a key of letters and hyphens.
std::optional<std::pair<std::string, std::string>> parse_trailer(std::string_view line) {
  const std::size_t colon = line.find(": ");
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  const std::string_view key = line.substr(0, colon);
  const bool word = std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
  });
  if (!word) return std::nullopt;
  return std::pair{std::string(key), std::string(line.substr(colon + 2))};
}

/// "1235..1250 16"
std::optional<HistoryFold> parse_fold(std::string_view text) {
  HistoryFold fold;
  const std::size_t dots = text.find("..");
  if (dots == std::string_view::npos) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + dots, fold.first);
  const auto last = leading_number(text.substr(dots + 2));
  if (error != std::errc{} || end != text.data() + dots || !last) return std::nullopt;
  fold.last = *last;
  return fold;
}

void split_message(std::string_view message, HistoryCommit& commit) {
  while (message.ends_with('\n')) message.remove_suffix(1);
  commit.subject = take_line(message);
  while (message.starts_with('\n')) message.remove_prefix(1);
  // The trailers are the last paragraph, if each of its lines is one.
  const std::size_t blank = message.rfind("\n\n");
  std::string_view last = blank == std::string_view::npos ? message : message.substr(blank + 2);
  std::vector<std::pair<std::string, std::string>> trailers;
  while (!last.empty()) {
    auto trailer = parse_trailer(take_line(last));
    if (!trailer) {
      trailers.clear();
      break;
    }
    trailers.push_back(*std::move(trailer));
  }
  if (trailers.empty()) {
    commit.body = message;
    return;
  }
  commit.trailers = std::move(trailers);
  if (blank != std::string_view::npos) commit.body = message.substr(0, blank);
}

tl::unexpected<ReadError> damaged(const ObjectId& id) {
  return unreadable(fmt::format("commit {} cannot be understood", id.hex()));
}

}  // namespace

std::string_view HistoryCommit::trailer(std::string_view key) const {
  const auto found = std::find_if(trailers.begin(), trailers.end(),
                                  [&](const auto& trailer) { return trailer.first == key; });
  return found == trailers.end() ? std::string_view() : std::string_view(found->second);
}

std::optional<HistoryFold> HistoryCommit::fold_range() const {
  return parse_fold(trailer("Folded"));
}

std::optional<std::uint64_t> HistoryCommit::number(std::string_view key) const {
  return leading_number(trailer(key));
}

ReadResult<HistoryCommit> parse_commit(const ObjectId& id, std::string_view bytes) {
  HistoryCommit commit;
  commit.id = id;
  bool has_tree = false;
  while (!bytes.empty() && bytes.front() != '\n') {
    const std::string_view line = take_line(bytes);
    if (line.starts_with("tree ") || line.starts_with("parent ")) {
      const bool tree = line.front() == 't';
      const auto named = ObjectId::from_hex(line.substr(tree ? 5 : 7));
      if (!named) return damaged(id);
      if (tree) {
        commit.tree = *named;
        has_tree = true;
      } else {
        commit.parents.push_back(*named);
      }
    } else if (line.starts_with("author ")) {
      commit.author_time = signature_time(line);
    } else if (line.starts_with("committer ")) {
      commit.committer_time = signature_time(line);
    }
  }
  if (!has_tree || bytes.empty()) return damaged(id);
  bytes.remove_prefix(1);
  split_message(bytes, commit);
  return commit;
}

ReadResult<CommitHead> parse_commit_head(const ObjectId& id, std::string_view bytes) {
  CommitHead head;
  const std::size_t end = bytes.find("\n\n");
  if (end == std::string_view::npos || !bytes.starts_with("tree ")) return damaged(id);
  std::string_view header = bytes.substr(0, end);
  const auto tree = ObjectId::from_hex(take_line(header).substr(5));
  if (!tree) return damaged(id);
  head.tree = *tree;
  if (header.starts_with("parent ")) {
    const auto parent = ObjectId::from_hex(take_line(header).substr(7));
    if (!parent) return damaged(id);
    head.first_parent = *parent;
  }
  if (header.starts_with("parent ")) {
    const auto parent = ObjectId::from_hex(take_line(header).substr(7));
    if (!parent) return damaged(id);
    head.second_parent = *parent;
  }
  const std::size_t committer = header.rfind("\ncommitter ");
  if (committer == std::string_view::npos) return damaged(id);
  std::string_view signature = header.substr(committer + 1);
  head.committer_time = signature_time(take_line(signature));
  // Trailers come last and nothing guest-written begins a line, so the last match is the trailer.
  std::size_t seq = bytes.rfind("\nSeq: ");
  std::size_t skip = 6;
  if (seq == std::string_view::npos) {
    seq = bytes.rfind("\nAfter-Seq: ");
    skip = 12;
    head.split = seq != std::string_view::npos;
  }
  if (seq != std::string_view::npos && seq >= end) {
    std::string_view value = bytes.substr(seq + skip);
    head.seq = leading_number(take_line(value)).value_or(0);
  }
  head.first_seq = head.seq;
  // The daemon's own trailers come before any line that a record has.
  const std::size_t folded = bytes.find("\nFolded: ", end);
  if (folded != std::string_view::npos) {
    std::string_view value = bytes.substr(folded + 9);
    if (const auto fold = parse_fold(take_line(value))) {
      head.folded = true;
      head.first_seq = fold->first;
    }
  }
  return head;
}

}  // namespace vxs::store::reader
