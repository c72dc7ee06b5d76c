// vxs status
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "store/history_reader/main_line.hh"
#include "store/journal/inspect.hh"
#include "tools/vxs/commands.hh"
#include "tools/vxs/daemon_status.hh"
#include "tools/vxs/exit_code.hh"
#include "tools/vxs/json.hh"

namespace vxs::tools {
namespace {

using Lines = std::vector<std::pair<std::string, std::string>>;

struct Files {
  std::uint64_t count = 0, bytes = 0;
};

/// Regular files in a directory whose names begin and end as said; none if it cannot be read.
Files count_files(const std::string& directory, std::string_view prefix, std::string_view suffix) {
  Files files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix) || !name.ends_with(suffix)) continue;
    const std::uintmax_t size = entry.file_size(error);
    if (error) continue;
    ++files.count;
    files.bytes += size;
  }
  return files;
}

std::string megabytes(std::uint64_t bytes) {
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

reader::ReadResult<Lines> history_lines(const Location& location) {
  const auto repository = reader::Repository::open(location.history_dir);
  if (!repository) return tl::make_unexpected(repository.error());
  Lines lines{{"repository", location.history_dir}};
  const auto head = repository->main_head();
  if (head) {
    const auto commit = reader::read_commit(*repository, *head);
    if (!commit) return tl::make_unexpected(commit.error());
    const Seq seq = commit->number("Seq").value_or(commit->number("After-Seq").value_or(0));
    lines.emplace_back("seq", std::to_string(seq));
    lines.emplace_back("commit", commit->id.hex());
    lines.emplace_back("time", reader::format_local_time(commit->committer_time * 1'000'000));
  } else if (head.error().kind == reader::ReadError::Kind::kNotFound) {
    lines.emplace_back("seq", "0");
  } else {
    return tl::make_unexpected(head.error());
  }
  const auto failed = repository->refs("refs/conflicts/");
  if (!failed) return tl::make_unexpected(failed.error());
  lines.emplace_back("failed transactions", std::to_string(failed->size()));
  const std::string pack_directory = location.history_dir + "/objects/pack";
  const Files packs = count_files(pack_directory, "pack-", ".pack");
  lines.emplace_back("packs", std::to_string(packs.count));
  lines.emplace_back("bytes", std::to_string(count_files(pack_directory, "", "").bytes));
  return lines;
}

std::string_view find(const Lines& lines, std::string_view key) {
  const auto line =
      std::find_if(lines.begin(), lines.end(), [&](const auto& each) { return each.first == key; });
  return line == lines.end() ? std::string_view() : std::string_view(line->second);
}

Lines journal_lines(const std::string& directory) {
  Lines lines{{"directory", directory}};
  const auto env = store::make_posix_env();
  const auto journal = store::list_journal(*env, directory);
  if (!journal) {
    lines.emplace_back("error", journal.error().message);
    return lines;
  }
  lines.emplace_back("segments", std::to_string(journal->segments.size()));
  lines.emplace_back("first seq", std::to_string(journal->first_seq));
  lines.emplace_back("checkpoints", std::to_string(journal->checkpoints.size()));
  if (!journal->checkpoints.empty()) {
    const store::CheckpointMeta& newest = journal->checkpoints.back().meta;
    lines.emplace_back("newest checkpoint", fmt::format("Seq {} at {}", newest.seq,
                                                        reader::format_local_time(newest.time_us)));
  }
  lines.emplace_back("bytes", std::to_string(journal->bytes));
  return lines;
}

bool is_large_size(std::string_view key, std::string_view value) {
  return key.ends_with("bytes") && value.size() > 6 && value.size() < 19 &&
         std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; });
}

void write_part(Output& out, std::string_view name, const Lines& lines) {
  out.write(Colour::kBold, name);
  out.write("\n");
  for (const auto& [key, value] : lines) {
    out.write(fmt::format("  {:<22}", fmt::format("{}:", key)));
    out.write(value == "failing" ? Colour::kRed : Colour::kNone, value);
    if (is_large_size(key, value)) out.write(" (" + megabytes(std::stoull(value)) + ")");
    out.write("\n");
  }
}

JsonObject part_json(const Lines& lines) {
  JsonObject json;
  for (const auto& [key, value] : lines) json.text(key, value);
  return json;
}

}  // namespace

int run(Context& context, const StatusOptions&) {
  const auto location = locate(context.common);
  if (!location) return report(context, location.error());
  const auto daemon = ask_daemon(location->socket);
  const auto history = history_lines(*location);
  // The daemon knows best where its journal is.
  const std::string_view told = daemon ? find(*daemon, "journal-dir") : std::string_view();
  const Lines journal = journal_lines(told.empty() ? location->journal_dir : std::string(told));
  const Lines no_daemon{{"error", daemon ? "" : daemon.error()}};
  const Lines no_history{{"error", history ? "" : history.error().message}};
  if (context.json()) {
    JsonObject json;
    json.object("daemon", part_json(daemon ? *daemon : no_daemon));
    json.object("journal", part_json(journal));
    json.object("history", part_json(history ? *history : no_history));
    context.out.write(json.line());
  } else {
    write_part(context.out, "daemon", daemon ? *daemon : no_daemon);
    write_part(context.out, "journal", journal);
    write_part(context.out, "history", history ? *history : no_history);
  }
  if (!daemon && !history) return kExitUnreadable;
  const bool failing = daemon && std::any_of(daemon->begin(), daemon->end(), [](const auto& line) {
                         return line.second == "failing";
                       });
  return daemon && !failing ? kExitOk : kExitFinding;
}

}  // namespace vxs::tools
