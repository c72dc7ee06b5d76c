#include "tests/tools/run_vxs.hh"

#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "tests/support/child_process.hh"
#include "tests/support/daemon_ready.hh"
#include "tests/support/temp_dir.hh"

namespace vxs::test {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

std::string vxs_binary() {
  const std::string path = support::required_env("VXS_BUILD_DIR") + "/tools/vxs";
  support::require_program(path, "ninja vxs");
  return path;
}

Outcome run_vxs(const std::vector<std::string>& arguments,
                const std::map<std::string, std::string>& environment) {
  const support::TempDir dir;
  support::Command command;
  command.argv = {"/bin/sh", "-c", "d=$0; exec \"$@\" >\"$d/out\" 2>\"$d/err\"", dir.path(),
                  vxs_binary()};
  command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
  command.env = environment;
  command.env.emplace("TZ", "UTC");
  support::ChildProcess child(command);
  const auto status = child.wait(std::chrono::seconds(60));
  if (!status) throw std::runtime_error("vxs does not end");
  Outcome run;
  run.exit_code = WIFEXITED(*status) ? WEXITSTATUS(*status) : 128 + WTERMSIG(*status);
  run.out = read_file(dir.path() + "/out");
  run.err = read_file(dir.path() + "/err");
  return run;
}

Outcome run_vxs_on_terminal(const std::vector<std::string>& arguments,
                            const std::map<std::string, std::string>& environment) {
  const std::string binary = vxs_binary();
  std::vector<char*> argv{const_cast<char*>(binary.c_str())};
  for (const std::string& each : arguments) argv.push_back(const_cast<char*>(each.c_str()));
  argv.push_back(nullptr);
  int terminal = -1;
  const pid_t child = forkpty(&terminal, nullptr, nullptr, nullptr);
  if (child < 0) throw std::runtime_error("forkpty failed");
  if (child == 0) {
    unsetenv("NO_COLOR");
    unsetenv("PAGER");
    setenv("TZ", "UTC", 1);
    for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
    execv(binary.c_str(), argv.data());
    _exit(127);
  }
  Outcome run;
  std::array<char, 4096> chunk{};
  for (ssize_t got = 0; (got = read(terminal, chunk.data(), chunk.size())) > 0;) {
    run.out.append(chunk.data(), static_cast<std::size_t>(got));
  }
  close(terminal);
  int status = 0;
  waitpid(child, &status, 0);
  run.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return run;
}

}  // namespace vxs::test
