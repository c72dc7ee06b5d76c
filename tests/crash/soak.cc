#include "tests/crash/soak.hh"

#include <algorithm>
#include <cstdio>
#include <stdexcept>
#include <thread>

#include "tests/crash/repository.hh"

namespace vxs::test {
namespace {

using support::WireClient;
using support::zstrings;
using Clock = std::chrono::steady_clock;

/// Visible within a second is the promise on a machine with time; this one shares two cores.
constexpr std::chrono::seconds kCatchUp{20};

support::VxenstoredOptions daemon_options(const SoakOptions& options) {
  support::VxenstoredOptions daemon;
  daemon.args = {"--durability", options.durability};
  daemon.parent_dir = options.journal;
  return daemon;
}

void write(WireClient& client, const std::string& path, const std::string& value) {
  const auto reply = client.call(support::kWrite, zstrings({path}) + value);
  if (reply.is_error()) throw std::runtime_error("WRITE " + path + ": " + reply.error());
}

// Waits until the repository has everything; returns how long that took.
double catch_up(WireClient& client) {
  const auto begin = Clock::now();
  while (status_number(client, "history-seq") < status_number(client, "seq")) {
    if (Clock::now() - begin > kCatchUp) {
      throw std::runtime_error("history stays at Seq " + status_value(client, "history-seq") +
                               " of " + status_value(client, "seq") + " (" +
                               status_value(client, "history") + ")");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

}  // namespace

Soak::Soak(const SoakOptions& options)
    : options_(options),
      random_(options.seed),
      shared_(static_cast<std::size_t>(options.clients)),
      daemon_(daemon_options(options)) {
  for (std::size_t i = 0; i < shared_.counters_seen.size(); ++i) {
    clients_.push_back(
        std::make_unique<LoadClient>(i, random_(), options_.durability == "memory", shared_));
  }
}

void Soak::run() {
  set_up();
  for (int kill = 1; kill <= options_.kills; ++kill) {
    load_and_kill();
    restart();
    verify();
    if (kill % options_.check_every == 0 || kill == options_.kills) check_repository();
  }
}

void Soak::set_up() {
  WireClient client(daemon_.socket_path());
  write(client, "/soak/shared", "0");
  for (const auto& one : clients_) write(client, one->root(), "");
  (void)catch_up(client);
}

void Soak::remember_head() {
  if (const auto head = main_head(daemon_.history_dir()); !head.empty()) heads_.insert(head);
}

void Soak::load_and_kill() {
  shared_.killing = false;
  std::vector<std::thread> threads;
  for (const auto& client : clients_) {
    threads.emplace_back([&client, this] { client->run(daemon_.socket_path()); });
  }
  std::this_thread::sleep_for(std::chrono::microseconds(
      1000 + below(static_cast<std::uint64_t>(options_.longest_ms) * 1000)));
  if (below(4) == 0) remember_head();
  shared_.killing = true;
  if (below(10) == 0) {
    // In the middle of an orderly end.
    ++kills_in_shutdown_;
    (void)daemon_.terminate(std::chrono::milliseconds(below(60)));
  } else {
    daemon_.kill9();
  }
  for (auto& thread : threads) thread.join();
  for (const auto& client : clients_) {
    if (!client->failure().empty())
      throw std::runtime_error(client->root() + ": " + client->failure());
  }
  remember_head();
}

void Soak::restart() {
  const auto patience = daemon_.options().start_timeout;
  while (below(6) == 0) {
    // In the middle of recovery: whoever waits for it gives up early, and kills it.
    daemon_.options().start_timeout = std::chrono::milliseconds(below(40));
    try {
      daemon_.restart();
    } catch (const std::runtime_error&) {
      ++kills_in_recovery_;
    }
    daemon_.kill9();
  }
  daemon_.options().start_timeout = patience;
  const auto begin = Clock::now();
  daemon_.restart();
  restarts_ms_.push_back(Milliseconds(Clock::now() - begin).count());
}

void Soak::verify() {
  WireClient client(daemon_.socket_path());
  const auto seq = status_number(client, "seq");
  // With `memory` the numbers of a life that left nothing anywhere may come again.
  if (options_.durability == "memory" ? seq < last_seq_ : seq <= last_seq_) {
    throw std::runtime_error("Seq " + std::to_string(seq) + " after " + std::to_string(last_seq_));
  }
  last_seq_ = seq;
  for (const auto& one : clients_) {
    if (const auto text = one->verify(dump_store(client, one->root())); !text.empty()) {
      throw std::runtime_error(one->root() + ": " + text);
    }
    verified_ += one->take_acknowledged();
  }
  const auto value = std::stoull(client.call(support::kRead, zstrings({"/soak/shared"})).payload);
  const auto least = options_.durability == "memory" ? 0 : shared_.increments.load();
  const auto most = shared_.increments + shared_.increments_open;
  if (value < least || value > most) {
    throw std::runtime_error("/soak/shared is " + std::to_string(value) + " after " +
                             std::to_string(least) + " acknowledged increments and " +
                             std::to_string(shared_.increments_open) + " under way");
  }
  shared_.increments = value;
  shared_.increments_open = 0;
}

void Soak::check_repository() {
  ++checks_;
  WireClient client(daemon_.socket_path());
  slowest_catch_up_ms_ = std::max(slowest_catch_up_ms_, catch_up(client));
  remember_head();
  const auto& repository = daemon_.history_dir();
  if (const auto text = fsck(repository); !text.empty()) throw std::runtime_error(text);
  const auto commits = main_commits(repository);
  for (const auto& head : heads_) {
    if (!commits.contains(head)) {
      throw std::runtime_error("commit " + head +
                               " was main's head once and is not reached any more");
    }
  }
  const auto dump = dump_store(client);
  const auto text = compare_with_history(repository, dump, "/soak/shared");
  if (!text.empty()) throw std::runtime_error(text);
}

std::string Soak::statistics() const {
  auto sorted = restarts_ms_;
  std::sort(sorted.begin(), sorted.end());
  char line[512];
  (void)std::snprintf(
      line, sizeof line,
      "%zu kills (%d more in recovery, %d of them in shutdown), %llu acknowledged changes "
      "verified, "
      "%llu conflicts, %d checks of the repository with %zu heads seen, restart median %.0f ms max "
      "%.0f ms, history caught up within %.0f ms",
      sorted.size(), kills_in_recovery_, kills_in_shutdown_,
      static_cast<unsigned long long>(verified_),
      static_cast<unsigned long long>(shared_.conflicts.load()), checks_, heads_.size(),
      sorted.empty() ? 0 : sorted[sorted.size() / 2], sorted.empty() ? 0 : sorted.back(),
      slowest_catch_up_ms_);
  return line;
}

}  // namespace vxs::test
