#include "daemon/process/holder.hh"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <sstream>
#include <string_view>
#include <thread>

#include "protocol/escape.hh"

namespace vxs::process {
namespace {

constexpr std::size_t kCommandMax = 200;
constexpr std::chrono::milliseconds kPause{20};
constexpr int kWaitsMax = 500;
constexpr int kWaitsForLivingMax = 5;
// PF_EXITING of the flags in /proc/<pid>/stat, and SIGKILL in a mask of /proc/<pid>/status.
constexpr unsigned long kExitingFlag = 0x4;
constexpr unsigned long kKillBit = 1UL << 8;

std::string command_line(pid_t pid) {
  std::ifstream stream("/proc/" + std::to_string(pid) + "/cmdline", std::ios::binary);
  std::string text(kCommandMax + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(stream.gcount(), 0)));
  const bool cut = text.size() > kCommandMax;
  text.resize(std::min(text.size(), kCommandMax));
  while (!text.empty() && text.back() == '\0') text.pop_back();
  std::replace(text.begin(), text.end(), '\0', ' ');
  return protocol::escaped(text) + (cut ? " ..." : "");
}

std::string proc_file(pid_t pid, const char* name) {
  std::ifstream stream("/proc/" + std::to_string(pid) + "/" + name, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

/// A hexadecimal mask of /proc/<pid>/status; 0 if it is not there.
unsigned long status_mask(const std::string& status, std::string_view name) {
  const std::size_t at = status.find(name);
  if (at == std::string::npos) return 0;
  unsigned long mask = 0;
  std::istringstream(status.substr(at + name.size())) >> std::hex >> mask;
  return mask;
}

}  // namespace

bool is_ending(pid_t pid) {
  if (pid <= 0) return false;
  // "pid (name) state ppid pgrp session tty tpgid flags …"; the name may hold anything.
  const std::string stat = proc_file(pid, "stat");
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return false;
  std::istringstream fields(stat.substr(name_end + 1));
  char state = '?';
  long skipped = 0;
  unsigned long flags = 0;
  fields >> state >> skipped >> skipped >> skipped >> skipped >> skipped >> flags;
  if (state == 'Z' || state == 'X' || (flags & kExitingFlag) != 0) return true;
  const std::string status = proc_file(pid, "status");
  return ((status_mask(status, "SigPnd:") | status_mask(status, "ShdPnd:")) & kKillBit) != 0;
}

bool HolderPatience::wait_for(pid_t pid) {
  if (++waits_ > kWaitsMax) return false;
  if (!is_ending(pid) && ++waits_for_living_ > kWaitsForLivingMax) return false;
  std::this_thread::sleep_for(kPause);
  return true;
}

std::string describe_process(pid_t pid) {
  if (pid <= 0) return "a process of another pid namespace";
  const std::string name = "pid " + std::to_string(pid);
  const std::string command = command_line(pid);
  if (command.empty()) return name + " (its command line cannot be read)";
  return name + " (" + command + ")";
}

}  // namespace vxs::process
