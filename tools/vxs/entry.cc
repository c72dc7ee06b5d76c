#include "tools/vxs/entry.hh"

#include <fmt/format.h>

#include "store/history_reader/main_line.hh"
#include "store/history_reader/perm_words.hh"
#include "store/history_reader/requests.hh"

namespace vxs::tools {
namespace {

constexpr std::size_t kShortId = 10;

std::string joined(const std::vector<std::string>& sentences) {
  std::string text;
  for (const std::string& sentence : sentences) {
    if (!text.empty()) text += "; ";
    text += sentence;
  }
  return text;
}

/// Adds what a change says about values and permissions of one side.
void add_side(JsonObject& json, const std::string& prefix, const std::optional<std::string>& value,
              const std::vector<protocol::PermEntry>& perms) {
  if (!value) return;
  json.bytes(prefix + "value", *value);
  json.text(prefix + "permissions", reader::format_perms(perms));
}

void add_paths(JsonObject& json, const reader::CommitRequests& requests) {
  std::vector<std::string> paths;
  for (const auto& request : requests.requests) paths.push_back(request.path);
  json.strings("paths", paths);
}

void add_cause(JsonObject& json, const reader::HistoryCommit& commit) {
  const auto cause = reader::conflict_cause(commit);
  if (!cause) {
    json.null("conflicts_with");
    return;
  }
  JsonObject object;
  object.optional_number("seq", cause->seq).optional_number("domid", cause->domid);
  object.text("request", cause->request).text("path", cause->path);
  json.object("conflicts_with", object);
}

}  // namespace

std::string describe_cause(const reader::ConflictCause& cause) {
  std::string text = fmt::format("{} {} was no longer true: ", cause.request, cause.path);
  if (!cause.seq) return text + "it is not known who changed it, the daemon was restarted since";
  text += cause.domid ? fmt::format("dom{}", *cause.domid) : "a domain that is not known";
  return text + fmt::format(" made Seq {}", *cause.seq);
}

void write_entry_line(Output& out, const reader::LogEntry& entry) {
  const reader::HistoryCommit& commit = entry.commit;
  const Seq seq = commit.seq();
  out.write(Colour::kYellow, fmt::format("{:>8}", seq == 0 ? "-" : std::to_string(seq)));
  out.write(Colour::kDim,
            fmt::format("  {}  {}  ", reader::format_local_time(commit.author_time * 1'000'000),
                        commit.id.hex().substr(0, kShortId)));
  const std::size_t space = std::min(commit.subject.find(' '), commit.subject.size());
  out.write(Colour::kCyan, commit.subject.substr(0, space));
  out.write(commit.subject.substr(space));
}

void write_listed(Output& out, const reader::HistoryCommit& commit, std::string_view mark) {
  for (const auto& [key, value] : commit.trailers) {
    if (key != "Request") continue;
    out.write(Colour::kGreen, mark);
    out.write("    " + value + "\n");
  }
}

std::string change_op(const reader::NodeChange& change) {
  if (change.created && change.removed) return "rm+create";
  if (change.created) return "create";
  if (change.removed) return "rm";
  if (change.value_changed()) return change.perms_changed() ? "write+perms" : "write";
  return "perms";
}

void write_change(Output& out, const reader::NodeChange& change) {
  const auto line = [&](Colour colour, char mark, const std::string& text) {
    out.write(colour, fmt::format("    {} {}", mark, change.path) + text);
    out.write("\n");
  };
  if (change.removed) {
    line(Colour::kRed, '-', " = " + display_value(*change.old_value));
  }
  if (change.created) {
    line(Colour::kGreen, '+',
         fmt::format(" = {} ({})", display_value(*change.new_value),
                     reader::format_perms(change.new_perms)));
    return;
  }
  if (change.removed) return;
  if (change.value_changed()) {
    line(Colour::kYellow, '~',
         fmt::format(": {} → {}", display_value(*change.old_value),
                     display_value(*change.new_value)));
  }
  if (change.perms_changed()) {
    line(Colour::kMagenta, 'p',
         fmt::format(": {} ({} → {})",
                     joined(reader::describe_perms_change(change.old_perms, change.new_perms)),
                     reader::format_perms(change.old_perms),
                     reader::format_perms(change.new_perms)));
  }
}

JsonObject change_json(const reader::NodeChange& change) {
  JsonObject json;
  json.text("op", change_op(change)).text("path", change.path);
  add_side(json, "old_", change.old_value, change.old_perms);
  add_side(json, "new_", change.new_value, change.new_perms);
  if (change.perms_changed() && !change.created && !change.removed) {
    json.strings("permissions_change",
                 reader::describe_perms_change(change.old_perms, change.new_perms));
  }
  return json;
}

reader::ReadResult<void> commit_changes(
    const reader::Repository& repository, const reader::HistoryCommit& commit,
    std::string_view path, const std::function<bool(const reader::NodeChange&)>& visit) {
  store::ObjectId before;  // null: the empty tree
  if (!commit.parents.empty()) {
    const auto parent = reader::read_commit_head(repository, commit.parents.front());
    if (!parent) return tl::make_unexpected(parent.error());
    before = parent->tree;
  }
  return reader::diff_trees(reader::TreeView(repository, before),
                            reader::TreeView(repository, commit.tree), path, visit);
}

reader::ReadResult<JsonObject> entry_json(const reader::Repository& repository,
                                          const reader::LogEntry& entry, bool with_changes) {
  const reader::HistoryCommit& commit = entry.commit;
  reader::CommitRequests requests = reader::requests_of(commit);
  const bool by_store = requests.summary == "split" || commit.fold.has_value();
  std::vector<JsonObject> changes;
  if ((with_changes && !commit.fold) ||
      (!by_store && (!requests.complete || requests.requests.empty()))) {
    const bool collect_paths = !requests.complete || requests.requests.empty();
    if (collect_paths) requests.requests.clear();
    const auto done =
        commit_changes(repository, commit, "/", [&](const reader::NodeChange& change) {
          if (collect_paths) requests.requests.push_back({change_op(change), false, change.path});
          if (with_changes) changes.push_back(change_json(change));
          return true;
        });
    if (!done) return tl::make_unexpected(done.error());
  }
  const reader::CommitConnection connection = reader::connection_of(commit);
  JsonObject json;
  json.optional_number("seq", commit.number("Seq")).text("commit", commit.id.hex());
  json.text("time", reader::format_utc_time(commit.author_time * 1'000'000));
  json.optional_number("domid", reader::domain_of(commit));
  json.optional_number("connection", connection.id);
  json.text("op", requests.summary);
  add_paths(json, requests);
  json.optional_number("transaction", commit.number("Transaction"));
  add_cause(json, commit);
  json.optional_number("base_seq", commit.number("Base-Seq"));
  json.text("subject", commit.subject);
  if (!connection.peer.empty()) json.text("peer", connection.peer);
  if (!entry.merge.is_null()) json.text("merge", entry.merge.hex());
  if (commit.fold) {  // the trees show the changes of all records of the fold: no "changes"
    JsonObject fold;
    fold.number("first", commit.fold->first).number("last", commit.fold->last);
    json.object("folded", fold);
    std::vector<std::string> listed;
    for (const auto& [key, value] : commit.trailers) {
      if (key == "Request") listed.push_back(value);
    }
    json.strings("requests", listed);
    return json;
  }
  if (with_changes) json.objects("changes", changes);
  return json;
}

}  // namespace vxs::tools
