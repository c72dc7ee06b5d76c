// What is left of an import when not everything in it goes on: nothing but the state (`vxs
// import`), or the connections too (live update from the C daemon).
#pragma once

#include "store/migration/import_state.hh"
#include "store/tree.hh"

namespace vxs::store::migration {

/// Changes `imported` to what a daemon can start from, and adds to its notes what that costs.
///
/// Sockets and their watches go. A ring whose requests or answers were on their way is frozen until
/// it is introduced again: what follows in it would be misread. What the stream does not say of
/// domains is taken from the nodes the toolstack keeps of them: the handle from
/// /local/domain/<n>/vm, the guest's event channel and frame from store/port and store/ring-ref. A
/// daemon on Xen compares them at its start (design §6), so a wrong value costs that domain its
/// nodes and gives nobody anything. A ring without known event channel is not introduced any more.
/// The permanent domains need none of this.
void settle_offline(const Tree& tree, const ImportOptions& options, Imported& imported);

/// The same where this process has the descriptors: every connection stays, with its watches and
/// with what is on its way. An event channel that is known already is left as it is. A domain that
/// no node identifies is not noted: there may be a Xen to ask.
void settle_live(const Tree& tree, const ImportOptions& options, Imported& imported);

/// Of a ring that cannot go on with what is on its way: its watches go, it is frozen, and noted.
/// One with nothing on its way is left as it is.
void freeze_if_half_read(const LiveConnection& ring, Imported& imported);

}  // namespace vxs::store::migration
