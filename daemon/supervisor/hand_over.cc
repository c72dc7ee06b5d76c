#include "daemon/supervisor/hand_over.hh"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "daemon/supervisor/message.hh"
#include "store/crash_point.hh"

namespace vxs::supervisor {
namespace {

// Words that end in NUL: a mark, then kind and text in turn, then the mark again.
constexpr std::string_view kMark = "vxenstored-hand-over-1";
constexpr std::size_t kMaxBytes = 1U << 20;

void put(std::string& text, std::string_view word) {
  text.append(word);
  text.push_back('\0');
}

/// Signals and descriptors as a program expects them; undone at the end.
class Undressed {
 public:
  Undressed() {
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, &mask_);
  }
  ~Undressed() {
    ::sigprocmask(SIG_SETMASK, &mask_, nullptr);
    for (const auto& [fd, flags] : passed_) {
      (void)::fcntl(fd, F_SETFD, FD_CLOEXEC);
      (void)::fcntl(fd, F_SETFL, flags);
    }
    for (auto at = renamed_.rbegin(); at != renamed_.rend(); ++at) {
      (void)::rename(at->second.c_str(), at->first.c_str());
    }
  }
  Undressed(const Undressed&) = delete;
  Undressed& operator=(const Undressed&) = delete;

  bool pass(int fd) {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFD, 0) != 0) return false;
    passed_.emplace_back(fd, flags);
    return ::fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == 0;
  }
  bool rename(const std::pair<std::string, std::string>& names) {
    if (::rename(names.first.c_str(), names.second.c_str()) != 0) return false;
    renamed_.push_back(names);
    return true;
  }

 private:
  sigset_t mask_{};
  std::vector<std::pair<int, int>> passed_;  ///< with their flags
  std::vector<std::pair<std::string, std::string>> renamed_;
};

}  // namespace

process::StartResult<process::Descriptor> write_hand_over(const HandOver& order) {
  std::string text;
  put(text, kMark);
  const auto add = [&text](std::string_view kind, std::string_view word) {
    put(text, kind);
    put(text, word);
    return word.find('\0') == std::string_view::npos;
  };
  bool good = add("file", order.file);
  for (const auto& word : order.arguments) good &= add("argument", word);
  for (const auto& name : order.descriptors) good &= add("descriptor", name);
  for (const auto& [from, to] : order.renames) {
    good &= add("from", from);
    good &= add("to", to);
  }
  put(text, kMark);
  if (!good || text.size() > kMaxBytes) {
    return process::start_error("the order to hand over is too long, or has a NUL in it");
  }
  process::Descriptor file(::memfd_create("hand-over", MFD_CLOEXEC));
  if (!file) return process::start_error("no memory for the order to hand over", errno);
  if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
    return process::start_error("no memory for the order to hand over", errno);
  }
  return file;
}

std::optional<HandOver> read_hand_over(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0 || status.st_size <= 0 ||
      static_cast<std::size_t>(status.st_size) > kMaxBytes) {
    return std::nullopt;
  }
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  if (::pread(fd, text.data(), text.size(), 0) != status.st_size) return std::nullopt;
  std::string_view left = text;
  const auto word = [&left]() -> std::optional<std::string> {
    const auto end = left.find('\0');
    if (end == std::string_view::npos) return std::nullopt;
    std::string result(left.substr(0, end));
    left.remove_prefix(end + 1);
    return result;
  };
  if (word() != kMark) return std::nullopt;
  HandOver order;
  for (;;) {
    const auto kind = word();
    if (kind == kMark) break;
    auto value = kind ? word() : std::nullopt;
    if (!value) return std::nullopt;
    if (kind == "file") order.file = *std::move(value);
    if (kind == "argument") order.arguments.push_back(*std::move(value));
    if (kind == "descriptor") order.descriptors.push_back(*std::move(value));
    if (kind == "from") order.renames.emplace_back(*std::move(value), std::string());
    if (kind == "to" && !order.renames.empty()) order.renames.back().second = *std::move(value);
  }
  if (!left.empty() || !order.file.starts_with('/') || order.arguments.empty()) {
    return std::nullopt;
  }
  return order;
}

process::StartError become(const HandOver& order,
                           const std::function<int(const std::string&)>& find) {
  Undressed undressed;
  for (const auto& name : order.descriptors) {
    if (!undressed.pass(find(name))) return {name + " is not kept"};
  }
  std::vector<std::string> words = order.arguments;
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::vector<char*> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!std::string_view(*entry).starts_with("VXENSTORED_")) environment.push_back(*entry);
  }
  environment.push_back(nullptr);
  VXS_CRASH_POINT("supervisor-undressed");
  for (const auto& names : order.renames) {
    if (undressed.rename(names)) continue;
    return process::start_error("cannot rename " + names.first, errno).value();
  }
  VXS_CRASH_POINT("supervisor-renamed");
  ::execve(order.file.c_str(), argv.data(), environment.data());
  return process::start_error("cannot run " + order.file, errno).value();
}

}  // namespace vxs::supervisor
