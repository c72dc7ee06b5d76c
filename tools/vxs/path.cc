// vxs path
#include "store/history_reader/path_trace.hh"

#include "store/history_reader/main_line.hh"
#include "tools/vxs/commands.hh"
#include "tools/vxs/exit_code.hh"
#include "tools/vxs/json.hh"

namespace vxs::tools {

int run(Context& context, const PathOptions& options) {
  const auto path = canonical_path(options.path);
  if (!path) return report(context, path.error());
  const auto repository = open_history(context);
  if (!repository) return report(context, repository.error());
  const auto commit = find_moment(*repository, options.moment.empty() ? "now" : options.moment);
  if (!commit) return report(context, commit.error());
  const auto tree = tree_at(*repository, *commit);
  if (!tree) return report(context, tree.error());
  const auto trace = reader::trace_path(*repository, reader::TracedPath(*path), tree->root());
  if (!trace) return report(context, trace.error());
  const bool directory = trace->node && trace->node->kind == reader::HistoryNode::Kind::kDirectory;
  if (context.json()) {
    JsonObject json;
    json.text("path", *path).text("git_path", trace->git_path);
    json.boolean("exists", trace->node.has_value()).boolean("directory", directory);
    json.text("commit", commit->hex());
    context.out.write(json.line());
  } else {
    context.out.write(trace->git_path + "\n");
  }
  return trace->node ? kExitOk : kExitFinding;
}

}  // namespace vxs::tools
