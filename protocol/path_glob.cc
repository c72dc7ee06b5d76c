#include "protocol/path_glob.hh"

#include <algorithm>

#include "protocol/path.hh"

namespace vxs::protocol {
namespace {

constexpr std::string_view kAnyNames = "**";

/// The name that begins at `at`, which is behind a slash; empty at the end of "/".
std::string_view name_at(std::string_view path, std::size_t at) noexcept {
  return path.substr(at, path.find('/', at) - at);
}

/// Where the name after this one begins; beyond the end if there is none.
std::size_t behind(std::string_view name, std::size_t at) noexcept { return at + name.size() + 1; }

/// One name. After a mismatch only the last star is tried again, one byte further.
bool name_matches(std::string_view glob, std::string_view name) noexcept {
  std::size_t in_glob = 0;
  std::size_t in_name = 0;
  std::size_t star = std::string_view::npos;
  std::size_t resume = 0;
  while (in_name < name.size()) {
    if (in_glob < glob.size() && glob[in_glob] == '*') {
      star = in_glob++;
      resume = in_name;
    } else if (in_glob < glob.size() && glob[in_glob] == name[in_name]) {
      ++in_glob;
      ++in_name;
    } else if (star != std::string_view::npos) {
      in_glob = star + 1;
      in_name = ++resume;
    } else {
      return false;
    }
  }
  return glob.find_first_not_of('*', in_glob) == std::string_view::npos;
}

bool is_name_of_glob(std::string_view name) noexcept {
  if (name == kAnyNames) return true;
  if (name.empty() || name.find(kAnyNames) != std::string_view::npos) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '@' || c == '*';
  });
}

}  // namespace

bool is_path_glob(std::string_view text) noexcept {
  if (!text.starts_with('/') || text.size() > kPrivilegedPathLimit) return false;
  if (text == "/") return true;
  for (std::size_t at = 1; at <= text.size();) {
    const std::string_view name = name_at(text, at);
    if (!is_name_of_glob(name)) return false;
    at = behind(name, at);
  }
  return true;
}

bool path_glob_matches(std::string_view glob, std::string_view path) noexcept {
  if (!path.starts_with('/')) return false;
  // "/" has no names: both begin behind their end.
  const auto first = [](std::string_view of) { return of == "/" ? of.size() + 1 : std::size_t{1}; };
  std::size_t in_glob = first(glob);
  std::size_t in_path = first(path);
  std::size_t any = 0;  // behind the last `**`; 0: none yet
  std::size_t resume = 0;
  while (in_path <= path.size()) {
    const std::string_view name = name_at(path, in_path);
    if (in_glob <= glob.size()) {
      const std::string_view pattern = name_at(glob, in_glob);
      if (pattern == kAnyNames) {
        any = in_glob = behind(pattern, in_glob);
        resume = in_path;
        continue;
      }
      if (name_matches(pattern, name)) {
        in_glob = behind(pattern, in_glob);
        in_path = behind(name, in_path);
        continue;
      }
    }
    if (any == 0) return false;
    in_glob = any;
    in_path = resume = behind(name_at(path, resume), resume);
  }
  while (in_glob <= glob.size()) {
    const std::string_view pattern = name_at(glob, in_glob);
    if (pattern != kAnyNames) return false;
    in_glob = behind(pattern, in_glob);
  }
  return true;
}

}  // namespace vxs::protocol
