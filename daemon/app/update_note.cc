#include "daemon/app/update_note.hh"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <string_view>
#include <type_traits>

namespace vxs::daemon {
namespace {

constexpr std::uint64_t kMagic = 0x65746F6E2D647075;  // "upd-note", as bytes

/// Another version of the program reads it: what changes here is a new `layout`.
struct Page {
  std::uint64_t magic;
  std::uint32_t layout;
  std::uint32_t stage;
  std::uint64_t connection;
  std::uint64_t ordinal;
  std::uint64_t seq;
  std::uint64_t tree_hash;
  std::uint64_t system_hash;
  std::int64_t stopped_us;
  char version[64];
  char text[896];
};
constexpr std::uint32_t kLayout = 1;
static_assert(sizeof(Page) == 1024 && std::is_trivially_copyable_v<Page>);

template <std::size_t kSize>
void put(char (&to)[kSize], std::string_view text) {
  std::copy_n(text.begin(), std::min(text.size(), kSize - 1), to);
}

template <std::size_t kSize>
std::string get(const char (&from)[kSize]) {
  return {from, std::find(from, from + kSize, '\0')};
}

}  // namespace

std::string how_it_ended(int status) {
  if (WIFSIGNALED(status)) return fmt::format("it died of signal {}", WTERMSIG(status));
  return fmt::format("it ended with status {}", WEXITSTATUS(status));
}

std::string old_one_goes_on(const std::string& why) {
  return "The new program did not take over, the old one goes on: " + why + ".";
}

process::Descriptor UpdateNote::write() const {
  process::Descriptor fd(::memfd_create("vxenstored-update", MFD_CLOEXEC));
  if (fd && !write_to(fd.get())) fd.reset();
  return fd;
}

bool UpdateNote::write_to(int fd) const {
  Page page{};
  page.magic = kMagic;
  page.layout = kLayout;
  page.stage = static_cast<std::uint32_t>(stage);
  page.connection = connection;
  page.ordinal = ordinal;
  page.seq = seq;
  page.tree_hash = tree_hash;
  page.system_hash = system_hash;
  page.stopped_us = stopped_us;
  put(page.version, version);
  put(page.text, text);
  ssize_t count = -1;
  do {
    count = ::pwrite(fd, &page, sizeof page, 0);
  } while (count < 0 && errno == EINTR);
  return count == static_cast<ssize_t>(sizeof page);
}

std::optional<UpdateNote> UpdateNote::read(int fd) {
  Page page{};
  ssize_t count = -1;
  do {
    count = ::pread(fd, &page, sizeof page, 0);
  } while (count < 0 && errno == EINTR);
  if (count != static_cast<ssize_t>(sizeof page) || page.magic != kMagic ||
      page.layout != kLayout || page.stage < static_cast<std::uint32_t>(Stage::kPrepared) ||
      page.stage > static_cast<std::uint32_t>(Stage::kFailed)) {
    return std::nullopt;
  }
  return UpdateNote{.stage = static_cast<Stage>(page.stage),
                    .connection = page.connection,
                    .ordinal = page.ordinal,
                    .seq = page.seq,
                    .tree_hash = page.tree_hash,
                    .system_hash = page.system_hash,
                    .stopped_us = page.stopped_us,
                    .version = get(page.version),
                    .text = get(page.text)};
}

void UpdateNote::tell(int fd, const std::string& why) {
  auto note = read(fd);
  if (!note || note->stage != Stage::kPrepared) return;
  note->text = why;
  (void)note->write_to(fd);
}

}  // namespace vxs::daemon
