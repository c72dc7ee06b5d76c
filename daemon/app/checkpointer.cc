#include "daemon/app/checkpointer.hh"

#include <pthread.h>

#include <cerrno>
#include <new>
#include <string>
#include <system_error>
#include <utility>

#include "daemon/process/signals.hh"

namespace vxs::daemon {
namespace {

store::IoResult<void> taken_back() {
  return tl::unexpected(store::IoError{ECANCELED, "its records were taken back"});
}

}  // namespace

Checkpointer::Checkpointer(store::Env& env, std::string directory, Hooks hooks)
    : env_(env), directory_(std::move(directory)), hooks_(std::move(hooks)) {}

Checkpointer::~Checkpointer() { join(); }

void Checkpointer::join() {
  decide(Verdict::kDrop);
  if (gathering_) {
    hooks_.cancel_capture();
    gathering_.reset();
    snapshot_.reset();
  }
  if (thread_.joinable()) thread_.join();
}

void Checkpointer::start(store::CheckpointMeta meta, const store::Tree& tree) {
  join();
  snapshot_ = tree;
  seq_ = meta.seq;
  verdict_ = Verdict::kOpen;
  gathering_ = std::move(meta);
  hooks_.begin_capture();
}

void Checkpointer::go_on() {
  if (!gathering_) return;
  if (verdict_ == Verdict::kDrop) {
    hooks_.cancel_capture();
    gathering_.reset();
    ended(seq_, taken_back());
    return;
  }
  auto whole = hooks_.capture_piece();
  if (!whole) return;
  system_ = *std::move(whole);
  begin_thread(*std::exchange(gathering_, std::nullopt));
}

void Checkpointer::begin_thread(store::CheckpointMeta meta) {
  const process::SignalsBlocked blocked;
  try {
    thread_ = std::thread([this, meta = std::move(meta)] {
      (void)pthread_setname_np(pthread_self(), "vxs-checkpoint");
      outcome_ = try_to_write(meta);
      // Here: to free what thousands of guests watch would hold up the main thread.
      system_ = {};
      hooks_.post([this] { ended(seq_, outcome_); });
    });
  } catch (const std::system_error& error) {
    system_ = {};
    ended(seq_, tl::unexpected(store::IoError{EAGAIN, std::string("a thread: ") + error.what()}));
  }
}

void Checkpointer::ended(Seq seq, const store::IoResult<void>& result) {
  snapshot_.reset();
  const bool failed = !result && result.error().code != ECANCELED;
  rests_until_us_ = failed ? hooks_.now_us() + kRestUs : 0;
  hooks_.done(seq, result);
}

/// What a thread throws ends the daemon.
store::IoResult<void> Checkpointer::try_to_write(const store::CheckpointMeta& meta) {
  try {
    return write(meta);
  } catch (const std::bad_alloc&) {
  }
  try {
    store::drop_checkpoint(env_, directory_, meta.seq);
  } catch (const std::bad_alloc&) {  // the next start removes it
  }
  return tl::unexpected(store::IoError{ENOMEM, "no memory"});
}

store::IoResult<void> Checkpointer::write(const store::CheckpointMeta& meta) {
  auto prepared = store::prepare_checkpoint(env_, directory_, meta, *snapshot_, system_);
  if (!prepared) return prepared;
  std::unique_lock lock(mutex_);
  decided_.wait(lock, [this] { return verdict_ != Verdict::kOpen; });
  if (verdict_ == Verdict::kPublish) {
    lock.unlock();
    return store::publish_checkpoint(env_, directory_, meta.seq);
  }
  store::drop_checkpoint(env_, directory_, meta.seq);
  return taken_back();
}

void Checkpointer::decide(Verdict verdict) {
  const std::lock_guard lock(mutex_);
  if (verdict_ != Verdict::kOpen) return;
  verdict_ = verdict;
  decided_.notify_all();
}

void Checkpointer::progressed(Seq safe) {
  if (busy() && safe >= seq_) decide(Verdict::kPublish);
}

void Checkpointer::rolled_back() {
  if (busy()) decide(Verdict::kDrop);
}

store::IoResult<void> Checkpointer::write_now(const store::CheckpointMeta& meta,
                                              const store::Tree& tree) {
  join();
  return store::write_checkpoint(env_, directory_, meta, tree, hooks_.capture());
}

}  // namespace vxs::daemon
