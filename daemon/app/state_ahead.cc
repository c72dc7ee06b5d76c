#include "daemon/app/state_ahead.hh"

#include <algorithm>
#include <variant>
#include <vector>

#include "daemon/app/initial_tree.hh"
#include "store/env.hh"

namespace vxs::daemon {

void StateAhead::load(const config::Config& config, bool xen_present) {
  const auto env = store::make_posix_env();
  checkpoint = store::load_newest_checkpoint(*env, config.journal_dir, perms,
                                             initial_tree(stats, perms, config.control_domid));
  if (!checkpoint) return;
  hash = checkpoint->tree.state_hash();
  seq = checkpoint->meta.seq;
  watches = std::make_unique<WatchesAhead>(checkpoint->system);
  const auto& domains = checkpoint->system.domains;
  if (xen_present) {
    std::vector<DomId> introduced;
    for (const auto& [domid, domain] : domains) {
      if (domain.introduced && domid != config.store_domid) introduced.push_back(domid);
    }
    xen = XenAhead::look(introduced);
  }
  make_room(domains.size());
}

void StateAhead::note(const store::Record& record) {
  const auto* const state = std::get_if<store::StateRecord>(&record);
  if (state == nullptr || seq == 0) return;
  if (const auto* introduced = std::get_if<store::DomainIntroduced>(&state->change)) {
    begun.insert(introduced->domid);
  }
}

/// Memory for what guests will take has its pages then: the kernel's part of taking it is a fifth
/// of the time in which they are served again.
void StateAhead::make_room(std::size_t domains) {
  constexpr std::size_t kBlock = std::size_t{64} << 10;  // of the heap, not mapped
  constexpr std::size_t kPerDomain = 4096;
  constexpr std::size_t kMost = std::size_t{64} << 20;
  const std::size_t bytes = domains * kPerDomain;
  std::vector<std::unique_ptr<char[]>> blocks(std::min(bytes, kMost) / kBlock);
  for (auto& block : blocks) block = std::make_unique<char[]>(kBlock);
  border_ = std::make_unique<char[]>(kBlock);
}

}  // namespace vxs::daemon
