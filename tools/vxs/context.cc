#include "tools/vxs/context.hh"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>

#include "daemon/config/options.hh"
#include "daemon/config/settings.hh"
#include "protocol/escape.hh"
#include "protocol/path.hh"
#include "store/history_reader/main_line.hh"
#include "tools/vxs/exit_code.hh"

namespace vxs::tools {

reader::ReadResult<Location> locate(const CommonOptions& common) {
  config::Settings settings;
  if (!common.state_dir.empty()) settings.state_dir = common.state_dir;
  std::optional<std::string> file;
  if (!common.config.empty()) file = common.config;
  const auto config = config::resolve(settings, file, config::process_environment());
  if (!config) return reader::bad_request(config.error().text);
  Location location;
  location.state_dir = config->state_dir;
  location.history_dir = common.repository.empty() ? config->history_dir() : common.repository;
  location.journal_dir = config->journal_dir;
  location.run_dir = config->run_dir;
  location.socket = config->socket_path;
  location.store_domid = config->store_domid;
  location.control_domid = config->control_domid;
  return location;
}

reader::ReadResult<reader::Repository> open_history(const Context& context) {
  const auto location = locate(context.common);
  if (!location) return tl::make_unexpected(location.error());
  return reader::Repository::open(location->history_dir);
}

reader::ReadResult<store::ObjectId> find_moment(const reader::Repository& repository,
                                                std::string_view moment) {
  const auto parsed = reader::parse_moment(moment, reader::wall_clock_us());
  if (!parsed) return tl::make_unexpected(parsed.error());
  return reader::resolve_moment(repository, *parsed);
}

reader::ReadResult<reader::TreeView> tree_at(const reader::Repository& repository,
                                             const store::ObjectId& commit) {
  const auto head = reader::read_commit_head(repository, commit);
  if (!head) return tl::make_unexpected(head.error());
  return reader::TreeView(repository, head->tree);
}

reader::ReadResult<std::string> canonical_path(std::string_view path) {
  if (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  protocol::PathContext rules;
  rules.is_privileged = true;
  rules.allow_special = true;
  std::string scratch;
  const auto canonical = protocol::canonicalize_path(path, rules, scratch);
  if (!canonical) {
    return reader::bad_request(fmt::format("\"{}\" is no Xenstore path", protocol::escaped(path)));
  }
  return std::string(*canonical);
}

int report(Context& context, const reader::ReadError& error) {
  context.out.flush();
  std::cerr << "vxs: " << printable(error.message) << '\n';
  switch (error.kind) {
    case reader::ReadError::Kind::kNotFound:
      return kExitFinding;
    case reader::ReadError::Kind::kUsage:
      return kExitUsage;
    case reader::ReadError::Kind::kUnreadable:
      break;
  }
  return kExitUnreadable;
}

std::string display_value(std::string_view value) {
  const bool plain = !value.empty() && std::all_of(value.begin(), value.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_./:@%+,=-").find(c) != std::string_view::npos;
  });
  if (plain) return std::string(value);
  std::string quoted = "\"";
  for (const char c : protocol::escaped(value)) {
    if (c == '"') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

}  // namespace vxs::tools
