#include "daemon/logging/trace_file.hh"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

namespace vxs::logging {
namespace {

constexpr std::string_view kOpeningLine = "\n***\n";

/// Non-blocking: a FIFO without a reader must not stop the daemon.
int open_for_append(const std::string& file) {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  return ::open(file.c_str(), kFlags, 0600);
}

/// The directory of relative names is the daemon's own business (I12); others are not.
void make_log_directory(const std::string& directory) {
  std::error_code ignored;
  if (std::filesystem::create_directories(directory, ignored)) {
    (void)::chmod(directory.c_str(), 0755);
  }
}

}  // namespace

TraceFile::TraceFile(std::string log_dir) : log_dir_(std::move(log_dir)) {}

TraceFile::~TraceFile() { close(); }

void TraceFile::io(TraceDirection direction, const void* connection, DomId domid,
                   std::string_view message_name, std::string_view payload, std::time_t now) {
  if (!wants(TraceSwitch::kIo)) return;
  write_line(trace_io_line(direction, connection, domid, message_name, payload, now));
}

void TraceFile::created(std::string_view what, const void* object) {
  if (wants(TraceSwitch::kObj)) write_line(trace_object_line(true, what, object));
}

void TraceFile::destroyed(std::string_view what, const void* object) {
  if (wants(TraceSwitch::kObj)) write_line(trace_object_line(false, what, object));
}

void TraceFile::text(TraceSwitch which, std::string_view text) {
  if (wants(which)) write_line(trace_text_line(which, text));
}

tl::expected<void, protocol::Error> TraceFile::set_file(std::string_view name) {
  if (name.empty() || name.find('\0') != std::string_view::npos) {
    return tl::make_unexpected(protocol::Error::kInval);
  }
  file_ = (std::filesystem::path(log_dir_) / name).string();
  if (std::filesystem::path(file_).parent_path() == log_dir_) make_log_directory(log_dir_);
  return control("on");
}

tl::expected<void, protocol::Error> TraceFile::control(std::string_view argument) {
  if (argument == "off") {
    close();
    return {};
  }
  if (argument == "on") {
    close();
    if (file_.empty()) return tl::make_unexpected(protocol::Error::kInval);
    fd_ = open_for_append(file_);
    if (fd_ < 0) return tl::make_unexpected(protocol::error_from_errno(errno));
    update_active();
    write_line(kOpeningLine);
    return {};
  }
  if (argument.empty() || (argument.front() != '+' && argument.front() != '-')) {
    return tl::make_unexpected(protocol::Error::kInval);
  }
  const auto which = trace_switch_from_name(argument.substr(1));
  if (!which) return tl::make_unexpected(protocol::Error::kInval);
  const auto bit = static_cast<unsigned>(*which);
  const unsigned now = argument.front() == '+' ? switches_ | bit : switches_ & ~bit;
  switches_ = static_cast<std::uint8_t>(now);
  update_active();
  return {};
}

std::string TraceFile::settings_text() const {
  std::string text = "Log switch settings:\n";
  for (const TraceSwitch which : kTraceSwitches) {
    text += trace_switch_name(which);
    text += (switches_ & static_cast<std::uint8_t>(which)) != 0 ? ": on\n" : ": off\n";
  }
  return text;
}

tl::expected<void, protocol::Error> TraceFile::reopen() {
  if (!is_open()) return {};
  return control("on");
}

tl::expected<void, protocol::Error> TraceFile::append(std::string_view text) {
  if (!is_open()) return tl::make_unexpected(protocol::Error::kInval);
  write_line(text);
  return {};
}

void TraceFile::write_line(std::string_view line) noexcept {
  ssize_t written = 0;
  do {
    written = ::write(fd_, line.data(), line.size());
  } while (written < 0 && errno == EINTR);
  if (written != static_cast<ssize_t>(line.size())) ++lost_lines_;
}

void TraceFile::close() noexcept {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  update_active();
}

void TraceFile::update_active() noexcept { active_ = fd_ >= 0 ? switches_ : std::uint8_t{0}; }

}  // namespace vxs::logging
