#include "tools/vxs/state_place.hh"

#include <fstream>

namespace vxs::tools {
namespace {

using protocol::Access;
using protocol::PermEntry;

store::Tree first_tree(store::TreeStats& stats, store::PermTable& perms, DomId control) {
  const PermEntry owner{.domid = control, .access = Access::kNone};
  const PermEntry anybody{.domid = kDomIdAny, .access = Access::kRead};
  const store::PermRef own = perms.intern(std::array{owner});
  return {stats, own, own, perms.intern(std::array{owner, anybody})};
}

}  // namespace

StateTree::StateTree(DomId control) : tree_(first_tree(stats_, perms_, control)) {}

std::string running_boot() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string boot;
  std::getline(file, boot);
  return boot;
}

}  // namespace vxs::tools
