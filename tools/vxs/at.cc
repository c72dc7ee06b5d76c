// vxs at
#include <fmt/format.h>

#include <cstdio>
#include <vector>

#include "store/history_reader/main_line.hh"
#include "tools/vxs/client_format.hh"
#include "tools/vxs/commands.hh"
#include "tools/vxs/exit_code.hh"
#include "tools/vxs/json.hh"

namespace vxs::tools {
namespace {

class At {
 public:
  At(Context& context, const AtOptions& options, const reader::TreeView& tree)
      : context_(context), options_(options), tree_(tree) {}

  reader::ReadResult<void> read(const std::string& path, const reader::HistoryNode& node) {
    if (context_.json()) return node_json(path, node);
    const auto value = tree_.value(node);
    if (!value) return tl::make_unexpected(value.error());
    if (options_.raw) {
      context_.out.write_raw(*value);
    } else {
      context_.out.write(client_value(*value) + "\n");
    }
    return {};
  }

  /// The nodes below `path`, indented as xenstore-ls does.
  reader::ReadResult<void> list(const std::string& path, const reader::HistoryNode& node) {
    if (const auto done = push_children(path, node, 0); !done) return done;
    while (!stack_.empty() && context_.out.open()) {
      const Item item = std::move(stack_.back());
      stack_.pop_back();
      const auto printed = context_.json() ? node_json(item.path, item.child.node) : line(item);
      if (!printed) return printed;
      context_.out.end_of_item();
      if (const auto done = push_children(item.path, item.child.node, item.depth + 1); !done) {
        return done;
      }
    }
    return {};
  }

 private:
  struct Item {
    std::string path;
    reader::HistoryChild child;
    std::size_t depth = 0;
  };

  reader::ReadResult<void> push_children(const std::string& path, const reader::HistoryNode& node,
                                         std::size_t depth) {
    auto children = tree_.children_in_order(node);
    if (!children) return tl::make_unexpected(children.error());
    const std::string prefix = path == "/" ? path : path + "/";
    for (auto child = children->rbegin(); child != children->rend(); ++child) {
      std::string child_path = prefix + child->name;
      stack_.push_back({std::move(child_path), std::move(*child), depth});
    }
    return {};
  }

  reader::ReadResult<void> line(const Item& item) {
    const auto value = tree_.value(item.child.node);
    if (!value) return tl::make_unexpected(value.error());
    context_.out.write(std::string(item.depth, ' '));
    context_.out.write(Colour::kCyan, item.child.name);
    context_.out.write(" = \"" + client_value(*value) + "\"");
    if (options_.permissions) {
      const auto meta = tree_.meta(item.child.node);
      if (!meta) return tl::make_unexpected(meta.error());
      context_.out.write(Colour::kDim, "   (" + reader::format_perms(meta->perms) + ")");
    }
    context_.out.write("\n");
    return {};
  }

  reader::ReadResult<void> node_json(const std::string& path, const reader::HistoryNode& node) {
    const auto value = tree_.value(node);
    if (!value) return tl::make_unexpected(value.error());
    const auto meta = tree_.meta(node);
    if (!meta) return tl::make_unexpected(meta.error());
    JsonObject json;
    json.text("path", path).bytes("value", *value);
    json.text("permissions", reader::format_perms(meta->perms));
    context_.out.write(json.line());
    return {};
  }

  Context& context_;
  const AtOptions& options_;
  const reader::TreeView& tree_;
  std::vector<Item> stack_;
};

/// A Seq within a folded commit has no tree of its own: says which it is.
reader::ReadResult<void> say_if_folded(const reader::Repository& repository,
                                       const store::ObjectId& commit, const std::string& text) {
  const auto moment = reader::parse_moment(text, reader::wall_clock_us());
  if (!moment || moment->kind != reader::Moment::Kind::kSeq) return {};
  const auto head = reader::read_commit_head(repository, commit);
  if (!head) return tl::make_unexpected(head.error());
  if (head->folded && moment->seq < head->seq) {
    fmt::print(stderr,
               "vxs: Seq {} to {} share one commit: this is the tree after Seq {}; vxs show {} "
               "says what it did\n",
               head->first_seq, head->seq, head->seq, moment->seq);
  }
  return {};
}

}  // namespace

int run(Context& context, const AtOptions& options) {
  const auto path = canonical_path(options.path);
  if (!path) return report(context, path.error());
  const auto repository = open_history(context);
  if (!repository) return report(context, repository.error());
  const auto commit = find_moment(*repository, options.moment);
  if (!commit) return report(context, commit.error());
  if (const auto done = say_if_folded(*repository, *commit, options.moment); !done) {
    return report(context, done.error());
  }
  const auto tree = tree_at(*repository, *commit);
  if (!tree) return report(context, tree.error());
  const auto node = tree->find(*path);
  if (!node) return report(context, node.error());
  if (!*node) {
    return report(context, {reader::ReadError::Kind::kNotFound,
                            *path + " was not there at " + options.moment});
  }
  At at(context, options, *tree);
  const auto done = options.list ? at.list(*path, **node) : at.read(*path, **node);
  return done ? kExitOk : report(context, done.error());
}

}  // namespace vxs::tools
