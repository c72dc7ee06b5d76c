// How a person names a moment of history.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/ids.hh"
#include "store/history_reader/error.hh"

namespace vxs::store::reader {

struct Moment {
  enum class Kind : std::uint8_t { kHead, kSeq, kTime, kCommit } kind = Kind::kHead;
  Seq seq = 0;               ///< kSeq
  std::int64_t time_us = 0;  ///< kTime: µs since 1970
  std::string commit;        ///< kCommit: 7 to 40 lower-case hexadecimal digits
};

/// Understands
///   now, head             the newest commit
///   -90s -5m -2h30m -1d   so long before `now_us` (units s, m, h, d, w)
///   17 / seq:17           a Seq (digits only)
///   1a2b3c4 …             a commit id, 7 to 40 hexadecimal digits, not digits only unless 40 long
///   @1700000000[.25]      seconds since 1970
///   2026-11-22            local midnight
///   2026-11-22T07:24[:05[.250]][Z|+01:00], with a space instead of T too
///   07:24[:05[.250]]      today
/// Times are local unless a zone is given. Errors: kUsage, with the forms in the message.
[[nodiscard]] ReadResult<Moment> parse_moment(std::string_view text, std::int64_t now_us);

/// The wall clock, µs since 1970.
[[nodiscard]] std::int64_t wall_clock_us();

/// "2026-11-22 07:24:05.250" in local time; milliseconds are left out when `time_us` is a whole
/// second.
[[nodiscard]] std::string format_local_time(std::int64_t time_us);
/// "2026-11-22T07:24:05.250000Z".
[[nodiscard]] std::string format_utc_time(std::int64_t time_us);

}  // namespace vxs::store::reader
