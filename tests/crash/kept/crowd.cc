#include "tests/crash/kept/crowd.hh"

#include <poll.h>

#include <algorithm>

namespace vxs::test::kept {
namespace {

constexpr Manner kManners[] = {Manner::kBusy, Manner::kVisitor, Manner::kSlow,    Manner::kHalting,
                               Manner::kCalm, Manner::kBusy,    Manner::kVisitor, Manner::kCalm};

}  // namespace

Crowd::Crowd(const CrowdSetting& setting, const Connect& connect, const Client::Dump& dump,
             const GuestConnect& guest_connect)
    : board_(setting.clients + setting.guests,
             std::max<std::size_t>(1, (setting.clients + setting.guests) / 4), setting.patience) {
  std::mt19937_64 random(setting.seed);
  for (std::size_t n = 0; n < setting.clients + setting.guests; ++n) {
    const bool numbered = random() % 2 == 0;
    const bool guest = n >= setting.clients;
    const Connect own = guest ? Connect([guest_connect, n] { return guest_connect(n); }) : connect;
    clients_.push_back(std::make_unique<Client>(ClientSetting{.number = n,
                                                              .manner = kManners[n % 8],
                                                              .numbered = numbered,
                                                              .depths = setting.depths,
                                                              .lone_starts = setting.lone_starts,
                                                              .kept = setting.kept,
                                                              .guest = guest,
                                                              .reconnects = setting.reconnects,
                                                              .seed = random(),
                                                              .root_perms = setting.root_perms},
                                                board_, guest ? guest_pauses_ : pauses_, own,
                                                dump));
  }
}

void Crowd::serve(Client& client, Time now) {
  try {
    client.step(now);
  } catch (const Violation& violation) {
    throw Violation(client.name() + ": " + violation.what() + "\nIts last exchanges:\n" +
                    client.history());
  }
}

void Crowd::turn(std::chrono::milliseconds longest, const std::vector<int>& others) {
  const Time before = Clock::now();
  Time until = before + longest;
  std::vector<pollfd> ready;
  for (const auto& client : clients_) {
    // poll() ignores what is negative.
    ready.push_back(client->for_input(before));
    ready.push_back(client->for_output(before));
    until = std::min(until, client->due());
  }
  for (const int fd : others) ready.push_back({fd, POLLIN, 0});
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(until - before).count();
  (void)poll(ready.data(), ready.size(), static_cast<int>(std::max<long>(wait, 0)));
  const Time now = Clock::now();
  for (std::size_t n = 0; n < clients_.size(); ++n) {
    const bool is_ready = ready[2 * n].revents != 0 || ready[2 * n + 1].revents != 0;
    if (is_ready || now >= clients_[n]->due()) serve(*clients_[n], Clock::now());
  }
  check_patience(now);
}

std::string Crowd::late(const Client& client, Time from, Time now) const {
  const std::string text = client.late(from, now);
  return text.empty() ? board_.beats[client.number()].late(from, now, board_.patience) : text;
}

void Crowd::check_patience(Time now) {
  if (now - checked_ < std::chrono::milliseconds(100)) return;
  checked_ = now;
  suspicious_ = false;
  for (const auto& client : clients_) {
    if (late(*client, Time{}, now).empty()) continue;
    suspicious_ = true;
    if (board_.down) continue;
    const std::string text = late(*client, board_.up_since, now);
    if (text.empty()) continue;
    // A watch's token says whose it is: "w<client>.<n>".
    std::size_t whose = client->number();
    if (text.starts_with("watch w")) whose = std::stoul(text.substr(7));
    throw Violation(clients_[whose]->name() + ": " + text + "\nIts last exchanges:\n" +
                    clients_[whose]->history());
  }
}

void Crowd::killed(Time now) {
  ++board_.kills;
  board_.down = true;
  pauses_.killed(now);
  guest_pauses_.killed(now);
  for (const auto& client : clients_) client->killed(now);
}

void Crowd::served(Time now) {
  board_.down = false;
  board_.up_since = now;
  pauses_.served(now);
  guest_pauses_.served(now);
}

void Crowd::set_quiet(bool quiet) {
  for (const auto& client : clients_) client->set_quiet(quiet);
}

bool Crowd::is_quiet() const {
  return std::all_of(clients_.begin(), clients_.end(),
                     [](const auto& client) { return client->is_quiet(); }) &&
         std::all_of(board_.beats.begin(), board_.beats.end(),
                     [](const Beat& beat) { return beat.all_heard(); });
}

std::string Crowd::who_is_not_quiet() const {
  for (const auto& client : clients_) {
    if (!client->is_quiet()) return client->name() + "\n" + client->history();
  }
  for (const Beat& beat : board_.beats) {
    if (!beat.all_heard()) return beat.late(Time{}, Time::max(), Clock::duration::zero());
  }
  return "nobody";
}

std::size_t Crowd::count_connected(bool guests) const {
  return static_cast<std::size_t>(std::count_if(
      clients_.begin(), clients_.end(),
      [guests](const auto& client) { return client->is_guest() == guests && client->fd() >= 0; }));
}

std::size_t Crowd::watches() const {
  std::size_t sum = 0;
  for (const auto& client : clients_) sum += client->watches();
  return sum;
}

Client::Counts Crowd::counts() const {
  Client::Counts sum;
  for (const auto& client : clients_) sum += client->counts();
  return sum;
}

Client::Counts Crowd::guest_counts() const {
  Client::Counts sum;
  for (const auto& client : clients_) {
    if (client->is_guest()) sum += client->counts();
  }
  return sum;
}

std::string Crowd::statistics() const {
  const Client::Counts sum = counts();
  std::uint64_t beats = 0;
  for (const Beat& beat : board_.beats) beats += beat.lowest();
  return std::to_string(sum.answers) + " answers and " + std::to_string(sum.events) +
         " events on " + std::to_string(sum.visits) + " connections (" + std::to_string(sum.lost) +
         " lost, " + std::to_string(sum.deaths) + " ended with their domain), " +
         std::to_string(sum.tree.changes) + " changes, " + std::to_string(beats) + " beats; " +
         std::to_string(sum.tree.commits + sum.pair.commits) + " commits, " +
         std::to_string(sum.tree.continued + sum.pair.continued) +
         " of them of transactions that lived through a kill, " + std::to_string(sum.tree.doomed) +
         " refused after one; " + std::to_string(sum.pair.conflicts) + " conflicts, " +
         std::to_string(sum.watches.set) + " watches set, " + std::to_string(sum.watches.survived) +
         " found set after a kill";
}

}  // namespace vxs::test::kept
