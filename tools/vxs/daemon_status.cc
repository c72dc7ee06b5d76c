#include "tools/vxs/daemon_status.hh"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <future>
#include <memory>
#include <string_view>
#include <thread>

extern "C" {  // the header has no guard for C++
#include <xenstore.h>
}

namespace vxs::tools {
namespace {

constexpr std::chrono::seconds kPatience{5};

struct CloseHandle {
  void operator()(xs_handle* handle) const noexcept { xs_close(handle); }
};
struct FreeText {
  void operator()(char* text) const noexcept { std::free(text); }
};

using Answer = tl::expected<std::string, std::string>;

DaemonStatus parse(std::string_view text) {
  DaemonStatus status;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t colon = line.find(": ");
    if (colon == std::string_view::npos) continue;
    status.emplace_back(line.substr(0, colon), line.substr(colon + 2));
  }
  return status;
}

Answer ask(const std::string& socket, const std::string& command, const std::string& arguments) {
  const std::unique_ptr<xs_handle, CloseHandle> handle(xs_open(0));
  if (!handle) {
    return tl::make_unexpected(
        fmt::format("no daemon answers at {}: {}", socket, std::strerror(errno)));
  }
  std::string name = command;  // libxenstore takes what it does not change as changeable
  std::string data = arguments;
  const std::unique_ptr<char, FreeText> text(xs_control_command(
      handle.get(), name.data(), data.data(), static_cast<unsigned int>(data.size())));
  if (!text && (errno == EINVAL || errno == ENOSYS)) {
    return tl::make_unexpected(
        fmt::format("the daemon at {} is no vxenstored: it does not know {}", socket, command));
  }
  if (!text) {
    return tl::make_unexpected(
        fmt::format("the daemon at {} refused {}: {}", socket, command, std::strerror(errno)));
  }
  return std::string(text.get());
}

}  // namespace

Answer ask_daemon_text(const std::string& socket, const std::string& command,
                       const std::string& arguments) {
  struct stat info {};
  if (stat(socket.c_str(), &info) != 0) {
    return tl::make_unexpected(
        fmt::format("no daemon answers at {}: {}", socket, std::strerror(errno)));
  }
  setenv("XENSTORED_PATH", socket.c_str(), 1);  // where libxenstore looks
  // libxenstore waits for ever; a daemon that hangs must not hang its diagnosis.
  std::promise<Answer> promise;
  std::future<Answer> answer = promise.get_future();
  std::thread([promise = std::move(promise), socket, command, arguments]() mutable {
    promise.set_value(ask(socket, command, arguments));
  }).detach();
  if (answer.wait_for(kPatience) != std::future_status::ready) {
    return tl::make_unexpected(
        fmt::format("the daemon at {} did not answer within {} s", socket, kPatience.count()));
  }
  return answer.get();
}

tl::expected<DaemonStatus, std::string> ask_daemon(const std::string& socket) {
  const auto text = ask_daemon_text(socket, "vxs-status", {});
  if (!text) return tl::make_unexpected(text.error());
  return parse(*text);
}

}  // namespace vxs::tools
