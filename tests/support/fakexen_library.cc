#include "tests/support/fakexen_library.hh"

#include <cstdlib>

#include "tests/support/daemon_ready.hh"

namespace vxs::support {
namespace {

std::string variable(const Command& command, const std::string& name) {
  const auto set = command.env.find(name);
  if (set != command.env.end()) return set->second;
  const char* inherited = std::getenv(name.c_str());
  return inherited == nullptr ? "" : inherited;
}

}  // namespace

std::string fakexen_library() {
  const char* named = std::getenv("FAKEXEN_LIB");
  if (named != nullptr) return named;
  return required_env("VXS_BUILD_DIR") + "/tests/fakexen/libfakexen.so";
}

void expect_preloaded(Command& command) {
  const std::string options = variable(command, "ASAN_OPTIONS");
  command.env["ASAN_OPTIONS"] = options + (options.empty() ? "" : ":") + "verify_asan_link_order=0";
}

void preload_fakexen(const std::string& directory, Command& command) {
  command.env["FAKEXEN_DIR"] = directory;
  command.env["LD_PRELOAD"] = fakexen_library();
  expect_preloaded(command);
}

}  // namespace vxs::support
