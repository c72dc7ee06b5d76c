// How one program follows another: a live update tries the next one and may go back to the one
// before (message.hh has the sequence), a hot swap leaves this process to another program.
#include <signal.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <string>
#include <utility>

#include "daemon/supervisor/supervisor.hh"
#include "store/crash_point.hh"

namespace vxs::supervisor {

using namespace std::chrono_literals;

namespace {

/// For a service manager that is busy, at a hot swap.
constexpr auto kManagerPatience = 2s;

}  // namespace

// --- hot swap ----------------------------------------------------------------

/// From HELD on nothing is kept that the daemon does not know.
void Supervisor::hold(bool held) {
  held_ = held;
  if (!held) return;
  VXS_CRASH_POINT("supervisor-hold-read");
  for (const auto& [name, fd] : kept_) {
    channel_.queue(Message{
        .type = MessageType::kNumber, .value = static_cast<std::uint64_t>(fd.get()), .name = name});
  }
  channel_.queue(Message{.type = MessageType::kHeld});
  VXS_CRASH_POINT("supervisor-held");
}

/// The daemon ended, and left everything ready for another program.
void Supervisor::hand_over() {
  const HandOver order = *std::exchange(hand_over_, std::nullopt);
  const auto find_kept = [this](const std::string& name) { return find(name); };
  spdlog::info("supervisor: becoming {}", order.file);
  VXS_CRASH_POINT("supervisor-becoming");
  if (manager_.active()) {
    // It is not the program that tells of itself any more, and nobody else may hold its clients.
    for (const auto& [name, fd] : kept_) manager_.remove(name);
    manager_.say("WATCHDOG_USEC=0");
    if (!manager_.send_all(find_kept, kManagerPatience)) {
      spdlog::warn(
          "supervisor: the service manager does not read: clients that {} closes may wait for "
          "their end until the service does",
          order.file);
    }
    VXS_CRASH_POINT("supervisor-let-go");
  }
  const auto error = become(order, find_kept);
  VXS_CRASH_POINT("supervisor-not-become");
  spdlog::error("supervisor: {}; starting the daemon again", error.text);
  for (const auto& [name, fd] : kept_) manager_.store(name);
  if (manager_.watchdog() > 0us) {
    manager_.say("WATCHDOG_USEC=" + std::to_string(manager_.watchdog().count()));
  }
  backoff_ = 0ms;
  retry_later();
}

// --- live update -------------------------------------------------------------

void Supervisor::exec(Message& message) {
  auto words = std::exchange(words_, {});
  // Without the program, the daemon that ends now is started again, and sees that it was not tried.
  if (!message.fd || words.empty() || previous_) {
    spdlog::error("supervisor: an order to start another program is not complete");
    return;
  }
  Program named{Binary(std::move(message.fd)), std::move(words)};
  if ((message.flags & kInUse) != 0) {
    program_ = std::move(named);
    return;
  }
  if ((message.flags & kAhead) != 0) return start_ahead(named);
  next_ = std::move(named);
  patience_ = std::chrono::microseconds(message.value);
  VXS_CRASH_POINT("supervisor-exec-read");
}

/// Beside the daemon, of which it gets nothing yet.
void Supervisor::start_ahead(const Program& program) {
  drop_next();
  auto pair = Channel::make_pair();
  auto child = pair ? Child::start(program.binary, program.arguments, pair->second.get())
                    : process::StartResult<Child>(tl::unexpected(pair.error()));
  if (!child) {
    spdlog::error("supervisor: live update: {}", child.error().text);
    channel_.queue(Message{.type = MessageType::kNextEnded, .more = EXIT_FAILURE << 8});
    return;
  }
  spdlog::info("supervisor: live update: starting {} ahead", program.binary.path());
  ahead_ = std::move(*child);
  VXS_CRASH_POINT("supervisor-ahead-forked");
  ahead_channel_ = Channel(std::move(pair->first));
  ahead_channel_.queue(hello(kAheadOfTime));
}

void Supervisor::hear_next() {
  Message message;
  switch (ahead_channel_.receive(message)) {
    case Channel::Received::kMessage:
      if (message.type == MessageType::kPrepared) {
        channel_.queue(Message{.type = MessageType::kNextReady});
      }
      return;
    case Channel::Received::kClosed:
      ahead_channel_ = Channel();  // its end follows
      return;
    case Channel::Received::kStrange:
    case Channel::Received::kNothing:
      return;
  }
}

void Supervisor::next_ended() {
  const int status = ahead_.reap().value_or(SIGKILL);
  ahead_channel_ = Channel();
  spdlog::error("supervisor: live update: the new program ended ahead of its turn ({})",
                describe_status(status));
  channel_.queue(
      Message{.type = MessageType::kNextEnded, .more = static_cast<std::uint64_t>(status)});
}

/// It has read, and nothing else.
void Supervisor::drop_next() {
  ahead_channel_ = Channel();
  if (!ahead_) return;
  ahead_.signal(SIGKILL);
  dropped_.push_back(std::exchange(ahead_, Child()));
}

void Supervisor::try_next() {
  if (!ahead_) spdlog::info("supervisor: live update: starting {}", next_->binary.path());
  previous_ = std::exchange(program_, std::move(*next_));
  next_.reset();
  start_flags_ = kUpdateTrial;
  trial_until_ = Clock::now() + patience_;
  timed_out_ = false;
  backoff_ = 0ms;
  VXS_CRASH_POINT("supervisor-turn");
  if (!ahead_) return start_child();
  restart_at_.reset();
  begin(std::exchange(ahead_, Child()), std::exchange(ahead_channel_, Channel()));
  // It waits for that, and clients for it; the log's thread can have our processor afterwards.
  channel_.send_pending([this](const std::string& name) { return find(name); });
  spdlog::info("supervisor: live update: it is the turn of {}", program_.binary.path());
}

void Supervisor::taken_over() {
  if (!previous_) return;
  previous_.reset();
  trial_until_.reset();
  VXS_CRASH_POINT("supervisor-taken-over");
  spdlog::info("supervisor: live update: {} took over", program_.binary.path());
}

void Supervisor::fall_back(int status) {
  program_ = std::move(*previous_);
  previous_.reset();
  trial_until_.reset();
  spdlog::error("supervisor: the live update failed ({}); starting {} again",
                timed_out_ ? "the new program did not take over in time" : describe_status(status),
                program_.binary.path());
  previous_status_ = status;
  start_flags_ = kUpdateFailed;
  if (timed_out_) start_flags_ = kUpdateFailed + kUpdateTimedOut;
  backoff_ = 0ms;
  VXS_CRASH_POINT("supervisor-falling-back");
  start_child();
}

}  // namespace vxs::supervisor
