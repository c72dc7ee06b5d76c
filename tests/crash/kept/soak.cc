#include "tests/crash/kept/soak.hh"

#include <algorithm>
#include <stdexcept>
#include <thread>

#include "tests/crash/store_dump.hh"

namespace vxs::test::kept {
namespace {

using std::chrono::milliseconds;
using support::WireClient;
using support::zstrings;

// A daemon is a young process at each census: when its history has caught up, and has let go of
// what it read, each has to hold what the first one held.
constexpr milliseconds kHistoryRests{1500};
constexpr Held kDaemonSlack{.descriptors = 4, .mappings = 16, .resident_kb = 12 << 10};
constexpr Held kSupervisorSlack{.descriptors = 4, .mappings = 8, .resident_kb = 2 << 10};

std::string ask(WireClient& client, std::uint32_t type, const std::string& payload) {
  const auto reply = client.call(type, payload);
  if (reply.is_error()) {
    throw std::runtime_error(support::type_name(type) + " " + shown(payload) + ": " +
                             reply.error());
  }
  return reply.payload;
}

void write(WireClient& client, const std::string& path, const std::string& value) {
  (void)ask(client, support::kWrite, zstrings({path}) + value);
}

}  // namespace

Soak::Soak(const Options& options)
    : options_(options),
      machine_(options.guests == 0 ? nullptr : std::make_unique<support::FakeMachine>()),
      host_(options, machine_ ? machine_->dir() : ""),
      daemon_growth_("the daemon", kDaemonSlack),
      supervisor_growth_("the supervisor", kSupervisorSlack) {
  WireClient client(host_.socket_path());
  CrowdSetting setting;
  setting.clients = options.clients;
  setting.guests = options.guests;
  setting.kept = options.kept;
  setting.seed = options.seed;
  setting.patience = std::chrono::seconds(options.patience_s);
  own_connections_ = status_number(client, "connections") - 1;
  // Guests read and count up what is below it, and have a subtree of their own there.
  write(client, "/soak", "");
  if (options.guests != 0) {
    (void)ask(client, support::kSetPerms, zstrings({"/soak", "b0"}));
  }
  for (std::size_t n = 0; n < options.clients + options.guests; ++n) {
    write(client, root_of(n), "");
    write(client, beat_path(n), "0");
  }
  setting.root_perms = ask(client, support::kGetPerms, zstrings({root_of(0)}));
  const std::string features = ask(client, support::kGetFeature, "");
  setting.depths = (number_of(features.substr(0, features.find('\0'))) & 4) != 0;  // A19
  const bool always = options.supervised || options.kills == 0;
  const Connect connect = socket_connector(host_.socket_path(), always);
  const Client::Dump dump = [this](const std::string& root) -> std::optional<StoreDump> {
    try {
      WireClient once(host_.socket_path());
      return dump_store(once, root);
    } catch (const support::WireError&) {
      return std::nullopt;
    }
  };
  crowd_ = std::make_unique<Crowd>(
      setting, connect, dump, [this](std::size_t number) { return toolstack_->connect(number); });
  for (std::size_t n = 0; n < crowd_->board().pairs.size(); ++n) {
    for (const char half : {'a', 'b'}) write(client, pair_path(n, half), "0");
  }
  killer_ = std::make_unique<Killer>(options_, host_, *crowd_, connect);
  if (!machine_) return;
  toolstack_ = std::make_unique<Toolstack>(
      ToolstackSetting{.first = options.clients, .guests = options.guests, .seed = options.seed},
      machine_->machine(), crowd_->board(), connect);
}

void Soak::turn(milliseconds longest, std::vector<int> others) {
  if (toolstack_) {
    toolstack_->turn(Clock::now());
    others.push_back(toolstack_->fd());
    longest = std::min(longest, toolstack_->idle());
  }
  crowd_->turn(longest, others);
}

void Soak::run() {
  const Time begin = Clock::now();
  std::uint64_t next_census = options_.census;
  while (options_.kills == 0 || !killer_->is_done() || !killer_->serves()) {
    const Time now = Clock::now();
    duration_ = now - begin;
    if (options_.seconds != 0 && duration_ > std::chrono::seconds(options_.seconds) &&
        killer_->serves()) {
      break;
    }
    if (options_.kills == 0) {
      turn(milliseconds(100), {});
      continue;
    }
    killer_->turn(now);
    if (crowd_->board().kills >= next_census && killer_->serves()) {
      census();
      next_census = crowd_->board().kills + options_.census;
    }
    turn(killer_->idle(now), killer_->descriptors());
  }
  census();
  crowd_->pauses().finish();
  crowd_->guest_pauses().finish();
}

void Soak::census() {
  become_quiet();
  {
    WireClient client(host_.socket_path());
    for (const auto& one : crowd_->clients()) {
      const auto text = one->tree().compare(dump_store(client, one->tree().root()));
      if (!text.empty()) throw Violation(one->name() + ": " + text + '\n' + one->history());
    }
    compare_pairs(client);
    compare_status(client);
  }
  let_history_rest();
  sample_resources();
  ++censuses_;
  crowd_->set_quiet(false);
  killer_->rest(Clock::now());
}

void Soak::become_quiet() {
  crowd_->set_quiet(true);
  const Time begin = Clock::now();
  while (!is_quiet()) {
    turn(milliseconds(10), {});
    if (Clock::now() - begin > 2 * crowd_->board().patience) {
      throw Violation("not all became quiet: " + (crowd_->is_quiet()
                                                      ? toolstack_->who_is_not_quiet()
                                                      : crowd_->who_is_not_quiet()));
    }
  }
}

bool Soak::is_quiet() const {
  return crowd_->is_quiet() && (!toolstack_ || toolstack_->is_quiet());
}

void Soak::compare_pairs(WireClient& client) {
  for (std::size_t n = 0; n < crowd_->board().pairs.size(); ++n) {
    const std::string a = ask(client, support::kRead, zstrings({pair_path(n, 'a')}));
    const std::string b = ask(client, support::kRead, zstrings({pair_path(n, 'b')}));
    if (a != b) throw Violation("pair " + std::to_string(n) + " is " + a + " and " + b);
    const Pair& pair = crowd_->board().pairs[n];
    if (const auto text = pair.judge(a, pair.acknowledged()); !text.empty()) {
      throw Violation("pair " + std::to_string(n) + ": " + text);
    }
  }
}

// What of connections and watches is left that nobody has any more?
void Soak::compare_status(WireClient& client) {
  const Time begin = Clock::now();
  const auto expect = [&](const char* key, std::uint64_t expected) {
    while (true) {
      const auto number = status_number(client, key);
      if (number == expected) return;
      if (Clock::now() - begin > crowd_->board().patience) {
        throw Violation("the daemon has " + std::to_string(number) + ' ' + key + ", the clients " +
                        std::to_string(expected));
      }
      std::this_thread::sleep_for(milliseconds(5));
    }
  };
  expect("connections", own_connections_ + crowd_->connected() + crowd_->guests_connected() +
                            (killer_->connected() ? 1 : 0) + (toolstack_ ? 1 : 0) + 1);
  expect("watches", crowd_->watches() + (toolstack_ ? Toolstack::kWatches : 0));
  expect("transactions", 0);
}

void Soak::let_history_rest() {
  const Time begin = Clock::now();
  while (true) {
    WireClient client(host_.socket_path());
    if (status_number(client, "history-lag") == 0) break;
    if (Clock::now() - begin > 2 * crowd_->board().patience) {
      throw Violation("the history does not catch up");
    }
    std::this_thread::sleep_for(milliseconds(50));
  }
  std::this_thread::sleep_for(kHistoryRests);
  // On a busy machine it may still be joining packs, or have closed them and not yet given back
  // what it took.
  const pid_t pid = host_.daemon().pid();
  while (files_of(pid, "/history.git/objects/") != 0 || !sleeps(pid, "vxs-history")) {
    if (Clock::now() - begin > 2 * crowd_->board().patience) {
      throw Violation("the history does not come to rest");
    }
    std::this_thread::sleep_for(milliseconds(50));
  }
}

void Soak::sample_resources() {
  const std::size_t clients =
      crowd_->connected() + (killer_->connected() ? 1 : 0) + (toolstack_ ? 1 : 0);
  const auto add = [clients](Growth& growth, pid_t pid) {
    const auto held = held_by(pid);
    if (!held) throw std::runtime_error("no process " + std::to_string(pid));
    if (const auto text = growth.add(*held, clients); !text.empty()) throw Violation(text);
  };
  add(daemon_growth_, host_.daemon().pid());
  if (const auto supervisor = host_.supervisor()) add(supervisor_growth_, *supervisor);
}

std::string Soak::summary() const {
  const auto& pauses = crowd_->pauses();
  std::string text =
      std::to_string(crowd_->board().kills) + " kills (" + std::to_string(killer_->in_recovery()) +
      " of them in recovery) in " +
      std::to_string(std::chrono::duration_cast<std::chrono::seconds>(duration_).count()) + " s, " +
      std::to_string(options_.clients) + " clients and " + std::to_string(options_.guests) +
      " guests, " + std::to_string(censuses_) + " full comparisons\n" + crowd_->statistics() +
      "\nlongest wait for an answer at each kill: " + distribution(pauses.longest()) +
      (toolstack_ ? "; of guests: " + distribution(crowd_->guest_pauses().longest()) : "") +
      "\nfrom a kill to the next answer of all: " + distribution(pauses.restarts()) + '\n' +
      daemon_growth_.summary();
  if (toolstack_) text += '\n' + toolstack_->statistics();
  if (options_.supervised) text += '\n' + supervisor_growth_.summary();
  return text;
}

}  // namespace vxs::test::kept
