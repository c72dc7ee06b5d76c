// Standard output of vxs: coloured and paged on a terminal, never a raw control
// byte from a guest.
//
// Every byte goes through one filter that lets through printable ASCII, newline, tab and the arrow
// and ellipsis of commit subjects; anything else is printed as \xNN. Colours are the only escape
// sequences, and only this class writes them. write_raw() is the one way around (--raw).
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace vxs::tools {

enum class Colour : std::uint8_t {
  kNone,
  kRed,
  kGreen,
  kYellow,
  kBlue,
  kMagenta,
  kCyan,
  kBold,
  kDim
};
enum class ColourMode : std::uint8_t { kAuto, kAlways, kNever };

class Output {
 public:
  /// Starts the pager if stdout is a terminal and `page` is set ($PAGER, else `less`; "" and "cat"
  /// mean none). Colours: `mode`, where kAuto means on a terminal unless NO_COLOR is set.
  Output(ColourMode mode, bool page);
  /// Flushes and waits for the pager.
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  void write(std::string_view text);
  void write(Colour colour, std::string_view text);
  /// The bytes as they are.
  void write_raw(std::string_view bytes);
  /// One piece of output is complete: it becomes visible now if somebody may be waiting for it.
  void end_of_item();
  void flush();
  /// False once the reader (pager, pipe) is gone; a command then stops quietly.
  [[nodiscard]] bool open() const noexcept { return fd_ >= 0; }
  [[nodiscard]] bool colours() const noexcept { return colours_; }

 private:
  void start_pager();

  int fd_ = 1;
  pid_t pager_ = -1;
  bool colours_ = false;
  std::string buffer_;
  std::chrono::steady_clock::time_point last_flush_;
};

/// The filter of Output for other places (error messages on stderr).
[[nodiscard]] std::string printable(std::string_view text);

}  // namespace vxs::tools
