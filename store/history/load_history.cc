// The way back: a Tree from the head of the repository (design §5, "Git is the fallback").
#include <algorithm>
#include <charconv>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "protocol/escape.hh"
#include "store/history/commit_message.hh"
#include "store/history/commit_object.hh"
#include "store/history/git_path.hh"
#include "store/history/meta_text.hh"
#include "store/history/object_store.hh"
#include "store/history/redaction.hh"
#include "store/history/repository_files.hh"

namespace vxs::store {
namespace {

constexpr Seq kSeqJump = Seq{1} << 32U;

// A node as its parent's directory (a leaf) or its own says it is.
struct LoadedNode {
  std::string name;  // in Xenstore
  CreatedKey created;
  std::string permissions;
  ObjectId value;  // null: empty
  EntryMode value_mode = EntryMode::kFile;
  std::string directory;  // its tree's bytes; empty: a leaf
};

class HistoryLoader {
 public:
  HistoryLoader(ObjectStore& objects, PermTable& perms, Tree& tree, Seq seq,
                std::vector<std::string>& missing)
      : objects_(objects), perms_(perms), tree_(tree), seq_(seq), missing_(missing) {}

  HistoryResult<void> load(const ObjectId& root) {
    auto node = read_directory("", root);
    if (!node) return tl::unexpected(node.error());
    if (auto done = load_root(*node); !done) return done;
    // Depth first, so that each node's siblings are sorted once and parents come before children.
    std::vector<Frame> frames;
    auto children = read_children(node->directory);
    if (!children) return tl::unexpected(children.error());
    frames.push_back({"/", *std::move(children)});
    while (!frames.empty()) {
      Frame& frame = frames.back();
      if (frame.children.empty()) {
        frames.pop_back();
        continue;
      }
      const LoadedNode next = std::move(frame.children.front());
      frame.children.pop_front();
      std::string path = frame.prefix + next.name;
      if (auto done = load_node(path, next); !done) return done;
      if (next.directory.empty()) continue;
      children = read_children(next.directory);
      if (!children) return tl::unexpected(children.error());
      path += '/';
      frames.push_back({std::move(path), *std::move(children)});
    }
    return {};
  }

 private:
  struct Frame {
    std::string prefix;  // path with its final slash
    std::deque<LoadedNode> children;
  };

  HistoryResult<PermRef> permissions(const std::string& text) {
    const auto entries = parse_permissions(text);
    if (!entries) return damaged("permissions \"" + text + "\" in the history are damaged");
    return perms_.intern(*entries);
  }

  HistoryResult<std::string> value_of(std::string_view path, const LoadedNode& node) {
    std::string text;
    if (node.value.is_null()) return text;
    if (!objects_.read(node.value, ObjectType::kBlob, text)) {
      missing_.emplace_back(path);
      return std::string();
    }
    if (!text.ends_with('\n')) return damaged("value of " + std::string(path) + " is damaged");
    text.pop_back();
    if (node.value_mode != EntryMode::kEscaped) return text;
    if (text == kRedacted) {
      missing_.emplace_back(path);
      return std::string();
    }
    auto raw = protocol::unescape(text);
    if (!raw) return damaged("escaped value of " + std::string(path) + " is damaged");
    return *std::move(raw);
  }

  // Makes what stands in `tree_` already ("/" and the special nodes) what the history says.
  HistoryResult<void> load_root(const LoadedNode& root) {
    std::vector<std::string> old;
    for (NodeCursor child(tree_.root()); child; child.next()) {
      old.push_back('/' + std::string(child->name()));
    }
    for (const std::string& path : old) {
      if (!apply({.kind = ChangeKind::kRemove, .path = path, .value = {}, .perms = {}}))
        return misfit(path);
    }
    const auto value = value_of("/", root);
    if (!value) return tl::unexpected(value.error());
    if (!apply({.kind = ChangeKind::kWrite, .path = "/", .value = *value, .perms = {}}))
      return misfit("/");
    if (auto done = set_permissions("/", root.permissions); !done) return done;
    const auto special = find_entry(root.directory, ".special");
    if (!special) return damaged("the history's tree has no .special");
    std::string directory;
    if (auto done = objects_.read(special->id, ObjectType::kTree, directory); !done) return done;
    for (std::size_t at = 0;;) {
      const auto entry = entry_at(directory, at);
      if (!entry) return {};
      at += entry->size;
      std::string text;
      if (auto done = objects_.read(entry->id, ObjectType::kBlob, text); !done) return done;
      if (text.ends_with('\n')) text.pop_back();
      if (auto done = set_permissions('@' + std::string(entry->name), text); !done) return done;
    }
  }

  HistoryResult<void> set_permissions(const std::string& path, const std::string& text) {
    auto perms = permissions(text);
    if (!perms) return tl::unexpected(perms.error());
    if (!apply({.kind = ChangeKind::kSetPerms, .path = path, .value = {}, .perms = *perms}))
      return misfit(path);
    return {};
  }

  bool apply(const Change& change) { return tree_.apply(change, seq_); }
  static tl::unexpected<HistoryError> misfit(const std::string& path) {
    return damaged("node " + protocol::escaped(path) + " of the history fits no tree");
  }

  HistoryResult<void> load_node(const std::string& path, const LoadedNode& node) {
    const auto value = value_of(path, node);
    if (!value) return tl::unexpected(value.error());
    auto perms = permissions(node.permissions);
    if (!perms) return tl::unexpected(perms.error());
    if (!tree_.load(path, *value, *std::move(perms), seq_)) return misfit(path);
    return {};
  }

  // A directory as a node: from its `.meta` line "." and its `.value`.
  HistoryResult<LoadedNode> read_directory(std::string_view git_name, const ObjectId& id) {
    LoadedNode node;
    if (auto done = objects_.read(id, ObjectType::kTree, node.directory); !done) {
      return tl::unexpected(done.error());
    }
    std::string text;
    if (auto done = read_meta(node.directory, text); !done) return tl::unexpected(done.error());
    const auto line = find_meta_line(text, ".");
    if (!line) return damaged("directory " + std::string(git_name) + " has no .meta line");
    take_line(node, *line, git_name);
    if (const auto value = find_entry(node.directory, ".value")) {
      node.value = value->id;
      node.value_mode = value->mode;
    }
    return node;
  }

  static void take_line(LoadedNode& node, const MetaLine& line, std::string_view git_name) {
    node.name = line.full_name.empty() ? git_name : line.full_name;
    node.created = line.created;
    node.permissions = line.permissions;
  }

  HistoryResult<void> read_meta(std::string_view directory, std::string& text) {
    text.clear();
    const auto entry = find_entry(directory, ".meta");
    if (!entry) return {};
    return objects_.read(entry->id, ObjectType::kBlob, text);
  }

  // All children of a node, those in buckets included, in creation order.
  HistoryResult<std::deque<LoadedNode>> read_children(const std::string& directory) {
    std::vector<LoadedNode> nodes;
    std::vector<std::string> parts{directory};  // and its buckets
    std::string meta;
    while (!parts.empty()) {
      const std::string part = std::move(parts.back());
      parts.pop_back();
      if (auto done = read_meta(part, meta); !done) return tl::unexpected(done.error());
      std::size_t at = 0;
      while (const auto entry = entry_at(part, at)) {
        at += entry->size;
        if (entry->name.starts_with('.')) continue;
        if (is_bucket_name(entry->name)) {
          const auto read = objects_.read(entry->id, ObjectType::kTree, parts.emplace_back());
          if (!read) return tl::unexpected(read.error());
          continue;
        }
        if (entry->mode == EntryMode::kDirectory) {
          auto node = read_directory(entry->name, entry->id);
          if (!node) return tl::unexpected(node.error());
          nodes.push_back(*std::move(node));
          continue;
        }
        const auto line = find_meta_line(meta, entry->name);
        if (!line) return damaged("no .meta line for " + std::string(entry->name));
        LoadedNode& leaf = nodes.emplace_back();
        take_line(leaf, *line, entry->name);
        leaf.value = entry->id;
        leaf.value_mode = entry->mode;
      }
      if (at != part.size()) return damaged("a tree is not one of the history's");
    }
    std::ranges::sort(nodes, {}, &LoadedNode::created);
    return std::deque<LoadedNode>(std::make_move_iterator(nodes.begin()),
                                  std::make_move_iterator(nodes.end()));
  }

  ObjectStore& objects_;
  PermTable& perms_;
  Tree& tree_;
  Seq seq_;
  std::vector<std::string>& missing_;
};

struct Head {
  ObjectId commit;
  ObjectId tree;
  Seq seq = 0;
};

HistoryResult<Head> read_head(ObjectStore& objects) {
  const auto main = objects.read_main();
  if (!main) return tl::unexpected(main.error());
  std::string text;
  if (const auto read = objects.read(*main, ObjectType::kCommit, text); !read) {
    return tl::unexpected(read.error());
  }
  const auto commit = parse_commit(text);
  const Seq seq = !commit ? 0
                          : std::max(number_trailer(commit->message, "Seq"),
                                     number_trailer(commit->message, "After-Seq"));
  if (seq == 0) return damaged("commit " + main->hex() + " of main is not one of the history's");
  return Head{.commit = *main, .tree = commit->tree, .seq = seq};
}

}  // namespace

HistoryResult<Seq> newest_history_seq(Env& env, const std::string& repository) {
  if (!env.exists(repository + "/HEAD")) return Seq{0};
  RepositoryFiles files(env, repository, false);
  const auto main = files.read_main();
  if (!main) return tl::unexpected(main.error());
  if (main->is_null()) return Seq{0};
  auto objects = ObjectStore::open(repository);
  if (!objects) return tl::unexpected(objects.error());
  const auto head = read_head(*objects);
  if (!head) return tl::unexpected(head.error());
  const auto noted = files.read_own("noted");
  if (!noted) return tl::unexpected(noted.error());
  const std::string start = head->commit.hex() + ' ';
  Seq seq = 0;
  if (noted->starts_with(start)) {
    std::from_chars(noted->data() + start.size(), noted->data() + noted->size(), seq);
  }
  return std::max(head->seq, seq);
}

HistoryResult<Seq> load_tree_from_history(const std::string& repository, PermTable& perms,
                                          Tree& tree, std::vector<std::string>& missing) {
  auto objects = ObjectStore::open(repository);
  if (!objects) return tl::unexpected(objects.error());
  const auto head = read_head(*objects);
  if (!head) return tl::unexpected(head.error());
  const Seq seq = head->seq + kSeqJump;
  HistoryLoader loader(*objects, perms, tree, seq, missing);
  if (const auto done = loader.load(head->tree); !done) return tl::unexpected(done.error());
  return seq;
}

}  // namespace vxs::store
