// vxs blame
#include "store/history_reader/blame.hh"

#include <fmt/format.h>

#include "store/history_reader/meta.hh"
#include "tools/vxs/commands.hh"
#include "tools/vxs/entry.hh"
#include "tools/vxs/exit_code.hh"

namespace vxs::tools {
namespace {

std::string who(const reader::HistoryCommit& commit) {
  const auto domain = reader::domain_of(commit);
  return domain ? fmt::format("dom{}", *domain) : "daemon";
}

void write_line(Output& out, const reader::HistoryCommit& commit, const std::string& text) {
  out.write(Colour::kYellow, fmt::format("{:>8}", commit.seq()));
  out.write(Colour::kDim,
            fmt::format("  {}  ", reader::format_local_time(commit.author_time * 1'000'000)));
  out.write(Colour::kCyan, fmt::format("{:<8}", who(commit)));
  out.write(" " + text + "\n");
}

void add_commit(JsonObject& json, const std::string& prefix, const reader::HistoryCommit& commit) {
  json.number(prefix + "seq", commit.seq()).text(prefix + "commit", commit.id.hex());
  json.text(prefix + "time", reader::format_utc_time(commit.author_time * 1'000'000));
  json.optional_number(prefix + "domid", reader::domain_of(commit));
}

void print(Context& context, const reader::BlamedNode& node) {
  const std::string perms = reader::format_perms(node.perms);
  if (context.json()) {
    JsonObject json;
    json.text("path", node.path).bytes("value", node.value);
    add_commit(json, "", node.value_by.commit);
    json.text("permissions", perms);
    add_commit(json, "permissions_", node.perms_by.commit);
    context.out.write(json.line());
    return;
  }
  write_line(context.out, node.value_by.commit, node.path + " = " + display_value(node.value));
  if (node.perms_by.commit.id != node.value_by.commit.id) {
    write_line(context.out, node.perms_by.commit, node.path + " permissions " + perms);
  }
}

}  // namespace

int run(Context& context, const BlameOptions& options) {
  const auto path = canonical_path(options.path);
  if (!path) return report(context, path.error());
  const auto repository = open_history(context);
  if (!repository) return report(context, repository.error());
  const auto head = repository->main_head();
  if (!head) return report(context, head.error());
  const auto nodes = reader::blame(*repository, *head, *path);
  if (!nodes) return report(context, nodes.error());
  if (nodes->empty()) {
    return report(context,
                  {reader::ReadError::Kind::kNotFound,
                   *path + " does not exist now; vxs log " + *path + " shows who removed it"});
  }
  for (const reader::BlamedNode& node : *nodes) print(context, node);
  return kExitOk;
}

}  // namespace vxs::tools
