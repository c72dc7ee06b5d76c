#include "store/history_reader/blame.hh"

#include <unordered_map>

#include "store/history_reader/fold.hh"
#include "store/history_reader/main_line.hh"
#include "store/history_reader/path_trace.hh"
#include "store/history_reader/requests.hh"
#include "store/history_reader/tree_diff.hh"
#include "store/history_reader/tree_view.hh"

namespace vxs::store::reader {
namespace {

class Blamer {
 public:
  Blamer(const Repository& repository, std::string path)
      : repository_(repository), path_(std::move(path)), traced_(path_) {}

  /// Collects the nodes to explain.
  ReadResult<void> list(const TreeView& tree) {
    const auto top = tree.find(path_);
    if (!top) return tl::make_unexpected(top.error());
    if (!*top) return {};
    std::vector<std::pair<std::string, HistoryNode>> stack{{path_, **top}};
    while (!stack.empty()) {
      const auto [path, node] = std::move(stack.back());
      stack.pop_back();
      auto value = tree.value(node);
      if (!value) return tl::make_unexpected(value.error());
      auto meta = tree.meta(node);
      if (!meta) return tl::make_unexpected(meta.error());
      open_.emplace(path, Open{nodes_.size()});
      nodes_.push_back({path, *std::move(value), std::move(meta->perms), {}, {}});
      auto children = tree.children_in_order(node);
      if (!children) return tl::make_unexpected(children.error());
      const std::string prefix = path == "/" ? path : path + "/";
      for (auto child = children->rbegin(); child != children->rend(); ++child) {
        stack.emplace_back(prefix + child->name, std::move(child->node));
      }
    }
    return {};
  }

  ReadResult<void> explain(ObjectId id) {
    auto head = read_commit_head(repository_, id);
    if (!head) return tl::make_unexpected(head.error());
    auto trace = trace_path(repository_, traced_, head->tree);
    if (!trace) return tl::make_unexpected(trace.error());
    while (!open_.empty()) {
      CommitHead parent;  // before the root: the empty tree
      if (!head->first_parent.is_null()) {
        const auto read = read_commit_head(repository_, head->first_parent);
        if (!read) return tl::make_unexpected(read.error());
        parent = *read;
      }
      auto parent_trace = trace_path(repository_, traced_, parent.tree, &*trace);
      if (!parent_trace) return tl::make_unexpected(parent_trace.error());
      if (parent_trace->node != trace->node && !head->split) {
        const auto done = look_at(head->second_parent.is_null() ? id : head->second_parent,
                                  head->second_parent.is_null() ? ObjectId{} : id, *head, parent);
        if (!done) return done;
      }
      if (head->first_parent.is_null()) break;
      id = head->first_parent;
      *head = parent;
      trace = std::move(parent_trace);
    }
    return {};
  }

  std::vector<BlamedNode> take() { return std::move(nodes_); }

 private:
  struct Open {
    std::size_t index = 0;
    bool value = true, perms = true;  // still to explain
  };

  ReadResult<void> look_at(const ObjectId& author, const ObjectId& merge, const CommitHead& head,
                           const CommitHead& parent) {
    const auto commit = read_commit(repository_, author);
    if (!commit) return tl::make_unexpected(commit.error());
    const std::vector<HistoryCommit> records = unfold(*commit);  // newest first
    return diff_trees(TreeView(repository_, parent.tree), TreeView(repository_, head.tree), path_,
                      [&](const NodeChange& change) {
                        settle(change, records, merge);
                        return !open_.empty();
                      });
  }

  void settle(const NodeChange& change, const std::vector<HistoryCommit>& records,
              const ObjectId& merge) {
    const auto found = open_.find(change.path);
    if (found == open_.end()) return;
    Open& open = found->second;
    if (open.value && (change.created || change.value_changed())) {
      nodes_[open.index].value_by = {last_to(records, change.path, "write"), merge};
      open.value = false;
    }
    if (open.perms && (change.created || change.perms_changed())) {
      nodes_[open.index].perms_by = {last_to(records, change.path, "perms"), merge};
      open.perms = false;
    }
    if (!open.value && !open.perms) open_.erase(found);
  }

  /// The newest record of a fold that made the node or did `op` to it; the newest of all if the
  /// fold does not list that.
  static const HistoryCommit& last_to(const std::vector<HistoryCommit>& records,
                                      std::string_view path, std::string_view op) {
    for (const HistoryCommit& record : records) {
      for (const CommitRequest& request : requests_of(record).requests) {
        if (request.path == path && (request.op == "create" || request.op == op)) return record;
      }
    }
    return records.front();
  }

  const Repository& repository_;
  std::string path_;
  TracedPath traced_;
  std::vector<BlamedNode> nodes_;
  std::unordered_map<std::string, Open> open_;
};

}  // namespace

ReadResult<std::vector<BlamedNode>> blame(const Repository& repository, const ObjectId& head,
                                          const std::string& path) {
  const auto commit = read_commit_head(repository, head);
  if (!commit) return tl::make_unexpected(commit.error());
  Blamer blamer(repository, path);
  if (auto done = blamer.list(TreeView(repository, commit->tree)); !done) {
    return tl::make_unexpected(done.error());
  }
  if (auto done = blamer.explain(head); !done) return tl::make_unexpected(done.error());
  return blamer.take();
}

}  // namespace vxs::store::reader
