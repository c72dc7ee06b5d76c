#include "tools/vxs/log_graph.hh"

#include "store/history_reader/main_line.hh"
#include "tools/vxs/entry.hh"
#include "tools/vxs/exit_code.hh"
#include "tools/vxs/failed.hh"
#include "tools/vxs/graph.hh"

namespace vxs::tools {
namespace {

/// The Seq of the commit a transaction's own commit stands on.
Seq base_of(const reader::HistoryCommit& commit) {
  return commit.number("Base-Used").value_or(commit.number("Base-Seq").value_or(0));
}

class GraphLog {
 public:
  GraphLog(Context& context, const LogOptions& options, const reader::Repository& repository,
           const reader::LogFilter& filter)
      : out_(context.out), options_(options), repository_(repository), filter_(filter) {}

  void add_failed(std::vector<reader::HistoryCommit> failed) { failed_ = std::move(failed); }

  reader::ReadResult<void> print(const reader::LogEntry& entry) {
    const Seq seq = entry.commit.seq();
    if (seq != 0) print_failed_above(seq);
    if (entry.merge.is_null()) {
      close(seq);
      line(graph_.main_row(), entry);
      return changes(entry);
    }
    auto merge = reader::read_commit(repository_, entry.merge);
    if (!merge) return tl::make_unexpected(merge.error());
    close(seq);
    line(graph_.main_row(), {*std::move(merge), {}});
    std::string above;
    const std::string marks = graph_.open_branch(base_of(entry.commit), above);
    out_.write(Colour::kGreen, above);
    out_.write("\n");
    line(marks, entry);
    return changes(entry);
  }

  /// The failed transactions newer than everything on main, or left at the end.
  void print_failed_above(Seq seq) {
    for (; next_failed_ < failed_.size() && failed_[next_failed_].seq() > seq; ++next_failed_) {
      const reader::HistoryCommit& commit = failed_[next_failed_];
      if (filter_.domain && reader::domain_of(commit) != filter_.domain) continue;
      line(graph_.open_failed(base_of(commit)), {commit, {}});
    }
  }

 private:
  void close(Seq seq) {
    if (seq == 0) return;
    for (const std::string& row : graph_.close_branches(seq)) {
      out_.write(Colour::kGreen, row);
      out_.write("\n");
    }
  }

  void line(const std::string& marks, const reader::LogEntry& entry) {
    out_.write(Colour::kGreen, marks);
    write_entry_line(out_, entry);
    out_.write("\n");
    out_.end_of_item();
  }

  reader::ReadResult<void> changes(const reader::LogEntry& entry) {
    if (!options_.patch || entry.commit.seq() == 0) return {};
    if (entry.commit.fold) {
      write_listed(out_, entry.commit, graph_.plain_row());
      return {};
    }
    return commit_changes(repository_, entry.commit, filter_.path.empty() ? "/" : filter_.path,
                          [&](const reader::NodeChange& change) {
                            out_.write(Colour::kGreen, graph_.plain_row());
                            write_change(out_, change);
                            return out_.open();
                          });
  }

  Output& out_;
  const LogOptions& options_;
  const reader::Repository& repository_;
  const reader::LogFilter& filter_;
  Graph graph_;
  std::vector<reader::HistoryCommit> failed_;
  std::size_t next_failed_ = 0;
};

}  // namespace

int log_graph(Context& context, const LogOptions& options, const reader::Repository& repository,
              const reader::LogFilter& filter) {
  if (context.json()) {
    return report(context, {reader::ReadError::Kind::kUsage,
                            "--graph is a drawing: use --json without it (base_seq and merge say "
                            "what ran beside what)"});
  }
  const auto head = repository.main_head();
  if (!head) return report(context, head.error());
  GraphLog graph(context, options, repository, filter);
  if (filter.path.empty()) {
    auto failed = failed_transactions(repository);
    if (!failed) return report(context, failed.error());
    graph.add_failed(*std::move(failed));
  }
  std::uint64_t shown = 0;
  reader::ReadResult<void> printed;
  const auto done = reader::walk_log(repository, *head, filter, [&](const auto& entry) {
    printed = graph.print(entry);
    ++shown;
    return printed && context.out.open() && (options.limit == 0 || shown < options.limit);
  });
  if (!done) return report(context, done.error());
  if (!printed) return report(context, printed.error());
  if (shown == 0) {
    return report(context, {reader::ReadError::Kind::kNotFound, "no commit matches"});
  }
  return kExitOk;
}

}  // namespace vxs::tools
