// The note by which a vxenstored's program file tells that it is one, and which states it knows.
//
// A note as in elf(5), in a PT_NOTE segment: name "vxenstored", type 1, and as its content four
// words of 32 bits, in this order. Later versions may add words behind them.
#pragma once

#include <cstdint>
#include <optional>

namespace vxs::process {

inline constexpr char kElfNoteName[] = "vxenstored";
inline constexpr std::uint32_t kElfNoteType = 1;

struct ElfNote {
  std::uint32_t layout = 1;  ///< of the note; these words, and what comes behind them
  /// Of what a daemon leaves to its successor: journal, checkpoint, state beside the tree. Raised
  /// when older programs cannot go on with what newer ones write.
  std::uint32_t state_format = 0;
  std::uint32_t wire_area = 0;  ///< wire_layout::kVersion
  std::uint32_t protocol = 0;   ///< supervisor::kProtocolVersion
  friend bool operator==(const ElfNote&, const ElfNote&) = default;
};

/// The note of the program file `fd`, at whose position nothing changes. Nothing: it is no ELF file
/// of this machine's kind, has no such note, or is not sane; whatever it holds, a bounded number of
/// bytes is read. A file that is changed meanwhile gives some answer.
[[nodiscard]] std::optional<ElfNote> read_elf_note(int fd);

}  // namespace vxs::process
