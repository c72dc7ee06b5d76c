// The note that this program file carries: linked into vxenstored itself, not into a library.
#include <cstdint>

#include "daemon/app/own_elf_note.hh"
#include "daemon/process/elf_note.hh"

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

[[gnu::section(".note.vxenstored"), gnu::used, gnu::aligned(4)]] const Section note{
    sizeof process::kElfNoteName, sizeof(process::ElfNote), process::kElfNoteType, "vxenstored",
    daemon::kOwnElfNote};

}  // namespace
