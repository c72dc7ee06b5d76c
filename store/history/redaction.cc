#include "store/history/redaction.hh"

#include <algorithm>
#include <utility>

#include "protocol/path_glob.hh"

namespace vxs::store {

Redaction::Redaction(std::vector<std::string> globs) : globs_(std::move(globs)) {
  std::erase_if(globs_, [](const std::string& glob) { return !protocol::is_path_glob(glob); });
}

bool Redaction::hides(std::string_view path, std::string_view value) const noexcept {
  return !value.empty() && std::any_of(globs_.begin(), globs_.end(), [path](const auto& glob) {
    return protocol::path_glob_matches(glob, path);
  });
}

}  // namespace vxs::store
