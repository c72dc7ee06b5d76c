#include "store/history_reader/moment.hh"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <ctime>
#include <optional>

namespace vxs::store::reader {
namespace {

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::size_t kCommitDigits = 40;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}
bool is_lower_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }

template <typename Number>
std::optional<Number> whole_number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (!all_digits(text) || error != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

/// Takes exactly `count` digits from the front of `text`.
std::optional<int> take_digits(std::string_view& text, std::size_t count) {
  if (text.size() < count) return std::nullopt;
  const auto value = whole_number<int>(text.substr(0, count));
  if (value) text.remove_prefix(count);
  return value;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

/// Takes ".250" (up to six digits count) as microseconds; 0 if there is no fraction.
std::optional<std::int64_t> take_fraction(std::string_view& text) {
  if (!take(text, '.')) return 0;
  std::int64_t value = 0;
  std::int64_t unit = kSecond / 10;
  std::size_t digits = 0;
  for (; !text.empty() && is_digit(text.front()); text.remove_prefix(1), ++digits) {
    value += (text.front() - '0') * unit;
    unit /= 10;
  }
  if (digits == 0 || digits > 9) return std::nullopt;
  return value;
}

/// "2h30m" and the like, in microseconds.
std::optional<std::int64_t> parse_duration(std::string_view text) {
  constexpr std::int64_t kLimit = std::int64_t{100} * 366 * 86'400;  // a hundred years of seconds
  std::int64_t seconds = 0;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    const auto digits = static_cast<std::size_t>(
        std::find_if_not(text.begin(), text.end(), is_digit) - text.begin());
    const auto count = whole_number<std::int64_t>(text.substr(0, digits));
    if (!count || *count > kLimit || digits == text.size()) return std::nullopt;
    std::int64_t unit = 0;
    switch (text[digits]) {
      case 's':
        unit = 1;
        break;
      case 'm':
        unit = 60;
        break;
      case 'h':
        unit = 3'600;
        break;
      case 'd':
        unit = 86'400;
        break;
      case 'w':
        unit = 7 * 86'400;
        break;
      default:
        return std::nullopt;
    }
    if (*count > kLimit / unit) return std::nullopt;
    seconds += *count * unit;
    if (seconds > kLimit) return std::nullopt;
    text.remove_prefix(digits + 1);
  }
  return seconds * kSecond;
}

struct Clock {
  int hour = 0, minute = 0, second = 0;
  std::int64_t fraction_us = 0;
};

/// "07:24[:05[.250]]" from the front of `text`.
std::optional<Clock> take_clock(std::string_view& text) {
  Clock clock;
  const auto hour = take_digits(text, 2);
  if (!hour || *hour > 23 || !take(text, ':')) return std::nullopt;
  const auto minute = take_digits(text, 2);
  if (!minute || *minute > 59) return std::nullopt;
  clock.hour = *hour;
  clock.minute = *minute;
  if (take(text, ':')) {
    const auto second = take_digits(text, 2);
    if (!second || *second > 60) return std::nullopt;
    clock.second = *second;
    const auto fraction = take_fraction(text);
    if (!fraction) return std::nullopt;
    clock.fraction_us = *fraction;
  }
  return clock;
}

/// "Z" or "+01:00" or "+0100" as seconds east of UTC; the whole of `text`.
std::optional<std::int64_t> parse_zone(std::string_view text) {
  if (text == "Z" || text == "z") return 0;
  const bool west = !text.empty() && text.front() == '-';
  if (!take(text, '+') && !take(text, '-')) return std::nullopt;
  const auto hours = take_digits(text, 2);
  take(text, ':');
  const auto minutes = take_digits(text, 2);
  if (!hours || !minutes || *hours > 23 || *minutes > 59 || !text.empty()) return std::nullopt;
  const std::int64_t offset = *hours * 3'600 + *minutes * 60;
  return west ? -offset : offset;
}

std::optional<std::int64_t> to_time(std::tm when, const Clock& clock, std::string_view zone) {
  when.tm_hour = clock.hour;
  when.tm_min = clock.minute;
  when.tm_sec = clock.second;
  when.tm_isdst = -1;
  const int day = when.tm_mday;
  const auto offset = zone.empty() ? std::optional<std::int64_t>{0} : parse_zone(zone);
  const std::time_t seconds = zone.empty() ? std::mktime(&when) : timegm(&when);
  if (!offset || (when.tm_mday != day && clock.second < 60)) return std::nullopt;  // 30 February
  return (static_cast<std::int64_t>(seconds) - *offset) * kSecond + clock.fraction_us;
}

std::optional<std::int64_t> parse_time(std::string_view text, std::int64_t now_us) {
  if (take(text, '@')) {
    const std::size_t point = std::min(text.find('.'), text.size());
    const auto seconds = whole_number<std::uint32_t>(text.substr(0, point));
    text.remove_prefix(point);
    const auto fraction = take_fraction(text);
    if (!seconds || !fraction || !text.empty()) return std::nullopt;
    return std::int64_t{*seconds} * kSecond + *fraction;
  }
  const auto now = static_cast<std::time_t>(now_us / kSecond);
  std::tm when{};
  localtime_r(&now, &when);
  if (text.size() >= 5 && text[2] == ':') {
    const auto clock = take_clock(text);
    return clock && text.empty() ? to_time(when, *clock, "") : std::nullopt;
  }
  const auto year = take_digits(text, 4);
  if (!year || !take(text, '-')) return std::nullopt;
  const auto month = take_digits(text, 2);
  if (!month || *month < 1 || *month > 12 || !take(text, '-')) return std::nullopt;
  const auto day = take_digits(text, 2);
  if (!day || *day < 1 || *day > 31) return std::nullopt;
  when = std::tm{};
  when.tm_year = *year - 1900;
  when.tm_mon = *month - 1;
  when.tm_mday = *day;
  if (text.empty()) return to_time(when, Clock{}, "");
  if (!take(text, 'T') && !take(text, ' ')) return std::nullopt;
  const auto clock = take_clock(text);
  return clock ? to_time(when, *clock, text) : std::nullopt;
}

}  // namespace

ReadResult<Moment> parse_moment(std::string_view text, std::int64_t now_us) {
  Moment moment;
  if (text == "now" || text == "head" || text == "HEAD") return moment;
  const std::string_view number = text.starts_with("seq:") ? text.substr(4) : text;
  if (all_digits(number) && number.size() < kCommitDigits) {
    if (const auto seq = whole_number<Seq>(number)) {
      moment.kind = Moment::Kind::kSeq;
      moment.seq = *seq;
      return moment;
    }
  }
  if (text.size() >= 7 && text.size() <= kCommitDigits &&
      std::all_of(text.begin(), text.end(), is_lower_hex)) {
    moment.kind = Moment::Kind::kCommit;
    moment.commit = text;
    return moment;
  }
  const auto ago = text.starts_with("-") ? parse_duration(text.substr(1)) : std::nullopt;
  const auto time = ago ? std::optional{now_us - *ago} : parse_time(text, now_us);
  if (!time) {
    return bad_request(fmt::format(
        "\"{}\" is no moment: give a Seq (1234), a commit id, an age (-5m, -2h30m), a time "
        "(2026-11-22T07:24:05, 07:24, @1700000000) or \"now\"",
        text));
  }
  moment.kind = Moment::Kind::kTime;
  moment.time_us = *time;
  return moment;
}

std::int64_t wall_clock_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

namespace {
/// Seconds (rounded down) and the microseconds above them.
std::pair<std::time_t, std::int64_t> split(std::int64_t time_us) {
  std::int64_t rest = time_us % kSecond;
  if (rest < 0) rest += kSecond;
  return {static_cast<std::time_t>((time_us - rest) / kSecond), rest};
}
std::string date(const std::tm& when, char between) {
  return fmt::format("{:04}-{:02}-{:02}{}{:02}:{:02}:{:02}", when.tm_year + 1900, when.tm_mon + 1,
                     when.tm_mday, between, when.tm_hour, when.tm_min, when.tm_sec);
}
}  // namespace

std::string format_local_time(std::int64_t time_us) {
  const auto [seconds, rest] = split(time_us);
  std::tm when{};
  localtime_r(&seconds, &when);
  std::string text = date(when, ' ');
  if (rest != 0) text += fmt::format(".{:03}", rest / 1'000);
  return text;
}

std::string format_utc_time(std::int64_t time_us) {
  const auto [seconds, rest] = split(time_us);
  std::tm when{};
  gmtime_r(&seconds, &when);
  return fmt::format("{}.{:06}Z", date(when, 'T'), rest);
}

}  // namespace vxs::store::reader
