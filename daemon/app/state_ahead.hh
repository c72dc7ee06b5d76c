// What a daemon's tree is made with, and of the new program of a live update what it has read while
// the old one still serves (docs/design.md, "Live update").
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "daemon/config/config.hh"
#include "store/journal/open_from.hh"
#include "store/perm_set.hh"
#include "store/tree.hh"

namespace vxs::daemon {

/// One thread.
struct StateAhead {
  store::PermTable perms;
  store::TreeStats stats;
  /// Of load(); nothing: none could be read, and recovery will say why.
  std::optional<store::LoadedCheckpoint> checkpoint;
  std::uint64_t hash = 0;  ///< of its tree

  /// Reads the newest checkpoint, and changes nothing.
  void load(const config::Config& config);

 private:
  void make_room();
  std::unique_ptr<char[]> border_;  ///< of the room, so that it is not given back
};

}  // namespace vxs::daemon
