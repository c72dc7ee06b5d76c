// vxs log
#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "store/history_reader/change_log.hh"
#include "store/history_reader/main_line.hh"
#include "tools/vxs/commands.hh"
#include "tools/vxs/entry.hh"
#include "tools/vxs/exit_code.hh"
#include "tools/vxs/log_graph.hh"
#include "tools/vxs/since.hh"

namespace vxs::tools {
namespace {

constexpr std::chrono::milliseconds kPollInterval{200};
/// What --follow shows of the past when nothing else is asked for, as tail does.
constexpr std::uint64_t kFollowBacklog = 10;

class Log {
 public:
  Log(Context& context, const LogOptions& options, const reader::Repository& repository,
      const reader::LogFilter& filter)
      : context_(context), options_(options), repository_(repository), filter_(filter) {}

  int newest_first() {
    const auto head = repository_.main_head();
    if (!head) return report(context_, head.error());
    std::uint64_t shown = 0;
    const auto done = reader::walk_log(repository_, *head, filter_, [&](const auto& entry) {
      print(entry);
      ++shown;
      return going() && (options_.limit == 0 || shown < options_.limit);
    });
    if (!done) return report(context_, done.error());
    if (error_) return report(context_, *error_);
    return shown == 0 ? nothing() : kExitOk;
  }

  int follow() {
    const bool bounded = options_.limit != 0 || filter_.since_us;
    std::uint64_t limit = bounded ? options_.limit : kFollowBacklog;
    reader::LogFilter filter = filter_;
    store::ObjectId seen;
    while (going()) {
      const auto head = repository_.main_head();
      if (!head && head.error().kind != reader::ReadError::Kind::kNotFound) {
        return report(context_, head.error());
      }
      if (head && *head != seen) {
        if (!catch_up(*head, filter, limit)) return report(context_, *error_);
        seen = *head;
        limit = 0;
      }
      if (going()) std::this_thread::sleep_for(kPollInterval);
    }
    return kExitOk;
  }

 private:
  [[nodiscard]] bool going() const { return context_.out.open() && !error_; }

  /// Prints what is new up to `head`, oldest first; the last `limit` only unless that is 0.
  bool catch_up(const store::ObjectId& head, reader::LogFilter& filter, std::uint64_t limit) {
    std::vector<reader::LogEntry> entries;
    const auto done = reader::walk_log(repository_, head, filter, [&](const auto& entry) {
      entries.push_back(entry);
      return limit == 0 || entries.size() < limit;
    });
    const auto newest = reader::read_commit_head(repository_, head);
    if (!done || !newest) {
      error_ = done ? newest.error() : done.error();
      return false;
    }
    std::for_each(entries.rbegin(), entries.rend(), [&](const auto& entry) { print(entry); });
    filter.after_seq = newest->seq;
    filter.since_us.reset();
    context_.out.flush();
    return !error_;
  }

  void print(const reader::LogEntry& entry) {
    if (context_.json()) {
      const auto json = entry_json(repository_, entry, options_.patch);
      if (!json) {
        error_ = json.error();
        return;
      }
      context_.out.write(json->line());
    } else {
      write_entry_line(context_.out, entry);
      context_.out.write("\n");
      if (options_.patch) print_changes(entry);
    }
    context_.out.end_of_item();
  }

  void print_changes(const reader::LogEntry& entry) {
    if (entry.commit.seq() == 0) return;  // a split: files moved, no node changed
    if (entry.commit.fold) return write_listed(context_.out, entry.commit);
    const auto done =
        commit_changes(repository_, entry.commit, filter_.path.empty() ? "/" : filter_.path,
                       [&](const reader::NodeChange& change) {
                         write_change(context_.out, change);
                         return context_.out.open();
                       });
    if (!done) error_ = done.error();
  }

  int nothing() {
    return report(context_, {reader::ReadError::Kind::kNotFound,
                             filter_.path.empty() ? "no commit matches"
                                                  : "no commit matches at " + filter_.path});
  }

  Context& context_;
  const LogOptions& options_;
  const reader::Repository& repository_;
  const reader::LogFilter& filter_;
  std::optional<reader::ReadError> error_;
};

reader::ReadResult<reader::LogFilter> make_filter(const LogOptions& options) {
  reader::LogFilter filter;
  filter.domain = options.domain;
  if (!options.path.empty()) {
    auto path = canonical_path(options.path);
    if (!path) return tl::make_unexpected(path.error());
    filter.path = *std::move(path);
  }
  return filter;
}

}  // namespace

int run(Context& context, const LogOptions& options) {
  auto filter = make_filter(options);
  if (!filter) return report(context, filter.error());
  const auto repository = open_history(context);
  if (!repository) return report(context, repository.error());
  const auto since = parse_since(*repository, options.since);
  if (!since) return report(context, since.error());
  filter->since_us = since->time_us;
  filter->after_seq = since->seq;
  if (options.graph) return log_graph(context, options, *repository, *filter);
  Log log(context, options, *repository, *filter);
  return options.follow ? log.follow() : log.newest_first();
}

}  // namespace vxs::tools
