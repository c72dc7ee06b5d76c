// vxs conflicts
#include <fmt/format.h>

#include <map>

#include "store/history_reader/fold.hh"
#include "store/history_reader/main_line.hh"
#include "store/history_reader/requests.hh"
#include "tools/vxs/commands.hh"
#include "tools/vxs/entry.hh"
#include "tools/vxs/exit_code.hh"
#include "tools/vxs/failed.hh"
#include "tools/vxs/since.hh"

namespace vxs::tools {
namespace {

bool matches(const reader::HistoryCommit& commit, const Since& since,
             const std::optional<DomId>& domain) {
  if (commit.seq() <= since.seq) return false;
  if (since.time_us && commit.author_time * 1'000'000 < *since.time_us) return false;
  if (!domain || reader::domain_of(commit) == domain) return true;
  const auto cause = reader::conflict_cause(commit);
  return cause && cause->domid == *domain;
}

/// The subjects of the commits on main that stood in the way, by Seq: one walk for all of them.
using Subjects = std::map<Seq, std::string>;
reader::ReadResult<void> find_subjects(const reader::Repository& repository, Subjects& subjects) {
  if (subjects.empty()) return {};
  const auto head = repository.main_head();
  if (!head) return tl::make_unexpected(head.error());
  reader::ReadResult<void> read;
  const auto done = reader::walk_main(
      repository, *head, [&](const store::ObjectId& id, const reader::CommitHead& commit) {
        const auto from = commit.split ? subjects.end() : subjects.lower_bound(commit.first_seq);
        if (from != subjects.end() && from->first <= commit.seq) {
          const auto parsed = reader::read_commit(repository, id);
          if (!parsed) {
            read = tl::make_unexpected(parsed.error());
            return false;
          }
          for (const reader::HistoryCommit& record : reader::unfold(*parsed)) {
            const auto wanted = subjects.find(record.seq());
            if (wanted != subjects.end()) wanted->second = record.subject;
          }
        }
        return commit.first_seq > subjects.begin()->first;
      });
  return done ? read : done;
}

void write_conflict(Output& out, const reader::HistoryCommit& commit, const Subjects& subjects) {
  write_entry_line(out, {commit, {}});
  out.write("\n");
  const auto cause = reader::conflict_cause(commit);
  if (!cause) return;
  out.write("          ");
  out.write(Colour::kRed, describe_cause(*cause));
  const auto subject = subjects.find(cause->seq.value_or(0));
  if (subject != subjects.end() && !subject->second.empty()) out.write(": " + subject->second);
  const reader::CommitConnection connection = reader::connection_of(commit);
  out.write(fmt::format("\n          it began at Seq {}", commit.trailer("Base-Seq")));
  if (connection.id) out.write(fmt::format(", connection {}", *connection.id));
  if (!connection.peer.empty()) out.write(" (" + connection.peer + ")");
  out.write("\n");
}

}  // namespace

int run(Context& context, const ConflictsOptions& options) {
  const auto repository = open_history(context);
  if (!repository) return report(context, repository.error());
  const auto since = parse_since(*repository, options.since);
  if (!since) return report(context, since.error());
  const auto failed = failed_transactions(*repository);
  if (!failed) return report(context, failed.error());
  Subjects subjects;
  for (const auto& commit : *failed) {
    const auto cause = reader::conflict_cause(commit);
    if (!cause || !cause->seq || !matches(commit, *since, options.domain)) continue;
    subjects.emplace(*cause->seq, "");
  }
  if (const auto done = find_subjects(*repository, subjects); !done) {
    return report(context, done.error());
  }
  for (const auto& commit : *failed) {
    if (!matches(commit, *since, options.domain) || !context.out.open()) continue;
    if (context.json()) {
      const auto json = entry_json(*repository, {commit, {}}, false);
      if (!json) return report(context, json.error());
      context.out.write(json->line());
    } else {
      write_conflict(context.out, commit, subjects);
    }
    context.out.end_of_item();
  }
  return kExitOk;
}

}  // namespace vxs::tools
