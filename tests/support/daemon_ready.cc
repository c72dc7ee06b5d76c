#include "tests/support/daemon_ready.hh"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <thread>

#include "tests/support/wire_client.hh"

namespace vxs::support {
namespace {

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool answers(const std::string& socket_path) {
  try {
    WireClient client(socket_path);
    const Frame reply = client.call(kRead, zstrings({"/"}));
    // A4: in a split store a socket may not read it.
    return reply.error().empty() || reply.error() == "EACCES";
  } catch (const WireError&) {
    return false;
  }
}

std::string ending(int status) {
  return WIFSIGNALED(status) ? "ended by signal " + std::to_string(WTERMSIG(status))
                             : "exited with " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

std::string required_env(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) throw std::runtime_error(std::string(name) + " is not set");
  return value;
}

void require_program(const std::string& path, const std::string& remedy) {
  if (access(path.c_str(), R_OK) != 0) {
    throw std::runtime_error(path + " is missing; to get it: " + remedy);
  }
}

void wait_until_answering(ChildProcess& process, const std::string& socket_path,
                          const std::string& output, std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!answers(socket_path)) {
    if (const auto status = process.wait(std::chrono::milliseconds(0))) {
      throw std::runtime_error("the daemon " + ending(*status) + ":\n" + text_of(output));
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      throw std::runtime_error("no answer at " + socket_path + ":\n" + text_of(output));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

}  // namespace vxs::support
