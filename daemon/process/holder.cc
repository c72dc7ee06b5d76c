#include "daemon/process/holder.hh"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "protocol/escape.hh"

namespace vxs::process {
namespace {

constexpr std::size_t kCommandMax = 200;

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

}  // namespace

std::string describe_process(pid_t pid) {
  if (pid <= 0) return "a process of another pid namespace";
  const std::string name = "pid " + std::to_string(pid);
  const std::string command = command_line(pid);
  if (command.empty()) return name + " (its command line cannot be read)";
  return name + " (" + command + ")";
}

}  // namespace vxs::process
