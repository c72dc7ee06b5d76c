#include "tests/conformance/run_client.hh"

#include <sys/wait.h>

#include <fstream>
#include <iterator>

#include "tests/support/child_process.hh"
#include "tests/support/temp_dir.hh"

namespace vxs::conformance {

ClientResult run_client(const std::string& rundir, const std::vector<std::string>& argv,
                        const std::vector<std::string>& environment) {
  const support::TempDir dir("/dev/shm");
  const std::string output = dir.path() + "/output";
  support::Command command;
  command.argv = argv;
  command.env["XENSTORED_RUNDIR"] = rundir;
  for (const auto& entry : environment) {
    const auto equals = entry.find('=');
    command.env[entry.substr(0, equals)] = entry.substr(equals + 1);
  }
  command.unset = {"XENSTORED_PATH"};
  command.output = output;
  support::ChildProcess child(command);
  const auto status = child.wait(std::chrono::seconds(30));
  ClientResult result;
  if (status && WIFEXITED(*status)) result.exit_code = WEXITSTATUS(*status);
  std::ifstream stream(output);
  result.output.assign(std::istreambuf_iterator<char>(stream), {});
  return result;
}

}  // namespace vxs::conformance
