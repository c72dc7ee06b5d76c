#include "tests/support/stock_daemon.hh"

#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "tests/support/daemon_ready.hh"
#include "tests/support/fakexen_library.hh"

namespace vxs::support {
namespace {

constexpr const char* kPrograms = "/usr/lib/xen-4.17/bin";

Command command_for(const std::string& kind, const std::string& rundir, const std::string& domains,
                    const std::string& machine, const std::vector<std::string>& options) {
  for (const char* program : {"/xenstored", "/oxenstored"}) {
    require_program(std::string(kPrograms) + program, "apt install xen-utils-4.17");
  }
  require_program(fakexen_library(), "ninja fakexen");
  Command command;
  command.argv = {required_env("VXS_SOURCE_DIR") + "/tests/fakexen/run-stock", kind, rundir};
  command.argv.insert(command.argv.end(), options.begin(), options.end());
  command.env = {{"FAKEXEN_LIB", fakexen_library()}, {"FAKEXEN_DOMAINS", domains}};
  if (!machine.empty()) command.env["FAKEXEN_DIR"] = machine;
  expect_preloaded(command);  // one of ours may follow in its process
  command.output = rundir + "/output";
  return command;
}

}  // namespace

StockDaemon::StockDaemon(const std::string& kind, const std::string& rundir,
                         const std::string& domains, const std::string& machine,
                         const std::vector<std::string>& options)
    : socket_path_(rundir + "/socket"), process_([&] {
        std::filesystem::create_directories(rundir);
        return ChildProcess(command_for(kind, rundir, domains, machine, options));
      }()) {
  wait_until_answering(process_, socket_path_, rundir + "/output", std::chrono::seconds(10));
}

StockDaemon StockDaemon::start_c(const std::string& rundir, const std::string& domains,
                                 const std::string& machine,
                                 const std::vector<std::string>& options) {
  return {"c", rundir, domains, machine, options};
}

StockDaemon StockDaemon::start_oxenstored(const std::string& rundir, const std::string& domains,
                                          const std::string& machine) {
  return {"ocaml", rundir, domains, machine};
}

}  // namespace vxs::support
