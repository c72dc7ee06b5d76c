#include "tests/fakexen/the_machine.hh"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <system_error>

namespace vxs::fakexen {

Machine* the_machine() {
  // Never destroyed: the daemons' own exit handlers may still close ports.
  static Machine* const machine = []() -> Machine* {
    const char* directory = std::getenv("FAKEXEN_DIR");
    if (directory == nullptr) return nullptr;
    try {
      auto machine = std::make_unique<Machine>(directory);
      machine->forget_mappings();
      return machine.release();
    } catch (const std::system_error& error) {
      std::fprintf(stderr, "fakexen: FAKEXEN_DIR: %s\n", error.what());
      std::_Exit(2);
    }
  }();
  return machine;
}

uint32_t the_domid() {
  const char* domid = std::getenv("FAKEXEN_DOMID");
  return domid == nullptr ? 0 : static_cast<uint32_t>(std::strtoul(domid, nullptr, 10));
}

}  // namespace vxs::fakexen
