#include "daemon/supervisor/message.hh"

#include <sys/wait.h>

#include <algorithm>
#include <charconv>

namespace vxs::supervisor {

bool is_valid_name(std::string_view name) noexcept {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !name.empty() && name.size() <= kNameMax && std::all_of(name.begin(), name.end(), allowed);
}

std::string client_name(std::uint64_t n) { return std::string(kClientPrefix) + std::to_string(n); }

std::optional<std::uint64_t> client_number(std::string_view name) noexcept {
  if (name.substr(0, kClientPrefix.size()) != kClientPrefix) return std::nullopt;
  name.remove_prefix(kClientPrefix.size());
  std::uint64_t n = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), n);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return n;
}

bool carries_descriptor(MessageType type) noexcept {
  return type == MessageType::kKept || type == MessageType::kAccepted ||
         type == MessageType::kKeep || type == MessageType::kExec ||
         type == MessageType::kHandOver;
}

std::string describe_status(int wait_status) {
  if (WIFSIGNALED(wait_status)) return "signal " + std::to_string(WTERMSIG(wait_status));
  return "exit status " + std::to_string(WEXITSTATUS(wait_status));
}

}  // namespace vxs::supervisor
