#include "tests/crash/kept/killer.hh"

#include <algorithm>
#include <utility>

namespace vxs::test::kept {
namespace {

using std::chrono::milliseconds;
using support::zstrings;

}  // namespace

Killer::Killer(const Options& options, Host& host, Crowd& crowd, Connect connect)
    : options_(options),
      host_(host),
      crowd_(crowd),
      connect_(std::move(connect)),
      random_(options.seed ^ 0x5eed) {
  if (options.crash_points != 0) plan_.emplace(options, host);
  rest(Clock::now());
}

Time Killer::soon(Time now) {
  return now + std::chrono::microseconds(random_() % (options_.longest_ms * 1000 + 1));
}

void Killer::rest(Time now) { kill_at_ = soon(now); }

std::vector<int> Killer::descriptors() const {
  std::vector<int> result;
  if (phase_ == Phase::kDying) result.push_back(victim_.fd());
  if (link_) result.push_back(link_->fd());
  return result;
}

milliseconds Killer::idle(Time now) const {
  if (phase_ != Phase::kServing) return milliseconds(1);
  if (crowd_.is_suspicious()) return milliseconds(50);
  const auto left = std::chrono::duration_cast<milliseconds>(kill_at_ - now);
  return std::clamp(left, milliseconds(0), milliseconds(50));
}

void Killer::turn(Time now) {
  if (link_) {
    try {
      listen(now);
    } catch (const Violation& violation) {
      throw Violation("the killer's own connection: " + std::string(violation.what()) +
                      "\nIts last exchanges:\n" + talk_->history());
    }
  }
  if (plan_ && plan_->watch_supervisor(victim_, now) && phase_ == Phase::kDown) {
    crowd_.killed(now);
    ask();  // what was asked before may have been answered by the one that died
  }
  switch (phase_) {
    case Phase::kServing:
      if (now >= kill_at_ && !crowd_.is_suspicious()) kill(now);
      break;
    case Phase::kDying:
      if (victim_.ended()) {
        on_death(now);
      } else if (plan_) {
        plan_->check_patience(now);
      }
      break;
    case Phase::kDown:
      watch_recovery(now);
      break;
  }
}

void Killer::kill(Time now) {
  victim_ = host_.daemon();
  if (!victim_) throw Violation("there is no daemon, and nobody killed it");
  if (!plan_) {
    victim_.kill9();
  } else if (plan_->strike(victim_, now)) {
    ask_for_update();
  }
  killed_at_ = now;
  crowd_.killed(now);
  phase_ = Phase::kDying;
}

// Answered by whichever daemon is there then, and once.
void Killer::ask_for_update() {
  connect();
  if (!link_) throw Violation("the killer cannot connect");
  const auto expect_ok = [](const support::Frame& reply) {
    return reply.payload == zstrings({"OK"}) ? "" : "the live update says: " + reply.payload;
  };
  talk_->ask(support::kControl, zstrings({"live-update", "-f", plan_->update_file()}), 0,
             expect_ok);
  talk_->ask(support::kControl, zstrings({"live-update", "-c", plan_->update_line()}), 0,
             expect_ok);
  talk_->ask(support::kControl, zstrings({"live-update", "-s"}), 0,
             [this](const support::Frame& reply) { return plan_->judge_update(reply.payload); });
  send();
}

void Killer::on_death(Time now) {
  if (plan_) plan_->died();
  if (options_.supervised) {
    phase_ = Phase::kDown;
    again_ = !plan_ && random_() % 6 == 0;
    kill_again_at_.reset();
    ask();
  } else {
    host_.restart();
    on_served(Clock::now());
  }
  (void)now;
}

void Killer::on_served(Time now) {
  phase_ = Phase::kServing;
  if (plan_) plan_->served();
  crowd_.served(now);
  rest(now);
}

void Killer::watch_recovery(Time now) {
  if (!plan_ || !plan_->watches_supervisor()) host_.check_supervisor();
  if (now - killed_at_ > crowd_.board().patience) {
    throw Violation("the daemon does not serve again after a kill");
  }
  if (!link_ && now >= try_at_) ask();
  if (!again_) return;
  if (!kill_again_at_) {
    Pidfd young = host_.daemon();
    if (!young || young.pid() == victim_.pid()) return;
    victim_ = std::move(young);
    kill_again_at_ = soon(now);
  }
  if (now < *kill_again_at_) return;
  ++in_recovery_;
  victim_.kill9();
  crowd_.killed(now);
  phase_ = Phase::kDying;
}

void Killer::connect() {
  if (link_) return;
  try_at_ = Clock::now() + milliseconds(2);
  link_ = connect_();
  if (!link_) return;
  talk_.emplace(
      false, [](const support::Event&) { throw Violation("the killer has no watch"); },
      Conversation::OnAnswer());
}

void Killer::ask() {
  connect();
  if (!link_) return;
  const std::string number = std::to_string(random_() % 60'000);
  talk_->ask(support::kGetDomainPath, zstrings({number}), 0, [number](const support::Frame& reply) {
    return reply.payload == zstrings({"/local/domain/" + number}) ? "" : "that is another's answer";
  });
  send();
}

void Killer::send() {
  const auto now = Clock::now();
  const long sent = link_->send(talk_->leaving(now));
  if (sent < 0) return lost(now);
  talk_->left(static_cast<std::size_t>(sent), now);
}

void Killer::listen(Time now) {
  std::string bytes;
  const bool open = link_->receive(bytes);
  talk_->arrived(bytes, now);
  // Several may be under way, of deaths in recovery: the last one counts.
  const bool all = !bytes.empty() && talk_->unanswered() == 0;
  const bool waits = plan_ && plan_->watches_supervisor();
  if (phase_ == Phase::kDown && all && !waits) on_served(now);
  if (phase_ == Phase::kDying && all && plan_ && plan_->spares_victim()) on_served(now);
  if (!open) lost(now);
}

bool Killer::is_done() const {
  return (plan_ ? plan_->strikes() : crowd_.board().kills) >= options_.kills;
}

std::string Killer::points() const {
  if (!plan_) return "";
  // SIGTRAP, as the supervisor tells.
  const std::size_t deaths = host_.count_in_output("died (signal 5)") +
                             host_.count_in_output("the live update failed (signal 5)") +
                             host_.count_in_output("ended ahead of its turn (signal 5)");
  if (deaths != plan_->told()) {
    throw Violation(std::to_string(deaths) + " daemons died at crash points, " +
                    std::to_string(plan_->told()) + " should have");
  }
  return plan_->summary();
}

void Killer::lost(Time /*now*/) {
  if (options_.kept) throw Violation("the daemon closed the killer's connection");
  talk_.reset();
  link_.reset();
}

}  // namespace vxs::test::kept
