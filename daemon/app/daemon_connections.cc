// Connections that outlive the process: taking them up, and the supervisor that keeps them.
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/wait.h>

#include "daemon/app/daemon.hh"
#include "daemon/app/version.hh"
#include "daemon/hypervisor/xen_hypervisor.hh"
#include "store/crash_point.hh"

namespace vxs::daemon {
namespace {

/// How the daemon before ended, as wait(2) tells.
std::string describe_end(int status) {
  if (WIFSIGNALED(status)) return fmt::format("a death of signal {}", WTERMSIG(status));
  return fmt::format("an end with status {}", WEXITSTATUS(status));
}

}  // namespace

process::Descriptor Daemon::take_events(keeper::Inheritance& inheritance) {
  for (auto& kept : inheritance.descriptors) {
    if (kept.name == kEventsName) return std::move(kept.fd);
  }
  return {};
}

// Where connections are volatile our own descriptor keeps what was bound, until we end.
void Daemon::keep_events() {
  if (keeper_ == nullptr) return;
  if (config_.keep_connections) {
    keeper_->keep(kEventsName, hypervisor_->event_fd());
  } else {
    keeper_->release(kEventsName);
  }
}

process::StartResult<void> Daemon::open_connections(keeper::Inheritance& inheritance) {
  if (!config_.keep_connections) {
    if (keeper_ != nullptr) KeptConnections::forget_all(*keeper_, inheritance);
    return {};
  }
  if (keeper_ == nullptr) {
    spdlog::warn(
        "no supervisor: clients lose their connections when this daemon ends. Start it as "
        "\"vxenstored-supervise -- vxenstored -N ...\", or say --connections volatile");
    return {};
  }
  auto kept = KeptConnections::open(*keeper_, inheritance, on_trial());
  if (!kept) {
    if (on_trial()) return process::start_error(kept.error());
    spdlog::error("clients lose their connections when this daemon ends: {}", kept.error());
    KeptConnections::forget_all(*keeper_, inheritance);
    return {};
  }
  kept_ = std::move(*kept);
  VXS_CRASH_POINT("start-area-adopted");
  if (kept_->restarts() == 0) return {};
  died_of_ = inheritance.starts == 1 ? "a live update" : describe_end(inheritance.previous_status);
  spdlog::info("taking up {} connections after {}", kept_->open_count(), died_of_);
  replayed_ = std::make_unique<ReplayedEvents>(config_.control_domid);
  return {};
}

bool Daemon::state_is_lost() const {
  return report_.fresh || history_taken_at_ != 0 || renumbered_ || !report_.damage.empty();
}

/// After rings and domains: what a client's last request did may concern them.
void Daemon::resume_connections() {
  if (kept_) {
    const std::size_t closed = state_is_lost() ? kept_->forget_all() : 0;
    if (closed > 0) {
      spdlog::error("closing {} connections: the state they knew is not what was recovered",
                    closed);
    }
    if (rings_) rings_->resume();
    sockets_->resume(report_);
    server_->watches().drop_ahead();
    if (replayed_) server_->fire_again(*replayed_);
    VXS_CRASH_POINT("start-events-fired");
    replayed_.reset();
  }
  // Who died or shut down meanwhile: those who watch for it are there again.
  resumed_ = true;
  server_->bury_the_dead();
  if (hypervisor_) server_->scan_domains();
  server_->forget_lost_sessions(report_.system);
  server_->end_of_pass();
  flush();
}

void Daemon::keep_poison(const Connection& connection, const protocol::Header& header,
                         std::string_view payload) {
  const std::string who = connection.describe();
  const auto kept = poison_.write({.time_us = clock_.wall_us(),
                                   .connection = connection.id(),
                                   .who = who,
                                   .ordinal = connection.ordinal,
                                   .header = header,
                                   .payload = payload,
                                   .died_of = died_of_,
                                   .version = kVersion,
                                   .trace_file = trace_.file()});
  if (kept) {
    spdlog::error("the request is kept in {}", *kept);
  } else {
    spdlog::error("the request could not be kept: {}", kept.error());
  }
}

void Daemon::start_keeper() {
  keeper_->start(
      loop_, {.accepted =
                  [this](const std::string& name, process::Descriptor fd) {
                    const auto number = KeptConnections::client_number(name);
                    if (!kept_ || !number) keeper_->release(name);
                    if (number) sockets_->accepted(*number, std::move(fd));
                  },
              .died =
                  [](bool successor) {
                    successor ? spdlog::error("the supervisor died; another one is started")
                              : spdlog::error("the supervisor died: nobody accepts new clients");
                  },
              .replaced =
                  [this] {
                    spdlog::info("supervisor {} took over", keeper_->supervisor_pid());
                    if (tell_pid_) tell_pid_(keeper_->supervisor_pid());
                  }});
}

}  // namespace vxs::daemon
