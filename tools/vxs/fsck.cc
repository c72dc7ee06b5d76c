// vxs fsck
#include <fmt/format.h>

#include <filesystem>

#include "store/history_reader/check.hh"
#include "store/journal/inspect.hh"
#include "tools/vxs/commands.hh"
#include "tools/vxs/exit_code.hh"
#include "tools/vxs/json.hh"
#include "tools/vxs/state_place.hh"
#include "tools/vxs/stock_git.hh"

namespace vxs::tools {
namespace {

constexpr std::uint64_t kMaxPrinted = 100;

class Report {
 public:
  explicit Report(Context& context) : context_(context) {}

  void add(std::string_view part, const reader::Finding& finding) {
    if (++findings_ > kMaxPrinted) return;
    if (context_.json()) {
      JsonObject json;
      json.text("part", part).text("finding", finding.what).text("advice", finding.advice);
      context_.out.write(json.line());
    } else {
      context_.out.write(Colour::kRed, part);
      context_.out.write(": " + finding.what + "\n");
      if (!finding.advice.empty()) {
        context_.out.write(Colour::kDim, "    what to do: ");
        context_.out.write(finding.advice + "\n");
      }
    }
    context_.out.end_of_item();
  }

  void note(std::string_view text) {
    if (!context_.json()) context_.out.write(std::string(text) + "\n");
  }

  [[nodiscard]] int finish(const reader::CheckCounts& counts) {
    if (context_.json()) {
      JsonObject json;
      json.text("part", "summary").number("findings", findings_);
      json.number("commits", counts.commits).number("failed_transactions", counts.failed);
      json.number("trees", counts.trees).number("values", counts.blobs);
      context_.out.write(json.line());
    } else {
      if (findings_ > kMaxPrinted) note(fmt::format("... and {} more", findings_ - kMaxPrinted));
      note(fmt::format("history: {} commits, {} failed transactions, {} trees, {} values: {}",
                       counts.commits, counts.failed, counts.trees, counts.blobs,
                       findings_ == 0 ? "no findings" : fmt::format("{} findings", findings_)));
    }
    return findings_ == 0 ? kExitOk : kExitFinding;
  }

 private:
  Context& context_;
  std::uint64_t findings_ = 0;
};

/// Reads every segment and checkpoint. Returns whether there is a journal at all.
bool check_journal(const std::string& directory, Report& report) {
  const auto env = store::make_posix_env();
  const auto journal = store::fsck_journal(*env, directory, running_boot());
  if (!journal) {
    report.add("journal", {journal.error().message, ""});
    return true;
  }
  std::uint64_t records = 0;
  std::uint64_t state_records = 0;
  for (const store::SegmentInfo& segment : journal->segments) {
    records += segment.records;
    state_records += segment.state_records;
  }
  for (const store::Finding& finding : journal->findings) {
    if (finding.severity == store::Finding::Severity::kNote) {
      report.note("journal: " + finding.text);
    } else {
      report.add("journal", {finding.text, ""});
    }
  }
  report.note(fmt::format("journal: {} segments, {} records, {} checkpoints, up to Seq {}",
                          journal->segments.size(), records, journal->checkpoints.size(),
                          journal->last_seq));
  if (journal->system) {
    report.note(fmt::format(
        "journal: {} records of domains, watches and quotas; at the end {} domains, {} "
        "rings, {} watches",
        state_records, journal->system->domains, journal->system->rings, journal->system->watches));
  }
  return !journal->segments.empty() || !journal->checkpoints.empty();
}

/// Stock git's opinion. Its lines about what is only dangling (failed transactions that expired)
/// are no findings.
void check_with_git(const std::string& repository, Report& report) {
  std::vector<std::string> lines;
  const auto code =
      run_git(repository, {"fsck", "--full", "--strict", "--no-progress", "--no-dangling"},
              [&](std::string_view line) {
                if (lines.size() < kMaxPrinted) lines.emplace_back(line);
              });
  if (!code) return report.note("git is not installed: git fsck was left out");
  if (*code == 0) return;
  for (const std::string& line : lines) {
    report.add("git fsck", {line,
                            "see the findings on history; if there are none, run git fsck --full "
                            "--strict on a copy and report it"});
  }
  if (lines.empty()) {
    report.add("git fsck", {fmt::format("ended with code {}", *code), "run it by hand"});
  }
}

}  // namespace

int run(Context& context, const FsckOptions& options) {
  const auto location = locate(context.common);
  if (!location) return report(context, location.error());
  Report findings(context);
  // A clone has no journal.
  const bool has_journal =
      (context.common.repository.empty() || !context.common.state_dir.empty()) &&
      check_journal(location->journal_dir, findings);
  reader::CheckCounts counts;
  std::error_code error;
  if (has_journal && !std::filesystem::exists(location->history_dir, error)) {
    findings.note("history: there is no repository at " + location->history_dir);
    return findings.finish(counts);
  }
  const auto repository = reader::Repository::open(location->history_dir);
  if (!repository) return report(context, repository.error());
  counts = reader::check_history(
      *repository, [&](const reader::Finding& finding) { findings.add("history", finding); });
  if (options.git) check_with_git(location->history_dir, findings);
  return findings.finish(counts);
}

}  // namespace vxs::tools
