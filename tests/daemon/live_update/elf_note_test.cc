// The note that tells our programs from others.
#include "daemon/process/elf_note.hh"

#include <elf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <random>
#include <string>

#include "daemon/app/own_elf_note.hh"
#include "daemon/process/descriptor.hh"

namespace vxs::process {
namespace {

Descriptor open_file(const std::string& path) {
  return Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

std::string built(const char* path) { return std::string(std::getenv("VXS_BUILD_DIR")) + path; }

Descriptor file_of(const std::string& bytes) {
  Descriptor fd(::memfd_create("elf", MFD_CLOEXEC));
  EXPECT_EQ(::write(fd.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  return fd;
}

std::string bytes_of(const void* from, std::size_t size) {
  return {static_cast<const char*>(from), size};
}

std::string note(std::string name, std::uint32_t type, std::string content) {
  const Elf64_Nhdr header{static_cast<Elf64_Word>(name.size()),
                          static_cast<Elf64_Word>(content.size()), type};
  name.resize((name.size() + 3) / 4 * 4);
  content.resize((content.size() + 3) / 4 * 4);
  return bytes_of(&header, sizeof header) + name + content;
}

std::string ours(ElfNote what) {
  return note({kElfNoteName, sizeof kElfNoteName}, kElfNoteType, bytes_of(&what, sizeof what));
}

/// An ELF file of nothing but notes.
std::string elf(const std::string& notes) {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_type = ET_DYN;
  header.e_phoff = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 1;
  Elf64_Phdr segment{};
  segment.p_type = PT_NOTE;
  segment.p_offset = sizeof header + sizeof segment;
  segment.p_filesz = notes.size();
  segment.p_align = 4;
  return bytes_of(&header, sizeof header) + bytes_of(&segment, sizeof segment) + notes;
}

TEST(ElfNote, H4_OursHasItAndOthersDoNot) {
  const auto daemon = open_file(built("/daemon/vxenstored"));
  ASSERT_TRUE(daemon) << "ninja vxenstored";
  EXPECT_EQ(read_elf_note(daemon.get()), daemon::kOwnElfNote);
  EXPECT_FALSE(read_elf_note(open_file(built("/daemon/vxenstored-supervise")).get()).has_value());
  EXPECT_FALSE(read_elf_note(open_file("/bin/sh").get()).has_value());
  EXPECT_FALSE(read_elf_note(open_file("/usr/lib/xen-4.17/bin/xenstored").get()).has_value());
  EXPECT_FALSE(read_elf_note(open_file("/etc/passwd").get()).has_value());
  EXPECT_FALSE(read_elf_note(open_file("/").get()).has_value());
  EXPECT_FALSE(read_elf_note(-1).has_value());
}

TEST(ElfNote, StandsBesideOthersAndMayBeLongerThanWeKnow) {
  const ElfNote later{2, 7, 8, 9};
  std::string longer = bytes_of(&later, sizeof later) + "and more";
  const std::string notes = note({"GNU\0", 4}, 3, "some build id") + note("", 1, "") +
                            note({kElfNoteName, sizeof kElfNoteName}, 2, std::string(16, '\0')) +
                            note({kElfNoteName, sizeof kElfNoteName}, kElfNoteType, longer);
  EXPECT_EQ(read_elf_note(file_of(elf(notes)).get()), later);
}

TEST(ElfNote, IsNotFoundWhereItIsNotWhole) {
  const std::string whole = elf(ours({}));
  ASSERT_TRUE(read_elf_note(file_of(whole).get()).has_value());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(read_elf_note(file_of(whole.substr(0, size)).get()).has_value()) << size;
  }
  EXPECT_FALSE(
      read_elf_note(
          file_of(elf(note({kElfNoteName, sizeof kElfNoteName}, kElfNoteType, "short"))).get())
          .has_value());
  EXPECT_FALSE(
      read_elf_note(file_of(elf(note("vxenstored", kElfNoteType, std::string(16, '\1'))))  // no NUL
                        .get())
          .has_value());
}

// Whatever a file holds, the reader ends, and reads no byte that is not there.
TEST(ElfNote, WildFilesAreNoneOfOurs) {
  const std::string whole = elf(note({"GNU\0", 4}, 3, "id") + ours({}));
  std::mt19937 random(7);
  for (int i = 0; i < 20'000; ++i) {
    std::string wild = whole;
    for (int flips = 1 + static_cast<int>(random() % 4); flips > 0; --flips) {
      wild[random() % wild.size()] = static_cast<char>(random() % 4 == 0 ? 0xFF : random());
    }
    (void)read_elf_note(file_of(wild).get());
  }
}

}  // namespace
}  // namespace vxs::process
