// The lines of the C daemon's trace file (conformance I10). Pure: text in, text out.
#pragma once

#include <array>
#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/ids.hh"

namespace vxs::logging {

/// The kinds of lines that can be switched, as bits.
enum class TraceSwitch : std::uint8_t { kObj = 1, kIo = 2, kWrl = 4, kAcc = 8, kTdb = 16 };

/// On from the start: obj and io.
inline constexpr std::uint8_t kDefaultTraceSwitches = 3;

/// All switches in the order CONTROL log shows them.
inline constexpr std::array<TraceSwitch, 5> kTraceSwitches{
    TraceSwitch::kObj, TraceSwitch::kIo, TraceSwitch::kWrl, TraceSwitch::kAcc, TraceSwitch::kTdb};

/// "obj", "io", "wrl", "acc", "tdb".
[[nodiscard]] std::string_view trace_switch_name(TraceSwitch which) noexcept;
[[nodiscard]] std::optional<TraceSwitch> trace_switch_from_name(std::string_view name) noexcept;

/// What happened to a message: it came, or it went, in one write or in several.
enum class TraceDirection : std::uint8_t { kIn, kOut, kOutStart, kOutEnd, kOutError };

/// "io: IN 0x55… (d0) 20261122 07:16:00 READ (/local )\n". In the payload a NUL is a space; every
/// other byte that is not printable ASCII is escaped (protocol/escape.hh), unlike the C daemon's,
/// so that no guest can write lines of its own. `connection` only tells connections apart.
[[nodiscard]] std::string trace_io_line(TraceDirection direction, const void* connection,
                                        DomId domid, std::string_view message_name,
                                        std::string_view payload, std::time_t now);

/// "obj: CREATE connection 0x55…\n"; `what` is connection, watch or transaction.
[[nodiscard]] std::string trace_object_line(bool created, std::string_view what,
                                            const void* object);

/// "wrl: <text>\n" and so on. The text is escaped as a payload is.
[[nodiscard]] std::string trace_text_line(TraceSwitch which, std::string_view text);

}  // namespace vxs::logging
