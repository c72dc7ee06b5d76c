// What a daemon's tree is made with, and of the new program of a live update what it has read while
// the old one still serves (docs/design.md, "Live update").
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>

#include "daemon/config/config.hh"
#include "daemon/core/watches_ahead.hh"
#include "daemon/hypervisor/xen_ahead.hh"
#include "store/journal/open_from.hh"
#include "store/perm_set.hh"
#include "store/record.hh"
#include "store/tree.hh"

namespace vxs::daemon {

/// One thread.
struct StateAhead {
  store::PermTable perms;
  store::TreeStats stats;
  /// Of load(); nothing: none could be read, and recovery will say why.
  std::optional<store::LoadedCheckpoint> checkpoint;
  std::uint64_t hash = 0;                 ///< of its tree
  Seq seq = 0;                            ///< its; 0: there is none
  std::unique_ptr<WatchesAhead> watches;  ///< its; goes to the Server
  std::unique_ptr<XenAhead> xen;          ///< goes to XenHypervisor

  /// Whose rings began after the checkpoint. Only that makes wrong what was looked up ahead: what
  /// ended since is asked for by nobody.
  std::set<DomId> begun;
  void note(const store::Record& record);

  /// Reads the newest checkpoint, looks at Xen, if it is there, and changes nothing.
  void load(const config::Config& config, bool xen_present);

 private:
  void make_room(std::size_t domains);
  std::unique_ptr<char[]> border_;  ///< of the room, so that it is not given back
};

}  // namespace vxs::daemon
