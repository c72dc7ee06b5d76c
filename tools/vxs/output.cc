#include "tools/vxs/output.hh"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>

namespace vxs::tools {
namespace {

constexpr std::size_t kBufferBytes = 64 << 10;
/// Output that nobody completes a buffer of is shown after this long at the latest.
constexpr std::chrono::milliseconds kFlushInterval{50};
/// The two characters outside ASCII that commit subjects have: an arrow and an ellipsis.
constexpr std::array<std::string_view, 2> kOurs{"\xe2\x86\x92", "\xe2\x80\xa6"};

std::string_view sequence(Colour colour) {
  switch (colour) {
    case Colour::kRed:
      return "\x1b[31m";
    case Colour::kGreen:
      return "\x1b[32m";
    case Colour::kYellow:
      return "\x1b[33m";
    case Colour::kBlue:
      return "\x1b[34m";
    case Colour::kMagenta:
      return "\x1b[35m";
    case Colour::kCyan:
      return "\x1b[36m";
    case Colour::kBold:
      return "\x1b[1m";
    case Colour::kDim:
      return "\x1b[2m";
    case Colour::kNone:
      break;
  }
  return "";
}

void append_printable(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte >= 0x20 && byte < 0x7f) || byte == '\n' || byte == '\t') {
      out += text[i];
    } else if (std::find(kOurs.begin(), kOurs.end(), text.substr(i, 3)) != kOurs.end()) {
      out += text.substr(i, 3);
      i += 2;
    } else {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
}

bool set(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  append_printable(out, text);
  return out;
}

Output::Output(ColourMode mode, bool page) : last_flush_(std::chrono::steady_clock::now()) {
  const bool terminal = isatty(STDOUT_FILENO) == 1;
  colours_ =
      mode == ColourMode::kAlways || (mode == ColourMode::kAuto && terminal && !set("NO_COLOR"));
  if (terminal && page) start_pager();
}

void Output::start_pager() {
  const char* variable = std::getenv("PAGER");
  const std::string command = variable != nullptr ? variable : "less -R";
  if (command.empty() || command == "cat") return;
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return;
  const pid_t child = fork();
  if (child < 0) {
    close(ends[0]);
    close(ends[1]);
    return;
  }
  if (child == 0) {
    // As git does: quit if it fits on one screen, keep colours, leave the screen alone.
    setenv("LESS", "FRX", 0);
    signal(SIGPIPE, SIG_DFL);
    dup2(ends[0], STDIN_FILENO);
    const char* argv[] = {"sh", "-c", command.c_str(), nullptr};
    execv("/bin/sh", const_cast<char* const*>(argv));
    _exit(127);
  }
  close(ends[0]);
  fd_ = ends[1];
  pager_ = child;
}

Output::~Output() {
  flush();
  if (pager_ > 0) {
    if (fd_ >= 0) close(fd_);
    while (waitpid(pager_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
}

void Output::write(std::string_view text) {
  append_printable(buffer_, text);
  if (buffer_.size() >= kBufferBytes) flush();
}

void Output::write(Colour colour, std::string_view text) {
  if (!colours_ || colour == Colour::kNone) return write(text);
  buffer_ += sequence(colour);
  append_printable(buffer_, text);
  buffer_ += "\x1b[0m";
  if (buffer_.size() >= kBufferBytes) flush();
}

void Output::write_raw(std::string_view bytes) {
  buffer_ += bytes;
  if (buffer_.size() >= kBufferBytes) flush();
}

void Output::end_of_item() {
  if (pager_ > 0 || std::chrono::steady_clock::now() - last_flush_ >= kFlushInterval) flush();
}

void Output::flush() {
  std::string_view rest = buffer_;
  while (!rest.empty() && fd_ >= 0) {
    const ssize_t written = ::write(fd_, rest.data(), rest.size());
    if (written >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR) {
      if (fd_ != STDOUT_FILENO) close(fd_);
      fd_ = -1;
    }
  }
  buffer_.clear();
  last_flush_ = std::chrono::steady_clock::now();
}

}  // namespace vxs::tools
