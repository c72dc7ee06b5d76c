#include "daemon/app/stock_update.hh"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "daemon/app/update_note.hh"
#include "daemon/app/version.hh"
#include "daemon/core/live_update_words.hh"
#include "daemon/hypervisor/xen_hypervisor.hh"
#include "daemon/logging/log.hh"
#include "daemon/process/daemon_form.hh"
#include "daemon/supervisor/message.hh"
#include "daemon/swap/give_back.hh"
#include "daemon/swap/slot_stream.hh"
#include "daemon/swap/take_over.hh"
#include "store/crash_point.hh"

namespace vxs::daemon {

using process::start_error;
using process::StartResult;
using store::migration::LiveConnection;

namespace {

constexpr const char* kListenName = "listen";

}  // namespace

std::optional<std::string> StockUpdate::begin(const UpdateOrder& order,
                                              process::Descriptor binary) {
  // It would end itself, and everything with it.
  if (order.version == 2U && !swap::reads_version_2(binary.get())) return kVersionNotSupported;
  if (auto obstacle = world_.obstacle(); !obstacle.empty()) return obstacle;
  order_ = order;
  begun_us_ = world_.server.clock().monotonic_us();
  world_.server.hold_starts(true);
  VXS_CRASH_POINT("swap-begun");
  return std::nullopt;
}

void StockUpdate::cancel() {
  order_.reset();
  world_.server.hold_starts(false);
}

/// As the C daemon says it.
std::string StockUpdate::long_transactions() const {
  const std::int64_t now = world_.server.clock().monotonic_us();
  std::string text;
  for (const auto& [connection, since] : world_.server.open_transactions()) {
    const std::int64_t seconds = (now - since) / 1'000'000;
    if (seconds < order_->timeout_s) continue;
    if (text.empty()) text = "Domains with long running transactions:";
    text += fmt::format("\nDomain {}: {} s", connection->caller().domid, seconds);
  }
  return text.empty() ? "Overlapping transactions" : text;
}

bool StockUpdate::pass() {
  const auto text = look();
  if (!text) return true;
  cancel();
  world_.server.live_update().finish(*text);
  return false;
}

std::optional<std::string> StockUpdate::look() {
  const auto open = world_.server.open_transactions();
  const std::int64_t now = world_.server.clock().monotonic_us();
  const std::int64_t timeout_us = std::int64_t{order_->timeout_s} * 1'000'000;
  const bool all_are_long = std::all_of(
      open.begin(), open.end(), [&](const auto& one) { return now - one.second >= timeout_us; });
  if (!open.empty() && !(order_->force && all_are_long)) {
    if (now < begun_us_ + timeout_us) return std::nullopt;
    if (!order_->force) return long_transactions();
  }
  return go();
}

/// Until everything has come to rest a refusal changes nothing.
std::string StockUpdate::go() {
  // Our ports are closed with the last descriptor of their handle.
  if (world_.hypervisor != nullptr) world_.keeper.keep(kEventsName, world_.hypervisor->event_fd());
  const auto numbers = world_.keeper.hold();
  if (!numbers) {
    world_.keeper.go_on();  // it may hear of the hold yet
    return numbers.error().text;
  }
  VXS_CRASH_POINT("swap-held");
  auto problem = world_.settle();
  VXS_CRASH_POINT("swap-at-rest");
  if (!problem) {
    if (const auto written = write(*numbers); !written) problem = written.error().text;
  }
  if (!problem) {
    spdlog::info("live update: ending; the supervisor becomes {}", order_->file);
    end(EXIT_SUCCESS);
  }
  spdlog::error("live update: {}; going on as after a restart", *problem);
  if (!world_.keeper.await_supervisor()) {
    spdlog::critical("live update: nobody is there to start this daemon again");
  }
  end(EXIT_FAILURE);
}

StartResult<void> StockUpdate::write(const std::map<std::string, int>& numbers) {
  supervisor::HandOver order{
      .file = order_->file,
      .arguments = swap::stock_command(world_.config, !process::supervisor_in_daemon_form(),
                                       order_->file, order_->command_line),
      .descriptors = {},
      .renames = {}};
  const auto pass_on = [&](const std::string& name) {
    const auto found = numbers.find(name);
    if (found == numbers.end()) return -1;
    order.descriptors.push_back(name);
    return found->second;
  };
  const store::SystemState system = world_.server.lifecycle().capture();
  swap::Estate estate{.config = world_.config,
                      .env = world_.env,
                      .tree = world_.server.head().tree(),
                      .system = system,
                      .connections = {},
                      .descriptors = {.socket_fd = pass_on(kListenName)},
                      .version = order_->version == 2U ? protocol::migration::Version::k2
                                                       : protocol::migration::Version::k1};
  if (world_.hypervisor != nullptr) estate.descriptors.event_fd = pass_on(kEventsName);
  // Who reads version 1 offers guests nothing in their pages, and no C daemon that they connect
  // anew.
  const std::uint32_t features = order_->version == 2U ? kOfferedFeatures & ~kFeatureReconnect : 0;
  if (world_.rings != nullptr) estate.connections = world_.rings->hand_over(features);
  VXS_CRASH_POINT("swap-rings-let-go");
  for (const WireSlot* slot : world_.kept.open_slots()) {
    if (slot->kind() != WireKind::kSocket) continue;
    LiveConnection live = swap::read_slot(*slot);
    live.fd = pass_on(supervisor::client_name(slot->descriptor()));
    if (live.fd >= 0) estate.connections.push_back(std::move(live));
  }
  for (LiveConnection& one : estate.connections) {
    const auto& request = world_.server.live_update().parked();
    if (one.id == order_->connection && request) swap::answer_ok(*request, one);
  }
  const auto exported = swap::write_stream(estate);
  if (!exported) return tl::unexpected(exported.error());
  for (const auto& loss : exported->losses) {
    spdlog::warn("live update: not carried: {}", store::migration::describe(loss));
  }
  spdlog::info("live update: {}: {} nodes, {} connections with {} watches; {} not carried",
               swap::stream_path(), exported->nodes, exported->connections, exported->watches,
               exported->losses.size());
  auto renaming =
      swap::prepare_end(world_.env, world_.config.journal_dir,
                        world_.meta(world_.server.journal().last_seq() + 1), world_.empty_tree());
  if (!renaming) return tl::unexpected(renaming.error());
  order.renames.push_back(std::move(*renaming));
  VXS_CRASH_POINT("swap-end-prepared");
  tell_next();
  VXS_CRASH_POINT("swap-noted");
  return world_.keeper.hand_over(order);
}

/// Should the supervisor be unable to become the program, we are started again, with `-s` as the
/// first request that was not answered.
void StockUpdate::tell_next() {
  UpdateNote note;
  note.stage = UpdateNote::Stage::kFailed;
  note.connection = order_->connection;
  note.ordinal = order_->ordinal;
  note.version = kVersion;
  note.text = "Error activating new binary.";
  note_ = note.write();
  if (note_) world_.keeper.keep(kUpdateName, note_.get());
}

/// Nothing is destroyed: ports and connections are the next program's.
void StockUpdate::end(int status) {
  logging::stop();
  ::_exit(status);
}

}  // namespace vxs::daemon
