#include "store/history_reader/path_trace.hh"

#include "protocol/path.hh"
#include "store/history/git_path.hh"
#include "store/history_reader/meta.hh"

namespace vxs::store::reader {
namespace {

/// True if new children of `directory` go into buckets.
bool is_fanned_out(const Repository& repository, const GitTreeBytes& directory) {
  const GitEntry meta = directory.find(".meta");
  if (meta.id.is_null()) return false;
  const auto file = repository.blob(meta.id);
  const auto line = file ? parse_meta_line(find_meta_line(*file, ".")) : std::nullopt;
  return line && line->fanned_out;
}

void append_name(std::string& path, std::string_view name) {
  if (!path.empty()) path += '/';
  path += name;
}

/// Completes the path of a node that is missing: what follows the last tree that exists.
void append_missing(const TracedPath& path, std::size_t from, bool fanned, std::string& git_path) {
  std::string xenstore;
  for (std::size_t i = 0; i < path.components().size(); ++i) {
    const TracedPath::Component& component = path.components()[i];
    if (i >= from) {
      const bool in_buckets =
          i == from ? fanned : is_fanned_from_start(xenstore.empty() ? "/" : xenstore);
      if (in_buckets) append_name(git_path, component.bucket);
      append_name(git_path, component.git_name);
    }
    xenstore += '/' + component.git_name;
  }
}

/// Fills in a leaf found in `container`.
ReadResult<void> read_leaf(const Repository& repository, const GitTreeBytes& container,
                           const GitEntry& entry, const PathTrace* known, PathTrace& trace) {
  HistoryNode node;
  node.id = entry.id;
  node.escaped = entry.executable;
  trace.meta = container.find(".meta").id;
  if (known != nullptr && known->node && known->meta == trace.meta && !trace.meta.is_null()) {
    node.meta_line = known->node->meta_line;
  } else if (!trace.meta.is_null()) {
    const auto file = repository.blob(trace.meta);
    if (!file) return tl::make_unexpected(file.error());
    node.meta_line = find_meta_line(*file, entry.name);
  }
  trace.node = std::move(node);
  return {};
}

}  // namespace

TracedPath::TracedPath(std::string_view path) : special_(protocol::is_special(path)) {
  if (special_) {
    components_ = {{".special", ""}, {std::string(path.substr(1)), ""}};
    return;
  }
  for (const std::string_view name : protocol::PathComponents(path)) {
    components_.push_back({git_name(name), bucket_name(name)});
  }
}

ReadResult<PathTrace> trace_path(const Repository& repository, const TracedPath& path,
                                 const ObjectId& root, const PathTrace* known) {
  PathTrace trace;
  if (root.is_null()) return trace;  // the tree before the first commit
  const auto& components = path.components();
  PathTrace::Step step{root, 0, false};
  while (true) {
    if (known != nullptr && trace.steps.size() < known->steps.size() &&
        known->steps[trace.steps.size()] == step) {
      return *known;  // the rest is a function of this step
    }
    trace.steps.push_back(step);
    if (step.component == components.size()) {  // the tree of the node itself
      trace.node = HistoryNode{HistoryNode::Kind::kDirectory, step.tree, false, ""};
      return trace;
    }
    const auto tree = repository.tree(step.tree);
    if (!tree) return tl::make_unexpected(tree.error());
    const TracedPath::Component& component = components[step.component];
    const GitEntry entry = tree->find(component.git_name);
    if (!entry.id.is_null() && entry.is_tree) {
      append_name(trace.git_path, component.git_name);
      step = {entry.id, step.component + 1, false};
      continue;
    }
    if (!entry.id.is_null() && step.component + 1 == components.size()) {
      append_name(trace.git_path, component.git_name);
      if (path.special()) {
        trace.node = HistoryNode{HistoryNode::Kind::kSpecial, entry.id, false, ""};
        return trace;
      }
      const auto done = read_leaf(repository, *tree, entry, known, trace);
      if (!done) return tl::make_unexpected(done.error());
      return trace;
    }
    const GitEntry bucket = step.in_bucket ? GitEntry{} : tree->find(component.bucket);
    if (!bucket.id.is_null() && bucket.is_tree) {
      append_name(trace.git_path, component.bucket);
      step = {bucket.id, step.component, true};
      continue;
    }
    const bool fanned = !step.in_bucket && is_fanned_out(repository, *tree);
    append_missing(path, step.component, fanned, trace.git_path);
    return trace;
  }
}

}  // namespace vxs::store::reader
