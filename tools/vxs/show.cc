// vxs show
#include <fmt/format.h>

#include "store/history_reader/fold.hh"
#include "store/history_reader/main_line.hh"
#include "store/history_reader/requests.hh"
#include "tools/vxs/commands.hh"
#include "tools/vxs/entry.hh"
#include "tools/vxs/exit_code.hh"

namespace vxs::tools {
namespace {

struct Wanted {
  store::ObjectId commit;
  Seq seq = 0;  // 0: the whole commit
};

reader::ReadResult<Wanted> find_commit(const reader::Repository& repository,
                                       const std::string& text) {
  const auto moment = reader::parse_moment(text, reader::wall_clock_us());
  if (!moment) return tl::make_unexpected(moment.error());
  const bool by_seq = moment->kind == reader::Moment::Kind::kSeq;
  const auto id = by_seq ? reader::find_seq(repository, moment->seq)
                         : reader::resolve_moment(repository, *moment);
  if (!id) return tl::make_unexpected(id.error());
  return Wanted{*id, by_seq ? moment->seq : 0};
}

/// A merge is shown as the transaction that it brought in.
reader::ReadResult<reader::LogEntry> read_entry(const reader::Repository& repository,
                                                const Wanted& wanted) {
  const store::ObjectId& id = wanted.commit;
  auto commit = reader::read_commit(repository, id);
  if (!commit) return tl::make_unexpected(commit.error());
  if (commit->fold_range() && wanted.seq != 0) {
    if (auto record = reader::find_record(*commit, wanted.seq)) {
      return reader::LogEntry{*std::move(record), {}};
    }
  }
  if (!commit->is_merge()) return reader::LogEntry{*std::move(commit), {}};
  auto branch = reader::read_commit(repository, commit->parents[1]);
  if (!branch) return tl::make_unexpected(branch.error());
  return reader::LogEntry{*std::move(branch), id};
}

void write_header(Output& out, const reader::LogEntry& entry) {
  const reader::HistoryCommit& commit = entry.commit;
  out.write(Colour::kYellow, "commit " + commit.id.hex());
  out.write("\n");
  const auto field = [&](std::string_view name, std::string_view value) {
    if (value.empty()) return;
    out.write(Colour::kDim, fmt::format("{:<16}", fmt::format("{}:", name)));
    out.write(std::string(value) + "\n");
  };
  if (commit.fold) {
    field("Folded", fmt::format("one of Seq {}..{}, which share this commit", commit.fold->first,
                                commit.fold->last));
  }
  field("Time", reader::format_local_time(commit.author_time * 1'000'000));
  if (!entry.merge.is_null()) field("Merged-By", entry.merge.hex());
  for (const auto& [key, value] : commit.trailers) {
    if (key != "Request" && key != "Became-Directory" && key != "Record") field(key, value);
  }
  out.write("\n    ");
  out.write(Colour::kBold, commit.subject);
  out.write("\n\n");
  if (const auto cause = reader::conflict_cause(commit)) {
    out.write(fmt::format("    failed: {}\n    it would have changed:\n", describe_cause(*cause)));
  }
}

}  // namespace

int run(Context& context, const ShowOptions& options) {
  const auto repository = open_history(context);
  if (!repository) return report(context, repository.error());
  const auto id = find_commit(*repository, options.commit);
  if (!id) return report(context, id.error());
  const auto entry = read_entry(*repository, *id);
  if (!entry) return report(context, entry.error());
  if (context.json()) {
    const auto json = entry_json(*repository, *entry, true);
    if (!json) return report(context, json.error());
    context.out.write(json->line());
    return kExitOk;
  }
  write_header(context.out, *entry);
  if (entry->commit.fold) {
    write_listed(context.out, entry->commit);
    return kExitOk;
  }
  const auto done =
      commit_changes(*repository, entry->commit, "/", [&](const reader::NodeChange& change) {
        write_change(context.out, change);
        return context.out.open();
      });
  return done ? kExitOk : report(context, done.error());
}

}  // namespace vxs::tools
