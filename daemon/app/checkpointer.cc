#include "daemon/app/checkpointer.hh"

#include <pthread.h>

#include <utility>

#include "daemon/process/signals.hh"

namespace vxs::daemon {

Checkpointer::Checkpointer(store::Env& env, std::string directory, Hooks hooks)
    : env_(env), directory_(std::move(directory)), hooks_(std::move(hooks)) {}

Checkpointer::~Checkpointer() { join(); }

void Checkpointer::join() {
  if (thread_.joinable()) thread_.join();
}

void Checkpointer::start(store::CheckpointMeta meta, const store::Tree& tree) {
  join();
  snapshot_ = tree;
  const process::SignalsBlocked blocked;
  thread_ = std::thread([this, meta = std::move(meta)] {
    auto result = store::write_checkpoint(env_, directory_, meta, *snapshot_);
    hooks_.post([this, seq = meta.seq, result = std::move(result)] {
      snapshot_.reset();
      hooks_.done(seq, result);
    });
  });
  (void)pthread_setname_np(thread_.native_handle(), "vxs-checkpoint");
}

store::IoResult<void> Checkpointer::write_now(const store::CheckpointMeta& meta,
                                              const store::Tree& tree) {
  join();
  return store::write_checkpoint(env_, directory_, meta, tree);
}

}  // namespace vxs::daemon
