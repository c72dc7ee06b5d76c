// What a process holds, and whether it holds ever more of it.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

namespace vxs::test::kept {

struct Held {
  std::int64_t descriptors = 0;
  std::int64_t mappings = 0;
  std::int64_t resident_kb = 0;
  // Of what several processes share, the part of this one (PSS).
  std::int64_t proportional_kb = 0;
};

// Files below a directory whose path has `part` that the process has open or mapped.
std::size_t files_of(pid_t pid, const std::string& part);

// The thread of that name waits for something, which is not the disk.
bool sleeps(pid_t pid, const std::string& thread);

// What the wire area takes that a supervisor keeps; 0 without one.
std::int64_t wire_area_kb(pid_t supervisor);

// From /proc; nothing if there is no such process.
std::optional<Held> held_by(pid_t pid);

// Each sample against the first.
class Growth {
 public:
  // What may come on top of the first sample.
  Growth(std::string process, Held slack) : process_(std::move(process)), slack_(slack) {}

  // `clients`: descriptors that are connections, not counted. "" or what grew.
  std::string add(Held held, std::size_t clients);
  // "descriptors 12..14 besides connections, mappings 60..61, RSS 9.1..9.3 MB (5 samples)"
  [[nodiscard]] std::string summary() const;

 private:
  std::string process_;
  Held slack_;
  std::vector<Held> samples_;
};

}  // namespace vxs::test::kept
