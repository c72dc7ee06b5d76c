#include "daemon/process/elf_note.hh"

#include <elf.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string_view>
#include <vector>

namespace vxs::process {
namespace {

/// A linker makes a dozen program headers, and notes of a few hundred bytes.
constexpr std::size_t kHeadersMax = 256;
constexpr std::size_t kNotesMax = 64 * 1024;
constexpr std::size_t kNoteAlignment = 4;

/// True if all `size` bytes at `offset` were there.
bool read_at(int fd, std::uint64_t offset, void* to, std::size_t size) {
  if (offset > (std::uint64_t{1} << 62)) return false;
  auto* bytes = static_cast<char*>(to);
  while (size > 0) {
    const ssize_t got = ::pread(fd, bytes, size, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    bytes += got;
    offset += static_cast<std::uint64_t>(got);
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

bool is_of_this_machine(const Elf64_Ehdr& header) {
  constexpr std::uint16_t kProbe = 1;
  std::uint8_t first = 0;
  std::memcpy(&first, &kProbe, 1);
  const unsigned char order = first == 1 ? ELFDATA2LSB : ELFDATA2MSB;
  return std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 &&
         header.e_ident[EI_CLASS] == ELFCLASS64 && header.e_ident[EI_DATA] == order &&
         (header.e_type == ET_EXEC || header.e_type == ET_DYN) &&
         header.e_phentsize == sizeof(Elf64_Phdr);
}

std::size_t padded(std::size_t size, std::size_t alignment) {
  return (size + alignment - 1) / alignment * alignment;
}

/// Cuts the next note off `notes`; nothing at the end, or where it does not fit.
struct Note {
  std::uint32_t type;
  std::string_view name;
  std::string_view content;
};
std::optional<Note> take(std::string_view& notes, std::size_t alignment) {
  Elf64_Nhdr header{};
  if (notes.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, notes.data(), sizeof header);
  notes.remove_prefix(sizeof header);
  // Each is below 2^32, so no sum overflows.
  const std::size_t name = padded(header.n_namesz, alignment);
  const std::size_t content = padded(header.n_descsz, alignment);
  if (name > notes.size() || header.n_descsz > notes.size() - name) return std::nullopt;
  const Note note{header.n_type, notes.substr(0, header.n_namesz),
                  notes.substr(name, header.n_descsz)};
  notes.remove_prefix(std::min(name + content, notes.size()));
  return note;
}

std::optional<ElfNote> find_ours(std::string_view notes, std::size_t alignment) {
  while (const auto note = take(notes, alignment)) {
    if (note->type != kElfNoteType ||
        note->name != std::string_view(kElfNoteName, sizeof kElfNoteName)) {
      continue;
    }
    ElfNote ours;
    if (note->content.size() < sizeof ours) return std::nullopt;
    std::memcpy(&ours, note->content.data(), sizeof ours);
    return ours;
  }
  return std::nullopt;
}

}  // namespace

static_assert(sizeof(ElfNote) == 16, "the content of the note");

std::optional<ElfNote> read_elf_note(int fd) {
  Elf64_Ehdr header{};
  if (!read_at(fd, 0, &header, sizeof header) || !is_of_this_machine(header)) return std::nullopt;
  const std::size_t count = std::min<std::size_t>(header.e_phnum, kHeadersMax);
  std::vector<Elf64_Phdr> segments(count);
  if (!read_at(fd, header.e_phoff, segments.data(), count * sizeof(Elf64_Phdr))) {
    return std::nullopt;
  }
  std::size_t left = kNotesMax;
  for (const Elf64_Phdr& segment : segments) {
    if (segment.p_type != PT_NOTE || segment.p_filesz > left) continue;
    std::vector<char> bytes(static_cast<std::size_t>(segment.p_filesz));
    left -= bytes.size();
    if (!read_at(fd, segment.p_offset, bytes.data(), bytes.size())) continue;
    const std::size_t alignment = segment.p_align == 8 ? 8 : kNoteAlignment;
    if (auto found = find_ours({bytes.data(), bytes.size()}, alignment)) return found;
  }
  return std::nullopt;
}

}  // namespace vxs::process
