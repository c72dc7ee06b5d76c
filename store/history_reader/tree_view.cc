#include "store/history_reader/tree_view.hh"

#include <fmt/format.h>

#include <algorithm>

#include "protocol/escape.hh"
#include "store/history/git_path.hh"

namespace vxs::store::reader {
namespace {

/// The file `.meta` of a tree, "" if it has none.
ReadResult<std::string> meta_file(const Repository& repository, const GitTreeBytes& tree) {
  const GitEntry entry = tree.find(".meta");
  if (entry.id.is_null()) return std::string();
  return repository.blob(entry.id);
}

tl::unexpected<ReadError> bad_meta(const ObjectId& where) {
  return unreadable(fmt::format("the .meta beside or in {} breaks the format", where.hex()));
}

/// The full name of a `~h…` directory, from its own `.meta`.
ReadResult<std::string> hashed_directory_name(const Repository& repository, const ObjectId& id) {
  const auto tree = repository.tree(id);
  if (!tree) return tl::make_unexpected(tree.error());
  const auto file = meta_file(repository, *tree);
  if (!file) return tl::make_unexpected(file.error());
  const auto line = parse_meta_line(find_meta_line(*file, "."));
  if (!line || line->full_name.empty()) return bad_meta(id);
  return line->full_name;
}

}  // namespace

ReadResult<std::string> read_value(const Repository& repository, const ObjectId& blob,
                                   bool is_escaped) {
  auto bytes = repository.blob(blob);
  if (!bytes) return bytes;
  if (!bytes->ends_with('\n')) {
    return unreadable(fmt::format("blob {} does not end with a newline", blob.hex()));
  }
  bytes->pop_back();
  if (!is_escaped) return bytes;
  auto plain = protocol::unescape(*bytes);
  if (!plain) return unreadable(fmt::format("blob {} is not escaped correctly", blob.hex()));
  return *std::move(plain);
}

ReadResult<std::vector<ChildContainer>> child_containers(const Repository& repository,
                                                         const ObjectId& directory) {
  const auto tree = repository.tree(directory);
  if (!tree) return tl::make_unexpected(tree.error());
  std::vector<ChildContainer> containers{{"", directory}};
  tree->for_each([&](const GitEntry& entry) {
    if (entry.is_tree && is_bucket_name(entry.name)) {
      containers.push_back({std::string(entry.name), entry.id});
    }
    return true;
  });
  return containers;
}

ReadResult<void> append_children(const Repository& repository, const ObjectId& container,
                                 std::vector<HistoryChild>& out) {
  const auto tree = repository.tree(container);
  if (!tree) return tl::make_unexpected(tree.error());
  const auto file = meta_file(repository, *tree);
  if (!file) return tl::make_unexpected(file.error());
  for (const GitEntry& entry : tree->entries()) {
    if (entry.name.starts_with('.') || (entry.is_tree && is_bucket_name(entry.name))) continue;
    HistoryChild child;
    child.name = entry.name;
    child.node.id = entry.id;
    const bool hashed = is_hashed_name(entry.name);
    if (entry.is_tree) {
      child.node.kind = HistoryNode::Kind::kDirectory;
      if (hashed) {
        auto name = hashed_directory_name(repository, entry.id);
        if (!name) return tl::make_unexpected(name.error());
        child.name = *std::move(name);
      }
    } else {
      child.node.escaped = entry.executable;
      child.node.meta_line = find_meta_line(*file, entry.name);
      if (hashed) {
        const auto line = parse_meta_line(child.node.meta_line);
        if (!line || line->full_name.empty()) return bad_meta(entry.id);
        child.name = line->full_name;
      }
    }
    out.push_back(std::move(child));
  }
  return {};
}

ReadResult<std::optional<HistoryNode>> TreeView::find(std::string_view path) const {
  auto trace = trace_path(*repository_, TracedPath(path), root_);
  if (!trace) return tl::make_unexpected(trace.error());
  return std::move(trace->node);
}

ReadResult<std::string> TreeView::value(const HistoryNode& node) const {
  if (node.kind == HistoryNode::Kind::kSpecial) return std::string();
  if (node.kind == HistoryNode::Kind::kLeaf) return read_value(*repository_, node.id, node.escaped);
  const auto tree = repository_->tree(node.id);
  if (!tree) return tl::make_unexpected(tree.error());
  const GitEntry entry = tree->find(".value");
  if (entry.id.is_null()) return std::string();
  return read_value(*repository_, entry.id, entry.executable);
}

ReadResult<MetaLine> TreeView::meta(const HistoryNode& node) const {
  std::string line = node.meta_line;
  if (node.kind != HistoryNode::Kind::kLeaf) {
    if (node.kind == HistoryNode::Kind::kSpecial) {
      auto file = repository_->blob(node.id);
      if (!file) return tl::make_unexpected(file.error());
      if (file->ends_with('\n')) file->pop_back();
      line = ". 0.0 " + *file;
    } else {
      const auto tree = repository_->tree(node.id);
      if (!tree) return tl::make_unexpected(tree.error());
      const auto file = meta_file(*repository_, *tree);
      if (!file) return tl::make_unexpected(file.error());
      line = find_meta_line(*file, ".");
    }
  }
  auto meta = parse_meta_line(line);
  if (!meta) return bad_meta(node.id);
  return *std::move(meta);
}

ReadResult<std::vector<HistoryChild>> TreeView::children(const HistoryNode& node) const {
  std::vector<HistoryChild> all;
  if (node.kind != HistoryNode::Kind::kDirectory) return all;
  const auto containers = child_containers(*repository_, node.id);
  if (!containers) return tl::make_unexpected(containers.error());
  for (const ChildContainer& container : *containers) {
    const auto done = append_children(*repository_, container.tree, all);
    if (!done) return tl::make_unexpected(done.error());
  }
  return all;
}

ReadResult<std::vector<HistoryChild>> TreeView::children_in_order(const HistoryNode& node) const {
  auto all = children(node);
  if (!all) return all;
  std::vector<std::pair<CreationOrder, std::size_t>> order;
  for (std::size_t i = 0; i < all->size(); ++i) {
    const auto line = meta((*all)[i].node);
    if (!line) return tl::make_unexpected(line.error());
    order.emplace_back(line->created, i);
  }
  std::sort(order.begin(), order.end());
  std::vector<HistoryChild> sorted;
  sorted.reserve(order.size());
  for (const auto& [created, index] : order) sorted.push_back(std::move((*all)[index]));
  return sorted;
}

}  // namespace vxs::store::reader
