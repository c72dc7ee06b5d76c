// The note that this program file carries: linked into vxenstored itself, not into a library.
#include <cstdint>

#include "daemon/process/elf_note.hh"
#include "daemon/supervisor/message.hh"
#include "daemon/wire_area/layout.hh"
#include "store/journal/checkpoint_format.hh"
#include "store/journal/format.hh"

namespace {

using namespace vxs;

struct Section {
  std::uint32_t name_size;
  std::uint32_t content_size;
  std::uint32_t type;
  char name[sizeof process::kElfNoteName + 1];  // padded to whole words
  process::ElfNote content;
};
static_assert(sizeof(Section::name) % 4 == 0 && sizeof(Section) == 12 + 12 + 16);

// Whoever raises one of these decides what the note says to older programs.
static_assert(process::kOwnElfNote.wire_area == daemon::wire_layout::kVersion);
static_assert(process::kOwnElfNote.protocol == supervisor::kProtocolVersion);
static_assert(process::kOwnElfNote.state_format == store::kJournalVersion &&
              process::kOwnElfNote.state_format == store::kCheckpointVersion);

[[gnu::section(".note.vxenstored"), gnu::used, gnu::aligned(4)]] const Section note{
    sizeof process::kElfNoteName, sizeof(process::ElfNote), process::kElfNoteType, "vxenstored",
    process::kOwnElfNote};

}  // namespace
