// The payloads of state records (record.proto, types 10 to 49). Steps of RecordEncoder and
// RecordDecoder, in files of their own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "store/journal/record_codec.hh"

namespace vxs::store {

/// Fields that every state message has.
inline constexpr unsigned kByConnection = 12;
inline constexpr unsigned kByOrdinal = 13;

[[nodiscard]] RecordType type_of_change(const StateChange& change) noexcept;

/// As RecordEncoder::measure(): false for a record that could not be read back.
[[nodiscard]] bool measure_state(const StateRecord& record, std::size_t& size) noexcept;
/// Writes exactly the measured bytes.
void write_state(const StateRecord& record, char* out) noexcept;

enum class StateDecoding : std::uint8_t { kGood, kUnknownType, kMalformed };
/// Sets all of `out` but its Seq; its views point into `payload`.
[[nodiscard]] StateDecoding decode_state(RecordType type, std::string_view payload,
                                         StateRecord& out) noexcept;

/// What both sides hold a watch's path to: it begins as a path or as a special name, without NUL.
[[nodiscard]] inline bool is_watch_path(std::string_view path) noexcept {
  return !path.empty() && (path.front() == '/' || path.front() == '@') &&
         path.find('\0') == std::string_view::npos;
}

}  // namespace vxs::store
