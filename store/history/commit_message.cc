#include "store/history/commit_message.hh"

#include <algorithm>
#include <charconv>

#include "protocol/escape.hh"

namespace vxs::store {
namespace {

constexpr std::size_t kMaxSubjectPath = 120;
constexpr std::size_t kMaxRequests = 64;
constexpr std::size_t kMaxRequestBytes = 8192;
constexpr std::size_t kMaxBecame = 16;
constexpr std::string_view kEllipsis = "…";
constexpr std::string_view kUnknown = "unknown";

bool is_plain(char c) noexcept {
  constexpr std::string_view kOthers = "_./:@%+,=-";
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         kOthers.find(c) != std::string_view::npos;
}

std::string domain_name(DomId domid) { return "dom" + std::to_string(domid); }

void append_trailer(std::string& out, std::string_view name, std::string_view text) {
  out += name;
  out += ": ";
  out += text;
  out += '\n';
}

void append_trailer(std::string& out, std::string_view name, std::uint64_t number) {
  append_trailer(out, name, std::to_string(number));
}

void append_escaped_trailer(std::string& out, std::string_view name, std::string_view text) {
  out += name;
  out += ": ";
  protocol::append_escaped(out, text);
  out += '\n';
}

std::string_view verb(const ShownChange& change) {
  switch (change.kind) {
    case ChangeKind::kCreate:
      return change.implicit ? "create+" : "create";
    case ChangeKind::kWrite:
      return "write";
    case ChangeKind::kRemove:
      return "rm";
    case ChangeKind::kSetPerms:
      break;
  }
  return "perms";
}

// "write PATH OLD→NEW"
void append_request(std::string& out, const ShownChange& change, std::string_view path) {
  out += verb(change);
  out += ' ';
  protocol::append_escaped(out, path);
  if (change.kind == ChangeKind::kRemove) return;
  out += ' ';
  out += change.value;
}

std::string_view relative_to_own(std::string_view path, const MessageParts& parts) {
  if (parts.by_daemon) return path;
  const std::string own = "/local/domain/" + std::to_string(parts.origin.domid) + "/";
  return path.starts_with(own) ? path.substr(own.size()) : path;
}

std::string subject_path(std::string_view path, const MessageParts& parts) {
  path = relative_to_own(path, parts);
  if (path.size() <= kMaxSubjectPath) return protocol::escaped(path);
  return std::string(kEllipsis) + protocol::escaped(path.substr(path.size() - kMaxSubjectPath));
}

// The deepest path that all named nodes lie below (their parent, for one node).
std::string_view common_directory(std::span<const ShownChange> changes) {
  std::string_view common = changes.front().path;
  for (const ShownChange& change : changes) {
    std::size_t same = 0;
    const std::size_t limit = std::min(common.size(), change.path.size());
    while (same < limit && common[same] == change.path[same]) ++same;
    const bool whole =
        (same == common.size() && (same == change.path.size() || change.path[same] == '/')) ||
        (same == change.path.size() && common[same] == '/');
    if (!whole) {
      const std::size_t slash = common.substr(0, same).rfind('/');
      same = slash == std::string_view::npos ? 0 : slash;
    }
    common = common.substr(0, same);
  }
  return common.empty() ? "/" : common;
}

std::size_t distinct_paths(std::span<const ShownChange> changes) {
  std::vector<std::string_view> paths;
  paths.reserve(changes.size());
  for (const ShownChange& change : changes) {
    if (!change.implicit) paths.push_back(change.path);
  }
  std::ranges::sort(paths);
  return static_cast<std::size_t>(std::ranges::unique(paths).begin() - paths.begin());
}

std::string who(const MessageParts& parts) {
  return parts.by_daemon ? "daemon" : domain_name(parts.origin.domid);
}

std::string summary(const MessageParts& parts) {
  if (parts.changes.empty()) return "nothing";
  const std::size_t nodes = distinct_paths(parts.changes);
  std::string text = std::to_string(nodes) + (nodes == 1 ? " node under " : " nodes under ");
  std::string_view common = common_directory(parts.changes);
  if (common.size() > kMaxSubjectPath) {
    text += kEllipsis;
    common = common.substr(common.size() - kMaxSubjectPath);
  }
  protocol::append_escaped(text, common);
  return text;
}

std::string make_subject(const MessageParts& parts) {
  const std::string name = who(parts);
  if (parts.kind == MessageKind::kMerge || parts.kind == MessageKind::kConflict) {
    return (parts.kind == MessageKind::kMerge ? "merge " : "conflict ") + name + " transaction " +
           std::to_string(parts.tx_id) + ": " + summary(parts);
  }
  if (!parts.note.empty()) return name + ": " + protocol::escaped(parts.note);
  const auto named = [](const ShownChange& change) { return !change.implicit; };
  const auto first = std::ranges::find_if(parts.changes, named);
  if (first != parts.changes.end() &&
      std::find_if(first + 1, parts.changes.end(), named) == parts.changes.end()) {
    std::string text =
        name + ' ' + std::string(verb(*first)) + ' ' + subject_path(first->path, parts);
    if (first->kind != ChangeKind::kRemove && !first->value.empty()) text += ' ' + first->value;
    return text;
  }
  return name + (parts.in_transaction ? " transaction: " : ": ") + summary(parts);
}

void append_requests(std::string& out, std::span<const ShownChange> changes) {
  const std::size_t begin = out.size();
  std::size_t shown = 0;
  for (const ShownChange& change : changes) {
    if (shown == kMaxRequests || out.size() - begin + change.path.size() > kMaxRequestBytes) break;
    out += "Request: ";
    append_request(out, change, change.path);
    out += '\n';
    ++shown;
  }
  if (shown == changes.size()) return;
  append_trailer(
      out, "Request",
      std::string(kEllipsis) + " and " + std::to_string(changes.size() - shown) + " more");
}

void append_became(std::string& out, std::span<const ShownChange> changes) {
  std::size_t count = 0;
  for (const ShownChange& change : changes) {
    if (!change.parent_became || ++count > kMaxBecame) continue;
    const std::size_t slash = change.path.rfind('/');
    append_escaped_trailer(out, "Became-Directory", change.path.substr(0, slash));
  }
  if (count <= kMaxBecame) return;
  append_trailer(out, "Became-Directory",
                 std::string(kEllipsis) + " and " + std::to_string(count - kMaxBecame) + " more");
}

std::string connection_text(const Origin& origin) {
  std::string text = std::to_string(origin.connection);
  if (origin.pid == 0) return text;
  text += " pid=" + std::to_string(origin.pid) + " uid=" + std::to_string(origin.uid) + " command=";
  protocol::append_escaped(text, origin.command);
  return text;
}

std::string conflict_text(const ConflictRecord& conflict) {
  const bool seq_known = conflict.blocking_seq != 0;
  const bool domain_known = seq_known && conflict.blocking_domid != kDomIdInvalid;
  std::string text = "seq=";
  text += seq_known ? std::to_string(conflict.blocking_seq) : std::string(kUnknown);
  text += " domain=";
  text += domain_known ? std::to_string(conflict.blocking_domid) : std::string(kUnknown);
  text += " request=";
  protocol::append_escaped(text, conflict.request);
  text += " path=";
  protocol::append_escaped(text, conflict.path);
  return text;
}

}  // namespace

std::string make_message(const MessageParts& parts) {
  std::string out = make_subject(parts);
  out += "\n\n";
  append_trailer(out, "Seq", parts.seq);
  if (parts.by_daemon) {
    append_trailer(out, "Domain", "daemon");
  } else {
    append_trailer(out, "Domain", parts.origin.domid);
    if (parts.origin.incarnation != 0) append_trailer(out, "Incarnation", parts.origin.incarnation);
    append_trailer(out, "Connection", connection_text(parts.origin));
  }
  if (parts.in_transaction) {
    append_trailer(out, "Transaction", parts.tx_id);
    append_trailer(out, "Base-Seq", parts.base_seq);
  }
  if (parts.base_used != 0) append_trailer(out, "Base-Used", parts.base_used);
  if (parts.kind != MessageKind::kMerge) append_requests(out, parts.changes);
  if (parts.kind == MessageKind::kOrdinary || parts.kind == MessageKind::kMerge) {
    append_became(out, parts.changes);
  }
  if (parts.conflict != nullptr)
    append_trailer(out, "Conflicts-With", conflict_text(*parts.conflict));
  if (!parts.boot_id.empty()) append_trailer(out, "Boot", parts.boot_id);
  return out;
}

void append_record_lines(std::string& out, const MessageParts& parts, std::int64_t time) {
  out += "Record: " + std::to_string(parts.seq) + " time=" + std::to_string(time) +
         " domain=" + std::to_string(parts.origin.domid);
  const auto number = [&](std::string_view name, std::uint64_t value) {
    if (value == 0) return;
    out += ' ';
    out += name;
    out += '=' + std::to_string(value);
  };
  number("incarnation", parts.origin.incarnation);
  if (parts.in_transaction) {
    number("transaction", parts.tx_id);
    number("base", parts.base_seq);
  }
  out += " connection=" + connection_text(parts.origin) + '\n';
  append_requests(out, parts.changes);
}

std::string make_folded_message(const FoldedParts& parts) {
  const MessageParts& first = parts.first;
  const std::string range = std::to_string(first.seq) + ".." + std::to_string(parts.last_seq);
  std::string out = parts.one_domain ? domain_name(first.origin.domid) : "several domains";
  out += ": " + std::to_string(parts.count) + " commits folded, Seq " + range + ", " +
         summary(first) + "\n\n";
  append_trailer(out, "Seq", parts.last_seq);
  append_trailer(out, "Domain",
                 parts.one_domain ? std::to_string(first.origin.domid) : std::string("several"));
  append_trailer(out, "Folded", range + ' ' + std::to_string(parts.count));
  out += parts.lines;
  append_became(out, first.changes);
  if (!first.boot_id.empty()) append_trailer(out, "Boot", first.boot_id);
  return out;
}

std::string make_split_message(std::string_view path, Seq after_seq, std::string_view boot_id) {
  std::string out = "split ";
  const bool cut = path.size() > kMaxSubjectPath;
  if (cut) out += kEllipsis;
  protocol::append_escaped(out, cut ? path.substr(path.size() - kMaxSubjectPath) : path);
  out += " into buckets\n\n";
  append_trailer(out, "After-Seq", after_seq);
  append_escaped_trailer(out, "Split", path);
  if (!boot_id.empty()) append_trailer(out, "Boot", boot_id);
  return out;
}

std::string make_snapshot_message(const SnapshotParts& parts) {
  const std::string gap = std::to_string(parts.gap_from) + ".." + std::to_string(parts.gap_to);
  const std::string reason = protocol::escaped(parts.reason);
  std::string out;
  if (parts.gap_from != 0) {
    out = "gap: Seq " + gap + ", " + std::to_string(parts.changes) + " changes";
    if (!reason.empty()) out += ", " + reason;
  } else {
    out = "snapshot: the whole tree at Seq " + std::to_string(parts.seq);
  }
  out += "\n\n";
  append_trailer(out, "Seq", parts.seq);
  if (parts.gap_from != 0) {
    append_trailer(out, "Gap", gap);
    append_trailer(out, "Changes", parts.changes);
  }
  if (!reason.empty()) append_trailer(out, "Reason", reason);
  if (!parts.boot_id.empty()) append_trailer(out, "Boot", parts.boot_id);
  return out;
}

std::string shown_value(std::string_view value) {
  const std::string_view head = value.substr(0, kShownValueBytes);
  std::string text;
  if (!value.empty() && std::ranges::all_of(head, is_plain)) {
    text = head;
  } else {
    text = '"' + protocol::escaped(head) + '"';
  }
  if (value.size() > kShownValueBytes) text += kEllipsis;
  return text;
}

std::string plain_word(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 255)) {
    const bool fine = is_plain(c) && std::string_view("/:@%+,=").find(c) == std::string_view::npos;
    if (fine) out += c;
  }
  return out;
}

std::string_view text_trailer(std::string_view message, std::string_view name) noexcept {
  // Trailers follow the first empty line; names of ours never begin a line before it.
  for (std::size_t at = message.find("\n\n"); at != std::string_view::npos;
       at = message.find('\n', at + 1)) {
    const std::string_view line = message.substr(at + 1);
    if (!line.starts_with(name) || !line.substr(name.size()).starts_with(": ")) continue;
    const std::string_view text = line.substr(name.size() + 2);
    return text.substr(0, text.find('\n'));
  }
  return {};
}

Seq first_seq_trailer(std::string_view message, Seq seq) noexcept {
  const std::uint64_t first = number_trailer(message, "Folded");  // "1235..1250 16"
  return first == 0 ? seq : first;
}

std::uint64_t number_trailer(std::string_view message, std::string_view name) noexcept {
  const std::string_view text = text_trailer(message, name);
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace vxs::store
