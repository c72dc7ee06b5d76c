// Live update, the new program's half, and the old one's when it is started again (docs/design.md).
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "daemon/app/daemon.hh"
#include "daemon/app/initial_tree.hh"
#include "daemon/app/stock_update.hh"
#include "daemon/app/version.hh"
#include "store/crash_point.hh"
#include "store/system_state.hh"
#include "store/tree_hash.hh"

namespace vxs::daemon {
namespace {

using keeper::UpdateRole;

/// For requests that were read before a hot swap.
constexpr std::int64_t kSettleUs = 1'000'000;
constexpr std::int64_t kHistoryMs = 200;

}  // namespace

// --- the start after an update -------------------------------------------------

process::StartResult<void> Daemon::take_update_note(keeper::Inheritance& inheritance) {
  update_role_ = inheritance.update;
  for (auto& kept : inheritance.descriptors) {
    if (kept.name != kUpdateName) continue;
    update_fd_ = std::move(kept.fd);
    update_note_ = UpdateNote::read(update_fd_.get());
  }
  if (update_role_ == UpdateRole::kTrial) {
    if (!update_note_) return process::start_error("what the old program left cannot be read");
    return {};
  }
  if (!update_note_) {
    if (update_fd_) keeper_->release(kUpdateName);
    return {};
  }
  const bool failed = update_role_ != UpdateRole::kNone;
  if (failed || update_note_->stage == UpdateNote::Stage::kPrepared) {
    std::string why = "this one died before the new one was started";
    if (failed) {
      why = update_role_ == UpdateRole::kTimedOut ? std::string(kNotInTime)
                                                  : how_it_ended(inheritance.previous_status);
      if (!update_note_->text.empty()) why += ": " + update_note_->text;
    }
    update_note_->stage = UpdateNote::Stage::kFailed;
    update_note_->text = old_one_goes_on(why);
    (void)update_note_->write_to(update_fd_.get());
  }
  return {};
}

tl::expected<void, std::string> Daemon::confirm_update(const store::Tree& tree,
                                                       const store::RecoveryReport& report) {
  if (report.last_seq != update_note_->seq) {
    return tl::unexpected(fmt::format("its state is that at Seq {}, and the old one's at {}",
                                      report.last_seq, update_note_->seq));
  }
  // Most of it was hashed before this program's turn came.
  const auto& read = ahead_->checkpoint;
  const std::uint64_t hash =
      read ? store::state_hash_from(tree, read->tree, ahead_->hash) : tree.state_hash();
  if (hash != update_note_->tree_hash) {
    return tl::unexpected(std::string("its tree is not the old one's"));
  }
  if (store::state_hash(report.system) != update_note_->system_hash) {
    return tl::unexpected(std::string("its domains, watches or quotas are not the old one's"));
  }
  if (hypervisor_) {
    const auto now = hypervisor_->domains();
    if (!now) return tl::unexpected(std::string("Xen does not tell it which domains there are"));
    trust_ahead(*now, report);
  }
  VXS_CRASH_POINT("trial-confirmed");
  // Before the supervisor knows: a start that finds it there without being told of a failure is one
  // of the new program.
  update_note_->stage = UpdateNote::Stage::kTakenOver;
  update_note_->text = "OK";
  bool told = update_note_->write_to(update_fd_.get());
  VXS_CRASH_POINT("trial-marked");
  told = told && keeper_->taken_over();
  VXS_CRASH_POINT("trial-taken-over");
  if (!told) return tl::unexpected(std::string("it could not tell the supervisor"));
  update_confirmed_ = true;
  return {};
}

/// What was mapped and looked up ahead, as far as neither Xen nor the old program has changed it
/// since: what the old one did to rings is in the records behind the checkpoint.
void Daemon::trust_ahead(std::span<const DomainInfo> now, const store::RecoveryReport& report) {
  if (report.checkpoint_seq != ahead_->seq) return;  // who knows what is between the two
  const auto unchanged = [&](DomId domid) { return !ahead_->begun.contains(domid); };
  hypervisor_->trust_ahead(now, unchanged, ahead_->begun.empty());
}

/// The requester of the update is answered by this process, if it still waits.
void Daemon::take_update_outcome() {
  if (!update_note_) return;
  if (update_role_ == UpdateRole::kTrial) {
    spdlog::info("live update: took over from version {} at Seq {}", update_note_->version,
                 update_note_->seq);
  } else if (update_note_->stage == UpdateNote::Stage::kFailed) {
    spdlog::error("live update: {}", update_note_->text);
  }
  const Connection* requester = server_->find_connection(update_note_->connection);
  if (requester == nullptr || requester->ordinal >= update_note_->ordinal) {
    forget_update_note();
    return;
  }
  server_->live_update().set_outcome({.connection = update_note_->connection,
                                      .ordinal = update_note_->ordinal,
                                      .text = update_note_->text});
  VXS_CRASH_POINT("update-outcome-known");
}

void Daemon::forget_update_note() {
  if (keeper_ != nullptr) keeper_->release(kUpdateName);
  update_fd_.reset();
}

/// Requests are answered from now on.
void Daemon::say_update_pause() {
  if (!update_note_ || update_role_ == UpdateRole::kNone) return;
  spdlog::info("live update: clients waited {:.1f} ms",
               static_cast<double>(clock_.monotonic_us() - update_note_->stopped_us) / 1000.0);
}

// --- the next update -----------------------------------------------------------

std::string Daemon::update_obstacle() const {
  if (!kept_) {
    return "Connections are volatile and would end. Start the daemon in its daemon form or under "
           "vxenstored-supervise, with --connections kept.";
  }
  if (!keeper_->connected()) return "The supervisor died: nobody could start the new program.";
  if (!report_.damage.empty() || journal_->failing() || server_->astray()) {
    return "The journal cannot be written: the new program would not know the state.";
  }
  return {};
}

tl::expected<UpdateNote, std::string> Daemon::stop_for_update() {
  UpdateNote note;
  note.stopped_us = clock_.monotonic_us();
  server_->end_of_pass();
  flush();
  wait_until_safe();
  flush();
  note.seq = journal_->last_seq();
  if (journal_->safe_seq() != note.seq) {
    return tl::unexpected(std::string("The journal's last records did not become safe in time."));
  }
  note.tree_hash = hash_ahead_.hash(head_->tree());
  note.system_hash = server_->lifecycle().state_hash();
  return note;
}

void Daemon::prepare_updates() {
  updater_ = std::make_unique<LiveUpdater>(
      server_->live_update(), keeper_, config_.update_timeout,
      LiveUpdater::Hooks{.obstacle = [this] { return update_obstacle(); },
                         .checkpoint_busy = [this] { return checkpointer_->busy(); },
                         .start_checkpoint =
                             [this] {
                               if (checkpointer_->resting()) return false;
                               start_checkpoint();
                               return true;
                             },
                         .begin_hash = [this] { hash_ahead_.begin(head_->tree()); },
                         .hash_busy = [this] { return hash_ahead_.busy(); },
                         .stop = [this] { return stop_for_update(); },
                         .forget_hash = [this] { hash_ahead_.forget(); },
                         .forget_note = [this] { forget_update_note(); }});
  server_->live_update().set_host(updater_.get());
  prepare_hot_swap();
}

// --- hot swap ------------------------------------------------------------------

void Daemon::prepare_hot_swap() {
  if (!kept_) return;
  hot_swap_ = std::make_unique<StockUpdate>(StockUpdate::World{
      .config = config_,
      .env = *env_,
      .server = *server_,
      .kept = *kept_,
      .keeper = *keeper_,
      .hypervisor = hypervisor_.get(),
      .rings = rings_.get(),
      .obstacle = [this] { return update_obstacle(); },
      .settle = [this] { return come_to_rest(); },
      .meta = [this](Seq seq) { return checkpoint_meta(seq, true); },
      .empty_tree = [this] { return initial_tree(stats_, perms_, config_.control_domid); }});
  updater_->set_hot_swap(hot_swap_.get());
}

/// For a program that knows nothing of what we have read ahead: all that was asked is answered.
std::optional<std::string> Daemon::come_to_rest() {
  const auto until = clock_.monotonic_us() + kSettleUs;
  sockets_->drain();
  while ((sockets_->has_backlog() || (rings_ && rings_->has_backlog())) &&
         clock_.monotonic_us() < until) {
    say_alive();
    sockets_->serve_backlog();
    if (rings_) rings_->serve_backlog();
    server_->end_of_pass();
    flush();
    server_->settle();
  }
  sockets_->stop_reading();
  if (rings_) rings_->stop_reading();
  finish_rings();
  server_->end_of_pass();
  flush();
  wait_until_safe();
  flush();
  if (journal_->safe_seq() != journal_->last_seq()) {
    return "the journal's last records did not become safe in time";
  }
  if (history_) {
    // What it does not get to now it reads from the journal one day.
    history_->stop(kHistoryMs, [this] { say_alive(); });
  }
  return std::nullopt;
}

}  // namespace vxs::daemon
