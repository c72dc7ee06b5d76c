// A tree to put things into, and a whole stream in one string.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "protocol/migration/stream_writer.hh"
#include "store/migration/export_state.hh"
#include "store/migration/import_state.hh"

namespace vxs::store::migration::test {

namespace wire = protocol::migration;
using protocol::Access;
using protocol::PermEntry;

constexpr std::uint32_t kOffered = 15;

struct State {
  PermRef list(const std::vector<PermEntry>& entries) { return perms.intern(entries); }
  void node(std::string_view path, std::string_view value, const std::vector<PermEntry>& entries) {
    EXPECT_TRUE(tree.load(path, value, list(entries), 1)) << path;
  }

  TreeStats stats{};
  PermTable perms;
  Tree tree{stats, list({{.domid = 0}}), list({{.domid = 0}}), list({{.domid = 0}})};
  SystemState system;
};

inline tl::expected<Exported, ExportError> export_to(std::string& stream, const State& state,
                                                     const std::vector<LiveConnection>& connections,
                                                     wire::Version version) {
  return export_state(state.tree, state.system, connections,
                      {.version = version, .offered_features = kOffered},
                      [&stream](std::string_view piece) {
                        stream += piece;
                        return true;
                      });
}

inline tl::expected<Imported, ImportError> import_from(std::string_view stream, State& state,
                                                       Seq seq = 1) {
  auto imported =
      import_state(stream, {.seq = seq, .offered_features = kOffered}, state.perms, state.tree);
  if (imported) state.system = imported->system;
  return imported;
}

}  // namespace vxs::store::migration::test
