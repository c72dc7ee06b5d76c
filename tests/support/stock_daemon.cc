#include "tests/support/stock_daemon.hh"

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>

#include "tests/support/daemon_ready.hh"

namespace vxs::support {
namespace {

constexpr const char* kPrograms = "/usr/lib/xen-4.17/bin";

std::string library_path() {
  const char* named = std::getenv("FAKEXEN_LIB");
  if (named != nullptr) return named;
  return required_env("VXS_BUILD_DIR") + "/tests/fakexen/libfakexen.so";
}

Command command_for(const std::string& kind, const std::string& rundir,
                    const std::string& domains) {
  Command command;
  command.argv = {required_env("VXS_SOURCE_DIR") + "/tests/fakexen/run-stock", kind, rundir};
  command.env = {{"FAKEXEN_LIB", library_path()}, {"FAKEXEN_DOMAINS", domains}};
  command.output = rundir + "/output";
  return command;
}

}  // namespace

bool StockDaemon::installed() {
  const std::string programs(kPrograms);
  return access((programs + "/xenstored").c_str(), X_OK) == 0 &&
         access((programs + "/oxenstored").c_str(), X_OK) == 0;
}

StockDaemon::StockDaemon(const std::string& kind, const std::string& rundir,
                         const std::string& domains)
    : socket_path_(rundir + "/socket"), process_([&] {
        std::filesystem::create_directories(rundir);
        return ChildProcess(command_for(kind, rundir, domains));
      }()) {
  wait_until_answering(process_, socket_path_, rundir + "/output", std::chrono::seconds(10));
}

StockDaemon StockDaemon::start_c(const std::string& rundir, const std::string& domains) {
  return {"c", rundir, domains};
}

StockDaemon StockDaemon::start_oxenstored(const std::string& rundir, const std::string& domains) {
  return {"ocaml", rundir, domains};
}

}  // namespace vxs::support
