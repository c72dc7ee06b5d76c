// The words options and the file share, and numbers read strictly.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "daemon/config/config.hh"

namespace vxs::config {

/// Each gives nothing for a word it does not know.
[[nodiscard]] std::optional<store::Durability> durability_from_word(std::string_view word) noexcept;
[[nodiscard]] std::optional<AfterReboot> after_reboot_from_word(std::string_view word) noexcept;
[[nodiscard]] std::optional<XenMode> xen_mode_from_word(std::string_view word) noexcept;
[[nodiscard]] std::optional<bool> connections_from_word(std::string_view word) noexcept;
[[nodiscard]] std::optional<bool> on_off_from_word(std::string_view word) noexcept;

/// The word for a value, as the options have it.
[[nodiscard]] std::string_view durability_word(store::Durability durability) noexcept;

/// The words allowed, for error messages.
inline constexpr std::string_view kDurabilityWords = "memory, process or disk";
inline constexpr std::string_view kAfterRebootWords = "empty or keep";
inline constexpr std::string_view kXenWords = "auto, on or off";
inline constexpr std::string_view kConnectionsWords = "kept or volatile";
inline constexpr std::string_view kOnOffWords = "on or off";

/// A whole decimal number 0..max and nothing else: no sign, no space.
[[nodiscard]] std::optional<std::uint32_t> parse_number(std::string_view text,
                                                        std::uint32_t max) noexcept;

/// True for "+io", "-obj" and so on: a sign and one of obj io wrl acc tdb.
[[nodiscard]] bool is_trace_switch(std::string_view text) noexcept;

}  // namespace vxs::config
