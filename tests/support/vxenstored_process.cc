#include "tests/support/vxenstored_process.hh"

#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <utility>

#include "tests/support/daemon_ready.hh"
#include "tests/support/fakexen_library.hh"

namespace vxs::support {
namespace {

std::string program() { return required_env("VXS_BUILD_DIR") + "/daemon/vxenstored"; }

}  // namespace

VxenstoredProcess::VxenstoredProcess(VxenstoredOptions options)
    : options_(std::move(options)), dir_(options_.parent_dir) {
  start();
}

void VxenstoredProcess::start() {
  require_program(program(), "ninja vxenstored");
  Command command;
  command.argv = options_.wrapper;
  for (const std::string& argument : std::vector<std::string>{
           program(), "--no-fork", "--xen", options_.machine.empty() ? "off" : "on", "--state-dir",
           state_dir(), "--journal-dir", journal_dir(), "--pid-file", dir() + "/pid"}) {
    command.argv.push_back(argument);
  }
  command.argv.insert(command.argv.end(), options_.args.begin(), options_.args.end());
  command.env = options_.env;
  command.env["XENSTORED_RUNDIR"] = dir();
  if (!options_.machine.empty()) preload_fakexen(options_.machine, command);
  command.unset = {"XENSTORED_PATH", "NOTIFY_SOCKET"};
  command.output = output_path();
  process_.emplace(command);
  wait_until_answering(*process_, socket_path(), output_path(), options_.start_timeout);
}

std::string VxenstoredProcess::output() const {
  std::ifstream file(output_path());
  return {std::istreambuf_iterator<char>(file), {}};
}

void VxenstoredProcess::kill9() { process_->kill9(); }

void VxenstoredProcess::restart() {
  process_->kill9();
  start();
}

std::optional<int> VxenstoredProcess::terminate(std::chrono::milliseconds timeout) {
  process_->signal(SIGTERM);
  auto status = process_->wait(timeout);
  if (!status) process_->kill9();
  return status;
}

}  // namespace vxs::support
