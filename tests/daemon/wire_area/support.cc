#include "tests/daemon/wire_area/support.hh"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace vxs::daemon::test {
namespace {

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "wire area test: %s\n", why.c_str());
  std::exit(2);
}

}  // namespace

std::unique_ptr<WireArea> make_area(const WireArea::Options& options) {
  auto area = WireArea::create(options);
  if (!area) give_up(area.error());
  return std::move(*area);
}

std::unique_ptr<WireArea> adopt(int fd) {
  auto area = WireArea::adopt(process::Descriptor(::dup(fd)));
  if (!area) give_up(area.error());
  return std::move(*area);
}

std::unique_ptr<WireArea> restart(std::unique_ptr<WireArea> area) {
  const process::Descriptor kept(::dup(area->fd()));
  area.reset();
  return adopt(kept.get());
}

WireSlot& open_slot(WireArea& area, ConnectionId connection, WireKind kind) {
  const auto slot = area.open_slot({.connection = connection,
                                    .kind = kind,
                                    .descriptor = connection + 100,
                                    .peer = {.domid = 7, .command = "xl"}});
  if (!slot) give_up("no slot");
  return **slot;
}

WireSlot* find_slot(const WireArea& area, ConnectionId connection) {
  for (WireSlot* slot : area.open_slots()) {
    if (slot->connection() == connection) return slot;
  }
  return nullptr;
}

RawArea::RawArea(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) give_up("fstat");
  size_ = static_cast<std::uint64_t>(status.st_size);
  void* base = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) give_up("mmap");
  base_ = static_cast<char*>(base);
}

RawArea::~RawArea() { ::munmap(base_, size_); }

wire_layout::Header& RawArea::header() const {
  return *reinterpret_cast<wire_layout::Header*>(at(0));
}

wire_layout::Geometry RawArea::geometry() const {
  return {.slots = header().slots,
          .output_limit = header().output_limit,
          .log_limit = header().log_limit};
}

std::uint32_t& RawArea::state(std::uint32_t index) const {
  return reinterpret_cast<std::uint32_t*>(at(wire_layout::kStatesOffset))[index];
}

wire_layout::Control& RawArea::control(std::uint32_t index) const {
  return *reinterpret_cast<wire_layout::Control*>(at(geometry().block(index)));
}

std::uint64_t pages_of(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) give_up("fstat");
  return static_cast<std::uint64_t>(status.st_blocks) * 512 / wire_layout::kPage;
}

Pair make_pair() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0) {
    give_up("socketpair");
  }
  return {.ours = process::Descriptor(fds[0]), .peer = process::Descriptor(fds[1])};
}

void write_all(int fd, std::string_view bytes) {
  if (::write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    give_up("write");
  }
}

std::string read_all(int fd) {
  std::string bytes;
  char buffer[65536];
  for (;;) {
    const ssize_t count = ::read(fd, buffer, sizeof buffer);
    if (count <= 0) return bytes;
    bytes.append(buffer, static_cast<std::size_t>(count));
  }
}

std::string pattern(std::uint64_t seed, std::size_t size) {
  std::string bytes(size, '\0');
  std::uint64_t state = seed * 0x9E3779B97F4A7C15ULL + 1;
  for (char& byte : bytes) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    byte = static_cast<char>(state >> 56);
  }
  return bytes;
}

}  // namespace vxs::daemon::test
