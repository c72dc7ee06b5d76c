#include "tests/crash/kept/resources.hh"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace vxs::test::kept {

std::optional<Held> held_by(pid_t pid) {
  const std::string root = "/proc/" + std::to_string(pid);
  std::error_code error;
  std::filesystem::directory_iterator descriptors(root + "/fd", error);
  if (error) return std::nullopt;
  Held held;
  held.descriptors = std::distance(begin(descriptors), end(descriptors));
  std::ifstream maps(root + "/maps");
  held.mappings =
      std::count(std::istreambuf_iterator<char>(maps), std::istreambuf_iterator<char>(), '\n');
  std::ifstream statm(root + "/statm");
  std::int64_t size = 0, resident = 0;
  if (!(statm >> size >> resident)) return std::nullopt;
  held.resident_kb = resident * (sysconf(_SC_PAGESIZE) / 1024);
  std::ifstream rollup(root + "/smaps_rollup");
  for (std::string word; rollup >> word;) {
    if (word == "Pss:") rollup >> held.proportional_kb;
  }
  return held;
}

std::size_t files_of(pid_t pid, const std::string& part) {
  const std::string root = "/proc/" + std::to_string(pid);
  std::size_t count = 0;
  std::ifstream maps(root + "/maps");
  for (std::string line; std::getline(maps, line);) count += line.find(part) != std::string::npos;
  std::error_code error;
  for (std::filesystem::directory_iterator at(root + "/fd", error), end; !error && at != end;
       at.increment(error)) {
    std::error_code gone;
    count +=
        std::filesystem::read_symlink(at->path(), gone).string().find(part) != std::string::npos;
  }
  return count;
}

bool sleeps(pid_t pid, const std::string& thread) {
  std::error_code error;
  for (std::filesystem::directory_iterator at("/proc/" + std::to_string(pid) + "/task", error), end;
       !error && at != end; at.increment(error)) {
    std::ifstream status(at->path() / "status");
    std::string key, value;
    bool named = false;
    while (status >> key && std::getline(status >> std::ws, value)) {
      if (key == "Name:") named = value == thread;
      if (key == "State:" && named) return value.starts_with('S');
    }
  }
  return false;
}

std::int64_t wire_area_kb(pid_t supervisor) {
  std::error_code error;
  for (std::filesystem::directory_iterator at("/proc/" + std::to_string(supervisor) + "/fd", error),
       end;
       !error && at != end; at.increment(error)) {
    std::error_code gone;
    const auto target = std::filesystem::read_symlink(at->path(), gone).string();
    struct stat status {};
    if (target.find("vxenstored-wire-area") == std::string::npos) continue;
    if (stat(at->path().c_str(), &status) == 0) return status.st_blocks / 2;
  }
  return 0;
}

std::string Growth::add(Held held, std::size_t clients) {
  held.descriptors -= static_cast<std::int64_t>(clients);
  samples_.push_back(held);
  const Held& first = samples_.front();
  const auto grew = [&](const char* what, std::int64_t before, std::int64_t now,
                        std::int64_t slack) -> std::string {
    if (now <= before + slack) return "";
    return process_ + " had " + std::to_string(before) + ' ' + what + " and has " +
           std::to_string(now) + "; " + std::to_string(slack) + " more were allowed";
  };
  for (const std::string& text :
       {grew("descriptors", first.descriptors, held.descriptors, slack_.descriptors),
        grew("mappings", first.mappings, held.mappings, slack_.mappings),
        grew("KB resident", first.resident_kb, held.resident_kb, slack_.resident_kb)}) {
    if (!text.empty()) return text;
  }
  return "";
}

std::string Growth::summary() const {
  if (samples_.empty()) return process_ + ": no samples";
  const auto range = [this](std::int64_t Held::*member) {
    const auto [low, high] = std::minmax_element(
        samples_.begin(), samples_.end(),
        [member](const auto& a, const auto& b) { return a.*member < b.*member; });
    return std::to_string((*low).*member) + ".." + std::to_string((*high).*member);
  };
  return process_ + ": descriptors besides connections " + range(&Held::descriptors) +
         ", mappings " + range(&Held::mappings) + ", resident KB " + range(&Held::resident_kb) +
         " (" + std::to_string(samples_.size()) + " samples)";
}

}  // namespace vxs::test::kept
