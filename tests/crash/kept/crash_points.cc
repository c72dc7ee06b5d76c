#include "tests/crash/kept/crash_points.hh"

#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace vxs::test::kept {
namespace {

constexpr const char* kSection = ".vxs_crash_points";

#if defined(__aarch64__)
constexpr unsigned char kBreakpoint[] = {0x00, 0x00, 0x20, 0xD4};
constexpr unsigned char kNothing[] = {0x1F, 0x20, 0x03, 0xD5};
#else
constexpr unsigned char kBreakpoint[] = {0xCC};
constexpr unsigned char kNothing[] = {0x90};
#endif

using When = ListedPoint::When;
const std::map<std::string, When, std::less<>> kWhens{
    {"serving", When::kServing},
    {"checkpoint", When::kCheckpoint},
    {"start", When::kStart},
    {"ring", When::kRing},
    {"ring-reset", When::kRingReset},
    {"update", When::kUpdate},
    {"trial", When::kTrial},
    {"outcome", When::kOutcome},
    {"give-back", When::kGiveBack},
    {"take-over", When::kTakeOver},
    {"restart", When::kRestart},
    {"ahead", When::kAhead},
    {"child", When::kChild},
    {"supervisor", When::kSupervisorServing},
    {"supervisor-start", When::kSupervisorStart},
    {"supervisor-update", When::kSupervisorUpdate},
    {"supervisor-trial", When::kSupervisorTrial},
    {"supervisor-alone", When::kSupervisorAlone},
    {"supervisor-managed", When::kSupervisorManaged},
    {"supervisor-swap", When::kSupervisorSwap}};

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  std::string bytes(file ? static_cast<std::size_t>(file.tellg()) : 0, '\0');
  // At once: a program is large, and a daemon that starts waits for it.
  if (!file.seekg(0).read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) {
    throw std::runtime_error("cannot read " + path);
  }
  return bytes;
}

// Bytes of a file, as a T.
template <typename T>
T at(const std::string& file, std::uint64_t offset) {
  T value;
  if (offset > file.size() || file.size() - offset < sizeof value) {
    throw std::runtime_error("no whole ELF file");
  }
  std::memcpy(&value, file.data() + offset, sizeof value);
  return value;
}

// Where the first page of the program's file lies in the process; 0: nowhere.
std::uint64_t base_of(pid_t pid, const std::string& program) {
  std::ifstream maps("/proc/" + std::to_string(pid) + "/maps");
  for (std::string line; std::getline(maps, line);) {
    if (!line.ends_with(program)) continue;
    std::istringstream words(line);
    std::string range, rights, offset;
    words >> range >> rights >> offset;
    if (std::stoull(offset, nullptr, 16) == 0) return std::stoull(range, nullptr, 16);
  }
  return 0;
}

// `what` is as long as one point's instruction.
template <std::size_t kSize>
bool write_at(pid_t pid, const std::string& program, const std::vector<std::uint64_t>& places,
              const unsigned char (&what)[kSize]) {
  const std::uint64_t base = base_of(pid, program);
  const int memory = open(("/proc/" + std::to_string(pid) + "/mem").c_str(), O_RDWR | O_CLOEXEC);
  bool written = base != 0 && memory >= 0;
  for (const std::uint64_t place : places) {
    written = written && pwrite(memory, what, kSize, static_cast<off_t>(base + place)) ==
                             static_cast<ssize_t>(kSize);
  }
  if (memory >= 0) close(memory);
  return written;
}

}  // namespace

PointPlaces crash_points_of(const std::string& program) {
  const std::string file = contents(program);
  const auto header = at<Elf64_Ehdr>(file, 0);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_type != ET_DYN) {
    throw std::runtime_error(program + " is no position-independent program");
  }
  const auto section = [&](std::uint64_t index) {
    return at<Elf64_Shdr>(file, header.e_shoff + index * sizeof(Elf64_Shdr));
  };
  const auto names = section(header.e_shstrndx);
  PointPlaces points;
  for (std::uint64_t i = 0; i < header.e_shnum; ++i) {
    const auto one = section(i);
    if (std::strcmp(file.c_str() + names.sh_offset + one.sh_name, kSection) != 0) continue;
    for (std::uint64_t offset = one.sh_offset; offset + 8 < one.sh_offset + one.sh_size;) {
      const auto place = at<std::uint64_t>(file, offset);
      const std::string name(file.c_str() + offset + 8);
      points[name].push_back(place);
      offset += 8 + name.size() + 1;
    }
  }
  return points;
}

bool set_crash_point(pid_t pid, const std::string& program,
                     const std::vector<std::uint64_t>& places) {
  return write_at(pid, program, places, kBreakpoint);
}

bool clear_crash_point(pid_t pid, const std::string& program,
                       const std::vector<std::uint64_t>& places) {
  return write_at(pid, program, places, kNothing);
}

std::vector<ListedPoint> listed_crash_points(const std::string& file) {
  std::istringstream lines(contents(file));
  std::vector<ListedPoint> points;
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("| `")) continue;
    std::string cells[3];
    std::size_t from = 1;
    for (std::string& cell : cells) {
      const std::size_t to = line.find('|', from);
      if (to == std::string::npos) throw std::runtime_error(file + ": " + line);
      cell = line.substr(from + 1, to - from - 2);
      from = to + 1;
    }
    ListedPoint point{
        .name = cells[0].substr(1, cells[0].size() - 2), .when = {}, .journal = cells[2]};
    const auto when = kWhens.find(cells[1]);
    if (when == kWhens.end()) throw std::runtime_error(file + ": " + line);
    point.when = when->second;
    points.push_back(std::move(point));
  }
  if (points.empty()) throw std::runtime_error(file + " lists no points");
  return points;
}

}  // namespace vxs::test::kept
