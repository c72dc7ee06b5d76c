#include "daemon/app/poison_bundles.hh"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

#include "daemon/process/descriptor.hh"
#include "protocol/escape.hh"

namespace vxs::daemon {
namespace {

constexpr std::size_t kTraceBytes = 32 * 1024;
constexpr std::size_t kBytesPerLine = 16;
constexpr std::size_t kPatternBytes = 256;

std::string failed(std::string_view what, const std::string& path) {
  const int code = errno;
  return fmt::format("{} {}: {}", what, path, std::strerror(code));
}

/// The last `most` bytes of a file, from a line's beginning; empty if it cannot be read.
std::string end_of(const std::string& path, std::size_t most) {
  const process::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0) return {};
  const auto size = static_cast<std::size_t>(std::max<off_t>(status.st_size, 0));
  const std::size_t from = S_ISREG(status.st_mode) && size > most ? size - most : 0;
  std::string text(most, '\0');
  const ssize_t got = ::pread(file.get(), text.data(), text.size(), static_cast<off_t>(from));
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  if (from != 0) text.erase(0, std::min(text.find('\n'), text.size() - 1) + 1);
  return text;
}

/// "0000  0b 00 … |....|", 16 bytes a line. Byte by byte: these are the bytes that killed two
/// daemons in somebody's hands.
std::string dump(std::string_view bytes) {
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += kBytesPerLine) {
    text += fmt::format("{:04x} ", at);
    std::string shown;
    for (std::size_t i = at; i < at + kBytesPerLine; ++i) {
      if (i >= bytes.size()) {
        text += "   ";
        continue;
      }
      const auto byte = static_cast<unsigned char>(bytes[i]);
      text += fmt::format(" {:02x}", byte);
      shown += byte >= ' ' && byte <= '~' ? static_cast<char>(byte) : '.';
    }
    text += fmt::format("  |{}|\n", shown);
  }
  return text;
}

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error)) {
    names.push_back(at->path().filename().string());
  }
  std::sort(names.begin(), names.end());  // the time comes first
  return names;
}

}  // namespace

std::string poison_text(const PoisonedRequest& request, std::string_view trace,
                        std::string_view core_pattern) {
  std::string text =
      "A request that vxenstored died of twice in a row. It was answered EIO, and its connection\n"
      "was ended. What follows may be confidential: it is what a client sent.\n\n";
  const auto line = [&text](std::string_view key, const auto& value) {
    text += fmt::format("{}: {}\n", key, value);
  };
  line("time", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                           fmt::gmtime(static_cast<std::time_t>(request.time_us / 1'000'000))));
  line("version", request.version);
  line("died-of", request.died_of);
  line("core-pattern", protocol::escaped(core_pattern.substr(0, kPatternBytes)));
  line("connection", request.who);
  line("ordinal", request.ordinal);
  line("type",
       fmt::format("{} {}", request.header.type, protocol::message_name(request.header.type)));
  line("req-id", request.header.req_id);
  line("tx-id", request.header.tx_id);
  line("payload-bytes", request.payload.size());
  text += "\nits payload:\n";
  text += dump(request.payload);
  if (!trace.empty()) {
    text += "\nend of the trace:\n";
    text += trace;
  }
  text.resize(std::min(text.size(), PoisonBundles::kMostBytes));
  return text;
}

tl::expected<std::string, std::string> PoisonBundles::write(const PoisonedRequest& request) const {
  if (::mkdir(directory_.c_str(), 0700) != 0 && errno != EEXIST) {
    return tl::unexpected(failed("cannot make", directory_));
  }
  const auto when = static_cast<std::time_t>(request.time_us / 1'000'000);
  std::string path = fmt::format("{}/{:%Y%m%dT%H%M%SZ}-{}-{}", directory_, fmt::gmtime(when),
                                 request.connection, request.ordinal);
  std::string trace;
  if (!request.trace_file.empty()) trace = end_of(std::string(request.trace_file), kTraceBytes);
  std::string pattern = end_of("/proc/sys/kernel/core_pattern", kPatternBytes);
  pattern.erase(std::min(pattern.find('\n'), pattern.size()));
  const std::string text = poison_text(request, trace, pattern);
  {
    const process::Descriptor file(
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) return tl::unexpected(failed("cannot create", path));
    errno = ENOSPC;  // of a short write, which has no other reason here
    if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
      auto error = failed("cannot write", path);
      (void)::unlink(path.c_str());
      return tl::unexpected(std::move(error));
    }
  }
  const auto names = names_in(directory_);
  for (std::size_t i = 0; i + kMostFiles < names.size(); ++i) {
    (void)::unlink((directory_ + "/" + names[i]).c_str());
  }
  return path;
}

PoisonBundles::Kept PoisonBundles::kept() const {
  const auto names = names_in(directory_);
  return {.count = names.size(), .newest = names.empty() ? "" : directory_ + "/" + names.back()};
}

}  // namespace vxs::daemon
