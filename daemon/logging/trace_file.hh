// The trace file: -T, --trace-control, CONTROL log and logfile, SIGHUP (conformance I1, I10, H2).
#pragma once

#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "daemon/logging/trace_format.hh"
#include "protocol/error.hh"

namespace vxs::logging {

/// Main thread only. Costs one test of a byte per call site while it is off. A failed write is
/// counted and otherwise ignored: tracing never stops the daemon.
class TraceFile {
 public:
  /// Relative file names are under `log_dir` (I12). Nothing is opened yet.
  explicit TraceFile(std::string log_dir);
  ~TraceFile();
  TraceFile(const TraceFile&) = delete;
  TraceFile& operator=(const TraceFile&) = delete;

  /// Is it worth building such a line? Ask before collecting anything for one.
  [[nodiscard]] bool wants(TraceSwitch which) const noexcept {
    return (active_ & static_cast<std::uint8_t>(which)) != 0;
  }

  /// Each writes one line if wants() says so.
  void io(TraceDirection direction, const void* connection, DomId domid,
          std::string_view message_name, std::string_view payload, std::time_t now);
  void created(std::string_view what, const void* object);
  void destroyed(std::string_view what, const void* object);
  void text(TraceSwitch which, std::string_view text);

  /// Names the file and opens it: append, mode 0600, with a "***" line (-T, CONTROL logfile). A
  /// former one is closed; if the new one cannot be opened, tracing is off and the name is kept
  /// for "on". Empty names and NULs: kInval. Other errors: as open() says.
  [[nodiscard]] tl::expected<void, protocol::Error> set_file(std::string_view name);

  /// CONTROL log's argument: "on" (opens the file again; kInval if none was ever named), "off"
  /// (closes it), "+sw" or "-sw" (kInval for anything else).
  [[nodiscard]] tl::expected<void, protocol::Error> control(std::string_view argument);

  /// CONTROL log without argument: "Log switch settings:\n" and a line "obj: on\n" per switch.
  [[nodiscard]] std::string settings_text() const;

  /// SIGHUP: opens the file again, if one is open (log rotation). On failure tracing goes off and
  /// the result says why.
  [[nodiscard]] tl::expected<void, protocol::Error> reopen();

  /// Appends anything, for memreport without a file (H2). kInval if no trace is open.
  [[nodiscard]] tl::expected<void, protocol::Error> append(std::string_view text);

  [[nodiscard]] bool is_open() const noexcept { return fd_ >= 0; }
  /// The absolute name; empty if none was ever set.
  [[nodiscard]] const std::string& file() const noexcept { return file_; }
  /// Lines lost since the start, for `vxs status`.
  [[nodiscard]] std::uint64_t lost_lines() const noexcept { return lost_lines_; }

 private:
  void write_line(std::string_view line) noexcept;
  void close() noexcept;
  void update_active() noexcept;

  std::string log_dir_;
  std::string file_;
  int fd_ = -1;
  std::uint8_t switches_ = kDefaultTraceSwitches;
  std::uint8_t active_ = 0;  ///< switches_ while a file is open, else 0
  std::uint64_t lost_lines_ = 0;
};

}  // namespace vxs::logging
