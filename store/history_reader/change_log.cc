#include "store/history_reader/change_log.hh"

#include "store/history_reader/fold.hh"
#include "store/history_reader/main_line.hh"
#include "store/history_reader/path_trace.hh"

namespace vxs::store::reader {
namespace {

class Walk {
 public:
  Walk(const Repository& repository, const LogFilter& filter,
       const std::function<bool(const LogEntry&)>& visit)
      : repository_(repository),
        filter_(filter),
        visit_(visit),
        path_(filter.path.empty() ? "/" : filter.path) {}

  ReadResult<void> run(ObjectId id) {
    auto head = read_commit_head(repository_, id);
    if (!head) return tl::make_unexpected(head.error());
    auto trace = trace_of(*head, nullptr);
    if (!trace) return tl::make_unexpected(trace.error());
    while (going_ && !before_range(*head)) {
      CommitHead parent;
      PathTrace parent_trace;
      if (!head->first_parent.is_null()) {
        auto read = read_commit_head(repository_, head->first_parent);
        if (!read) return tl::make_unexpected(read.error());
        parent = *read;
        auto traced = trace_of(parent, &*trace);
        if (!traced) return tl::make_unexpected(traced.error());
        parent_trace = *std::move(traced);
      }
      const auto done = look_at(id, *head, *trace, parent_trace);
      if (!done) return done;
      if (head->first_parent.is_null()) break;
      id = head->first_parent;
      *head = parent;
      *trace = std::move(parent_trace);
    }
    return {};
  }

 private:
  [[nodiscard]] bool everything() const { return filter_.path.empty(); }

  [[nodiscard]] bool before_range(const CommitHead& head) const {
    return head.seq <= filter_.after_seq ||
           (filter_.since_us && head.committer_time * 1'000'000 < *filter_.since_us);
  }

  ReadResult<PathTrace> trace_of(const CommitHead& head, const PathTrace* known) const {
    if (everything()) return PathTrace{};
    return trace_path(repository_, path_, head.tree, known);
  }

  ReadResult<void> look_at(const ObjectId& id, const CommitHead& head, const PathTrace& trace,
                           const PathTrace& parent_trace) {
    if (head.folded) return look_into_fold(id);
    const bool changed = everything() || trace.node != parent_trace.node;
    if (!head.second_parent.is_null()) {
      const auto touched =
          everything() ? ReadResult<bool>(true) : branch_touches(head.second_parent, trace);
      if (!touched) return tl::make_unexpected(touched.error());
      if (*touched) return found(head.second_parent, id);
    }
    if (!changed || (head.split && !everything())) return {};
    return found(id, ObjectId{});
  }

  /// A folded commit lists its records; one may have undone what another did, so that the trees
  /// are no guide.
  ReadResult<void> look_into_fold(const ObjectId& id) {
    const auto commit = read_commit(repository_, id);
    if (!commit) return tl::make_unexpected(commit.error());
    for (HistoryCommit& record : unfold(*commit)) {
      if (record.seq() <= filter_.after_seq) break;
      if (filter_.since_us && record.author_time * 1'000'000 < *filter_.since_us) break;
      if (filter_.domain && domain_of(record) != filter_.domain) continue;
      if (!may_touch(record, filter_.path)) continue;
      going_ = visit_({std::move(record), {}});
      if (!going_) break;
    }
    return {};
  }

  /// Whether the transaction's own commit differs from its base at the path.
  ReadResult<bool> branch_touches(const ObjectId& branch, const PathTrace& known) const {
    const auto head = read_commit_head(repository_, branch);
    if (!head) return tl::make_unexpected(head.error());
    const auto trace = trace_of(*head, &known);
    if (!trace) return tl::make_unexpected(trace.error());
    if (head->first_parent.is_null()) return trace->node.has_value();
    const auto base = read_commit_head(repository_, head->first_parent);
    if (!base) return tl::make_unexpected(base.error());
    const auto base_trace = trace_of(*base, &*trace);
    if (!base_trace) return tl::make_unexpected(base_trace.error());
    return trace->node != base_trace->node;
  }

  ReadResult<void> found(const ObjectId& id, const ObjectId& merge) {
    auto commit = read_commit(repository_, id);
    if (!commit) return tl::make_unexpected(commit.error());
    if (filter_.domain && domain_of(*commit) != filter_.domain) return {};
    going_ = visit_({*std::move(commit), merge});
    return {};
  }

  const Repository& repository_;
  const LogFilter& filter_;
  const std::function<bool(const LogEntry&)>& visit_;
  TracedPath path_;
  bool going_ = true;
};

}  // namespace

ReadResult<void> walk_log(const Repository& repository, const ObjectId& head,
                          const LogFilter& filter,
                          const std::function<bool(const LogEntry&)>& visit) {
  return Walk(repository, filter, visit).run(head);
}

std::optional<DomId> domain_of(const HistoryCommit& commit) {
  const auto number = commit.number("Domain");
  if (!number || *number > 0xFFFF) return std::nullopt;
  return static_cast<DomId>(*number);
}

}  // namespace vxs::store::reader
