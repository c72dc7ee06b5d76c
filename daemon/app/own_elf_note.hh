// What this program's own note says (daemon/process/elf_note.hh).
#pragma once

#include <algorithm>

#include "daemon/process/elf_note.hh"
#include "daemon/supervisor/message.hh"
#include "daemon/wire_area/layout.hh"
#include "store/journal/checkpoint_format.hh"
#include "store/journal/format.hh"

namespace vxs::daemon {

inline constexpr process::ElfNote kOwnElfNote{
    .layout = 1,
    .state_format = std::max(store::kJournalVersion, store::kCheckpointVersion),
    .wire_area = wire_layout::kVersion,
    .protocol = supervisor::kProtocolVersion};

}  // namespace vxs::daemon
