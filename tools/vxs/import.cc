// vxs import
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "daemon/core/connection.hh"
#include "store/history_reader/moment.hh"
#include "store/journal/checkpoint.hh"
#include "store/migration/import_state.hh"
#include "store/migration/offline.hh"
#include "tools/vxs/commands.hh"
#include "tools/vxs/exit_code.hh"
#include "tools/vxs/json.hh"
#include "tools/vxs/state_place.hh"

namespace vxs::tools {
namespace {

namespace migration = store::migration;

bool holds_anything(const std::string& directory) {
  std::error_code error;
  const auto entries = std::filesystem::directory_iterator(directory, error);
  return !error && entries != std::filesystem::directory_iterator();
}

/// A daemon would take the older state, or the history's, for the newer one.
reader::ReadResult<void> check_fresh(const std::string& journal, const std::string& history) {
  for (const std::string& directory : {journal, history}) {
    if (!holds_anything(directory)) continue;
    return reader::not_found(fmt::format(
        "{} holds a state already: stop the daemon and move it away, or name another place",
        directory));
  }
  return {};
}

reader::ReadResult<migration::Imported> read_stream(const std::string& path, StateTree& state,
                                                    const migration::ImportOptions& options) {
  const auto env = store::make_posix_env();
  const auto bytes = env->read_file(path);
  if (!bytes) return reader::unreadable(bytes.error().what);
  auto imported = migration::import_state(*bytes, options, state.perms(), state.tree());
  if (!imported) return reader::unreadable(path + ": " + imported.error().message);
  migration::settle_offline(state.tree(), options, *imported);
  return std::move(*imported);
}

reader::ReadResult<void> write_state(const std::string& directory, StateTree& state,
                                     const migration::ImportOptions& options,
                                     const migration::Imported& imported,
                                     ConnectionId last_connection) {
  const auto env = store::make_posix_env();
  if (const auto made = env->make_directories(directory); !made) {
    return reader::unreadable(made.error().what);
  }
  store::CheckpointMeta meta;
  meta.seq = options.seq;
  meta.time_us = reader::wall_clock_us();
  meta.boot_id = running_boot();
  meta.last_connection = last_connection;
  meta.clean_shutdown = true;
  const auto written =
      store::write_checkpoint(*env, directory, meta, state.tree(), imported.system);
  if (!written) return reader::unreadable(written.error().what);
  return {};
}

void print(Context& context, const std::string& directory, const migration::Imported& imported) {
  const auto version = static_cast<unsigned>(imported.version);
  if (context.json()) {
    JsonObject json;
    json.text("journal_dir", directory).number("version", version);
    json.number("nodes", imported.nodes).number("rings", imported.connections.size());
    json.number("watches", imported.watches).number("domains", imported.system.domains.size());
    json.strings("notes", imported.notes);
    context.out.write(json.line());
    return;
  }
  for (const std::string& note : imported.notes) {
    context.out.write(Colour::kYellow, "note: ");
    context.out.write(note + "\n");
  }
  context.out.write(
      fmt::format("{}: from version {}: {} nodes, {} rings with {} watches, {} domains\n",
                  directory, version, imported.nodes, imported.connections.size(), imported.watches,
                  imported.system.domains.size()));
}

}  // namespace

int run(Context& context, const ImportOptions& options) {
  const auto location = locate(context.common);
  if (!location) return report(context, location.error());
  const std::string& directory =
      options.journal_dir.empty() ? location->journal_dir : options.journal_dir;
  if (const auto fresh = check_fresh(directory, location->history_dir); !fresh) {
    return report(context, fresh.error());
  }
  migration::ImportOptions wanted;
  wanted.store_domid = location->store_domid;
  wanted.control_domid = location->control_domid;
  wanted.offered_features = daemon::kOfferedFeatures;
  StateTree state(location->control_domid);
  const auto imported = read_stream(options.file, state, wanted);
  if (!imported) return report(context, imported.error());
  ConnectionId last_connection = 0;
  for (const auto& one : imported->connections) last_connection = std::max(last_connection, one.id);
  const auto written = write_state(directory, state, wanted, *imported, last_connection);
  if (!written) return report(context, written.error());
  print(context, directory, *imported);
  return kExitOk;
}

}  // namespace vxs::tools
