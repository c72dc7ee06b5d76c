// vxs diff
#include "store/history_reader/tree_diff.hh"

#include "tools/vxs/commands.hh"
#include "tools/vxs/entry.hh"
#include "tools/vxs/exit_code.hh"

namespace vxs::tools {
namespace {

reader::ReadResult<reader::TreeView> tree_at_moment(const reader::Repository& repository,
                                                    const std::string& moment) {
  const auto commit = find_moment(repository, moment);
  if (!commit) return tl::make_unexpected(commit.error());
  return tree_at(repository, *commit);
}

}  // namespace

int run(Context& context, const DiffOptions& options) {
  const auto path = canonical_path(options.path.empty() ? "/" : options.path);
  if (!path) return report(context, path.error());
  const auto repository = open_history(context);
  if (!repository) return report(context, repository.error());
  const auto from = tree_at_moment(*repository, options.from);
  if (!from) return report(context, from.error());
  const auto to = tree_at_moment(*repository, options.to);
  if (!to) return report(context, to.error());
  const auto in_from = from->find(*path);
  if (!in_from) return report(context, in_from.error());
  const auto in_to = to->find(*path);
  if (!in_to) return report(context, in_to.error());
  if (!*in_from && !*in_to) {
    return report(context, {reader::ReadError::Kind::kNotFound,
                            *path + " is there at neither of the two moments"});
  }
  const auto done = reader::diff_trees(*from, *to, *path, [&](const reader::NodeChange& change) {
    if (context.json()) {
      context.out.write(change_json(change).line());
    } else {
      write_change(context.out, change);
    }
    context.out.end_of_item();
    return context.out.open();
  });
  return done ? kExitOk : report(context, done.error());
}

}  // namespace vxs::tools
