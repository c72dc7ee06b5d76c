// Starts tiny_daemon with everything it writes in a private directory.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/child_process.hh"
#include "tests/support/temp_dir.hh"

#include <gtest/gtest.h>

namespace vxs::testing_shell {

inline std::string read_text(const std::string& path) {
  std::ifstream stream(path);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

/// Waits until `condition` holds, at most ten seconds; says whether it does.
template <typename Condition>
bool eventually(Condition condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return condition();
}

class TinyDaemonTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::string in(const std::string& name) const { return dir_.path() + "/" + name; }
  [[nodiscard]] std::string output() const { return read_text(in("output")); }

  /// Each start gets an own output file name, so that two instances can be told apart.
  support::ChildProcess start(const std::vector<std::string>& arguments,
                              std::map<std::string, std::string> env = {},
                              const std::string& output_name = "output") {
    const char* build = std::getenv("VXS_BUILD_DIR");
    support::Command command;
    command.argv = {std::string(build ? build : ".") + "/tests/daemon/shell/tiny_daemon"};
    command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
    command.env = std::move(env);
    command.env.try_emplace("XENSTORED_RUNDIR", in("run"));
    command.unset = {"XENSTORED_PATH"};
    if (!command.env.contains("NOTIFY_SOCKET")) command.unset.push_back("NOTIFY_SOCKET");
    command.output = in(output_name);
    return support::ChildProcess(command);
  }

  /// Starts a foreground instance and waits until it is ready.
  support::ChildProcess start_ready(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "-N");
    support::ChildProcess daemon = start(arguments);
    EXPECT_TRUE(eventually([&] { return output().find("ready") != std::string::npos; }))
        << output();
    return daemon;
  }

  /// The exit code of a process that must end by itself; -1 if it does not.
  static int exit_code(support::ChildProcess& process) {
    const auto status = process.wait(std::chrono::seconds(10));
    return status && WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
  }

  support::TempDir dir_;
};

}  // namespace vxs::testing_shell
