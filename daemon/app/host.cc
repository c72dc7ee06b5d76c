#include "daemon/app/host.hh"

#include <unistd.h>

#include <fstream>

namespace vxs::daemon {

std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  if (!std::getline(file, id) || id.empty()) return "unknown";
  return id;
}

std::string host_name() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "localhost";
  return name;
}

int process_id() { return ::getpid(); }

}  // namespace vxs::daemon
