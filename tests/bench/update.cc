// Updates the daemon below its supervisor to itself again and again, with many guests, and times
// how long clients that ask all the time wait: one of the socket, and a guest. Prints where the
// time goes. Exit 0; 1 when --limit-ms was exceeded; 2 on a failure.

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <exception>
#include <functional>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/bench/cpu_meter.hh"
#include "tests/bench/error.hh"
#include "tests/bench/guest_host.hh"
#include "tests/bench/sample_tree.hh"
#include "tests/bench/supervised.hh"

namespace {

using namespace vxs::bench;
using Clock = std::chrono::steady_clock;

constexpr int kAnswerLimitMs = 120'000;
constexpr int kSettleMs = 300;
constexpr int kQuietLimitMs = 60'000;
constexpr std::chrono::milliseconds kBefore{300};
constexpr std::chrono::milliseconds kAfter{700};
// From an answer to the next request: longer, and the daemon would be free; none, and two cores
// would be busy with us.
constexpr std::chrono::microseconds kBetween{200};
constexpr std::size_t kShownLog = 6000;

struct Options {
  std::uint32_t domains = 1000;
  unsigned runs = 7;
  double limit_ms = 0;  // 0: none
  ServerPaths paths = default_server_paths();
};

double milliseconds(Clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

Reply ask(Connection& client, MessageType type, std::string_view body) {
  append_request(client.output(), type, 0, {body});
  client.flush();
  for (;;) {
    if (auto reply = client.next()) return *reply;
    pollfd polled{client.descriptor(), POLLIN, 0};
    if (::poll(&polled, 1, kAnswerLimitMs) <= 0) throw BenchError("no answer");
    client.fill();
  }
}

// Asks all the time, and keeps the longest wait.
class Asker {
 public:
  explicit Asker(std::function<void()> one) : thread_([this, one = std::move(one)] { run(one); }) {}
  // Of all its life; throws BenchError.
  double longest_ms() {
    stop_ = true;
    thread_.join();
    if (!problem_.empty()) throw BenchError(problem_);
    return milliseconds(longest_);
  }
  ~Asker() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  Asker(const Asker&) = delete;
  Asker& operator=(const Asker&) = delete;

 private:
  void run(const std::function<void()>& one) {
    try {
      while (!stop_) {
        const auto begin = Clock::now();
        one();
        longest_ = std::max(longest_, Clock::now() - begin);
        std::this_thread::sleep_for(kBetween);
      }
    } catch (const BenchError& error) {
      problem_ = error.what();
    }
  }
  std::atomic<bool> stop_ = false;
  Clock::duration longest_{};
  std::string problem_;
  std::thread thread_;  // last: it uses the others
};

struct Run {
  double client_ms = 0;
  double guest_ms = 0;
  std::string daemon_ms;  // from the end of serving to its beginning, as the daemons say
  std::string stopping;   // the old one's part of it
  std::string steps;      // the new one's
};

class Host {
 public:
  explicit Host(const Options& options)
      : options_(options), supervised_(options.paths, true), toolstack_(supervised_.socket_path()) {
    machine_.emplace(supervised_.machine_directory());
    guests_ = make_guests(*machine_, toolstack_, options.domains);
    client_.emplace(supervised_.socket_path());
  }

  Run update_or_show() {
    try {
      return update();
    } catch (const BenchError&) {
      const std::string log = supervised_.log();
      fmt::print("{}\n", log.substr(log.size() - std::min(log.size(), kShownLog)));
      throw;
    }
  }

 private:
  Run update() {
    const pid_t before = supervised_.wait_for_daemon();
    (void)wait_until_quiet(before, kSettleMs, kQuietLimitMs);
    Run run;
    {
      Asker client([this] {
        if (ask(*client_, MessageType::kRead, path_body("/local/domain/1/name")).body !=
            "value-1") {
          throw BenchError("a wrong answer");
        }
      });
      Asker guest([this] {
        RingConnection& ring = guests_[guests_.size() / 2];
        append_request(ring.output(), MessageType::kRead, 0, {path_body("memory/target")});
        if (ring.exchange().type != MessageType::kRead) throw BenchError("a guest is refused");
      });
      std::this_thread::sleep_for(kBefore);
      control({"-f", options_.paths.vxenstored});
      control({"-s"});
      std::this_thread::sleep_for(kAfter);
      run.client_ms = client.longest_ms();
      run.guest_ms = guest.longest_ms();
    }
    if (supervised_.wait_for_daemon() == before) throw BenchError("it is the same process");
    const std::string log = supervised_.log();
    run.daemon_ms = last_after(log, "clients waited ", " ms");
    run.stopping = last_after(log, "the old one stopped within ", " ms");
    run.steps = last_after(log, "monotonic clock: ", "\n");
    return run;
  }

  void control(const std::vector<std::string>& words) {
    std::string body = path_body("live-update");
    for (const std::string& word : words) body += path_body(word);
    const Reply reply = ask(toolstack_, MessageType::kControl, body);
    const std::string answer(reply.body.substr(0, reply.body.find('\0')));
    if (reply.type != MessageType::kControl || answer != "OK") throw BenchError(answer);
  }

  const Options& options_;
  Supervised supervised_;
  Connection toolstack_;
  std::optional<vxs::fakexen::Machine> machine_;
  std::vector<RingConnection> guests_;  // after machine_: they unmap through it
  std::optional<Connection> client_;
};

void print(std::string_view whose, std::vector<double> waits) {
  std::sort(waits.begin(), waits.end());
  fmt::print("{}: median {:.1f} ms, best {:.1f}, worst {:.1f}\n", whose, waits[waits.size() / 2],
             waits.front(), waits.back());
}

int measure(const Options& options) {
  Host host(options);
  std::vector<double> clients, guests;
  for (unsigned i = 0; i < options.runs; ++i) {
    const Run run = host.update_or_show();
    clients.push_back(run.client_ms);
    guests.push_back(run.guest_ms);
    fmt::print(
        "{} domains: longest wait of a client {:.1f} ms, of a guest {:.1f}; the daemon says {} ms, "
        "of which the old one took {}; the new one {}\n",
        options.domains, run.client_ms, run.guest_ms, run.daemon_ms, run.stopping, run.steps);
    (void)std::fflush(stdout);
  }
  print("a client's longest wait", clients);
  print("a guest's longest wait", guests);
  std::sort(clients.begin(), clients.end());
  std::sort(guests.begin(), guests.end());
  const double median = std::max(clients[clients.size() / 2], guests[guests.size() / 2]);
  if (options.limit_ms <= 0 || median <= options.limit_ms) return 0;
  fmt::print("EXCEEDED: the limit is {:.1f} ms\n", options.limit_ms);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Times the pause of a live update of vxenstored to itself, as clients see it");
  Options options;
  app.add_option("--domains", options.domains, "introduced domains of 60 nodes each")
      ->check(CLI::Range(2U, 4000U));
  app.add_option("--runs", options.runs, "updates")->check(CLI::Range(1, 10'000));
  app.add_option("--limit-ms", options.limit_ms, "exit 1 when a median takes longer");
  app.add_option("--vxenstored", options.paths.vxenstored, "the daemon under test");
  app.add_option("--vxenstored-option", options.paths.extra_options, "one more option for it");
  try {
    app.parse(argc, argv);
    return measure(options);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  } catch (const std::exception& error) {
    std::cerr << "update: " << error.what() << "\n";
    return 2;
  }
}
