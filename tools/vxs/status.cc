// vxs status
#include <fmt/format.h>

#include <filesystem>

#include "store/history_reader/main_line.hh"
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

void write_part(Output& out, std::string_view name, const Lines& lines) {
  out.write(Colour::kBold, name);
  out.write("\n");
  for (const auto& [key, value] : lines) {
    out.write(fmt::format("  {:<22}", fmt::format("{}:", key)));
    out.write(key.ends_with("bytes") && value.size() > 6
                  ? fmt::format("{} ({})\n", value, megabytes(std::stoull(value)))
                  : value + "\n");
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
  const Files segments = count_files(location->journal_dir, "", "");
  const Lines journal{{"directory", location->journal_dir},
                      {"files", std::to_string(segments.count)},
                      {"bytes", std::to_string(segments.bytes)}};
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
  return daemon ? kExitOk : kExitFinding;
}

}  // namespace vxs::tools
