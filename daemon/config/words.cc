#include "daemon/config/words.hh"

#include <array>
#include <charconv>

namespace vxs::config {
namespace {

constexpr std::array<std::string_view, 5> kTraceSwitches{"obj", "io", "wrl", "acc", "tdb"};

}  // namespace

std::optional<store::Durability> durability_from_word(std::string_view word) noexcept {
  if (word == "memory") return store::Durability::kMemory;
  if (word == "process") return store::Durability::kProcess;
  if (word == "disk") return store::Durability::kDisk;
  return std::nullopt;
}

std::optional<AfterReboot> after_reboot_from_word(std::string_view word) noexcept {
  if (word == "empty") return AfterReboot::kEmpty;
  if (word == "keep") return AfterReboot::kKeep;
  return std::nullopt;
}

std::optional<XenMode> xen_mode_from_word(std::string_view word) noexcept {
  if (word == "auto") return XenMode::kAuto;
  if (word == "on") return XenMode::kOn;
  if (word == "off") return XenMode::kOff;
  return std::nullopt;
}

std::optional<bool> connections_from_word(std::string_view word) noexcept {
  if (word == "kept") return true;
  if (word == "volatile") return false;
  return std::nullopt;
}

std::optional<bool> on_off_from_word(std::string_view word) noexcept {
  if (word == "on") return true;
  if (word == "off") return false;
  return std::nullopt;
}

std::string_view durability_word(store::Durability durability) noexcept {
  switch (durability) {
    case store::Durability::kMemory:
      return "memory";
    case store::Durability::kProcess:
      return "process";
    case store::Durability::kDisk:
      return "disk";
  }
  return "unknown";
}

std::optional<std::uint32_t> parse_number(std::string_view text, std::uint32_t max) noexcept {
  std::uint32_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, 10);
  if (error != std::errc{} || stop != end || value > max) return std::nullopt;
  return value;
}

bool is_trace_switch(std::string_view text) noexcept {
  if (text.empty() || (text.front() != '+' && text.front() != '-')) return false;
  for (const std::string_view name : kTraceSwitches) {
    if (text.substr(1) == name) return true;
  }
  return false;
}

}  // namespace vxs::config
