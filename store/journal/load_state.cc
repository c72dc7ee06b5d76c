#include "store/journal/load_state.hh"

#include "store/journal/recovery.hh"

namespace vxs::store {

tl::expected<void, JournalError> load_state(Env& env, const std::string& directory,
                                            const std::string& boot_id, PermTable& perms,
                                            Tree& tree, RecoveryReport& report) {
  JournalOptions options;
  options.directory = directory;
  options.boot_id = boot_id;
  options.keep_after_reboot = true;
  report = {};
  const std::function<void(const Record&)> nobody;
  const ReplayHook nothing;
  Recovery recovery(env, options, perms, tree, report, nobody, nothing);
  if (auto run = recovery.run(); !run) return run;
  if (recovery.damage()) return tl::unexpected(*recovery.damage());
  return {};
}

}  // namespace vxs::store
