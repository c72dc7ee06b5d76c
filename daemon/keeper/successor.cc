#include "daemon/keeper/successor.hh"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <spdlog/spdlog.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <iterator>

#include "daemon/supervisor/channel.hh"

namespace vxs::keeper {
namespace {

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  for (auto& text : strings) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

std::vector<std::string> environment_with(const std::string& variable) {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) result.emplace_back(*entry);
  result.push_back(variable);
  return result;
}

/// An errno, or 0. The new process has `channel`, no signal blocked, and none ignored of those that
/// the daemon may ignore.
int spawn_process(pid_t& pid, const std::string& path, int channel,
                  std::vector<std::string> arguments, std::vector<std::string> environment) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_adddup2(&actions, channel, channel);  // that is: kept over exec
  sigset_t none;
  sigset_t all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  const int error = ::posix_spawn(&pid, path.c_str(), &actions, &attributes,
                                  pointers(arguments).data(), pointers(environment).data());
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  return error;
}

}  // namespace

Successor Successor::like(pid_t supervisor) {
  const std::string process = "/proc/" + std::to_string(supervisor);
  Successor result;
  result.binary_.reset(::open((process + "/exe").c_str(), O_PATH | O_CLOEXEC));
  std::ifstream stream(process + "/cmdline", std::ios::binary);
  for (std::string word; std::getline(stream, word, '\0');) result.arguments_.push_back(word);
  return result;
}

process::Descriptor Successor::spawn() {
  if (spawned_ > 0 && ::waitpid(spawned_, nullptr, WNOHANG) != 0) spawned_ = -1;
  if (!binary_ || arguments_.empty()) return {};
  auto pair = supervisor::Channel::make_pair();
  if (!pair) {
    spdlog::error("no other supervisor can be started: {}", pair.error().text);
    return {};
  }
  const int theirs = pair->second.get();
  const int error = spawn_process(
      spawned_, "/proc/self/fd/" + std::to_string(binary_.get()), theirs, arguments_,
      environment_with(std::string(supervisor::kAdoptVariable) + "=" + std::to_string(theirs)));
  if (error != 0) {
    spdlog::error("no other supervisor can be started: {}", std::strerror(error));
    return {};
  }
  return std::move(pair->first);
}

}  // namespace vxs::keeper
