#include "daemon/app/state_ahead.hh"

#include <algorithm>
#include <vector>

#include "daemon/app/initial_tree.hh"
#include "store/env.hh"

namespace vxs::daemon {

void StateAhead::load(const config::Config& config) {
  const auto env = store::make_posix_env();
  checkpoint = store::load_newest_checkpoint(*env, config.journal_dir, perms,
                                             initial_tree(stats, perms, config.control_domid));
  if (!checkpoint) return;
  hash = checkpoint->tree.state_hash();
  make_room();
}

/// Memory for what guests and their watches will take has its pages then: the kernel's part of
/// taking it is a fifth of the time in which they are served again.
void StateAhead::make_room() {
  constexpr std::size_t kBlock = std::size_t{64} << 10;  // of the heap, not mapped
  constexpr std::size_t kPerDomain = 4096;
  constexpr std::size_t kPerWatch = 512;
  constexpr std::size_t kMost = std::size_t{64} << 20;
  std::size_t bytes = checkpoint->system.domains.size() * kPerDomain;
  for (const auto& [id, connection] : checkpoint->system.connections) {
    bytes += connection.watches.size() * kPerWatch;
  }
  std::vector<std::unique_ptr<char[]>> blocks(std::min(bytes, kMost) / kBlock);
  for (auto& block : blocks) block = std::make_unique<char[]>(kBlock);
  border_ = std::make_unique<char[]>(kBlock);
}

}  // namespace vxs::daemon
