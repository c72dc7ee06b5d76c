// Kills the daemon below its supervisor, with many guests and a tail of journal records, and times
// how long a client waits that is connected and asks at that moment. Prints where the time goes.
// Exit 0; 1 when --limit-ms was exceeded; 2 on a failure.

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
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
constexpr std::size_t kShownLog = 6000;

struct Options {
  std::uint32_t domains = 1000;
  std::vector<std::uint64_t> tails{0, 10'000, 100'000};
  unsigned runs = 5;
  double limit_ms = 0;  // 0: none
  bool guests = true;
  ServerPaths paths = default_server_paths();
};

double milliseconds(Clock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

struct Run {
  double died_ms = 0;   // the process is gone, and the supervisor sees it
  double main_ms = 0;   // the next one is in main(): started, linked
  double reply_ms = 0;  // the client has its answer
  double guest_ms = 0;  // and a guest one to what it asked after that
  std::string steps;    // as the daemon says
  std::string replayed;
};

class Host {
 public:
  explicit Host(const Options& options)
      : options_(options), supervised_(options.paths, options.guests) {
    Connection toolstack(supervised_.socket_path());
    if (options.guests) {
      machine_.emplace(supervised_.machine_directory());
      guests_ = make_guests(*machine_, toolstack, options.domains);
    } else {
      write_domains(toolstack, options.domains);
    }
  }

  // All that was done so far goes to a checkpoint.
  void checkpoint() {
    client_.reset();
    supervised_.start_anew();
    client_.emplace(supervised_.socket_path());
    tail_ = 0;
  }

  void write_tail_to(std::uint64_t records) {
    if (records <= tail_) return;
    write_tail(*client_, options_.domains, records - tail_);
    tail_ = records;
  }

  // restart(), with the end of what the daemons said if that fails.
  Run restart_or_show() {
    try {
      return restart();
    } catch (const BenchError&) {
      const std::string log = supervised_.log();
      fmt::print("{}\n", log.substr(log.size() - std::min(log.size(), kShownLog)));
      throw;
    }
  }

  Run restart() {
    (void)wait_until_quiet(supervised_.wait_for_daemon(), kSettleMs, kQuietLimitMs);
    Run run;
    int pidfd = -1;
    const auto killed = supervised_.kill_daemon(pidfd);
    append_request(client_->output(), MessageType::kRead, 0, {path_body("/local/domain/1/name")});
    client_->flush();
    std::optional<Reply> reply;
    while (!reply) {
      pollfd polled[] = {{client_->descriptor(), POLLIN, 0}, {pidfd, POLLIN, 0}};
      if (::poll(polled, 2, kAnswerLimitMs) <= 0) throw BenchError("no answer after the kill");
      if (polled[1].revents != 0) {
        run.died_ms = milliseconds(Clock::now() - killed);
        ::close(std::exchange(pidfd, -1));
      }
      if (polled[0].revents == 0) continue;
      client_->fill();
      reply = client_->next();
    }
    run.reply_ms = milliseconds(Clock::now() - killed);
    if (reply->body != "value-1") throw BenchError("a wrong answer after the kill");
    if (!guests_.empty()) {
      RingConnection& guest = guests_[guests_.size() / 2];
      append_request(guest.output(), MessageType::kRead, 0, {path_body("memory/target")});
      if (guest.exchange().type != MessageType::kRead) throw BenchError("a guest is refused");
      run.guest_ms = milliseconds(Clock::now() - killed);
    }
    read_log(run, killed);
    return run;
  }

 private:
  void read_log(Run& run, Clock::time_point killed) const {
    std::string log = supervised_.log();
    for (int i = 0; i < 100 && log.rfind("starting it again") > log.rfind("monotonic clock: ");
         ++i) {
      ::usleep(10'000);
      log = supervised_.log();
    }
    const std::string began = last_after(log, "after main() at ", " s");
    if (began != "?") {
      run.main_ms = 1000 * std::stod(began) - milliseconds(killed.time_since_epoch());
    }
    run.steps = last_after(log, "monotonic clock: ", "\n");
    run.replayed = last_after(log, "(checkpoint ", " records");
    run.replayed = run.replayed.substr(run.replayed.rfind(' ') + 1);
  }

  const Options& options_;
  Supervised supervised_;
  std::optional<vxs::fakexen::Machine> machine_;
  std::vector<RingConnection> guests_;  // after machine_: they unmap through it
  std::optional<Connection> client_;
  std::uint64_t tail_ = 0;
};

int measure(const Options& options) {
  Host host(options);
  host.checkpoint();
  double worst = 0;
  for (const std::uint64_t tail : options.tails) {
    host.write_tail_to(tail);
    std::vector<double> replies;
    for (unsigned i = 0; i < options.runs; ++i) {
      const Run run = host.restart_or_show();
      replies.push_back(run.reply_ms);
      fmt::print(
          "{} domains, tail {} ({} replayed): first reply {:.1f} ms, a guest's {:.1f} ms; gone "
          "after {:.1f}, main() after {:.1f}; {}\n",
          options.domains, tail, run.replayed, run.reply_ms, run.guest_ms, run.died_ms, run.main_ms,
          run.steps);
      (void)std::fflush(stdout);
    }
    std::sort(replies.begin(), replies.end());
    const double median = replies[replies.size() / 2];
    worst = std::max(worst, median);
    fmt::print("tail {}: median {:.1f} ms, best {:.1f}, worst {:.1f}\n", tail, median,
               replies.front(), replies.back());
  }
  if (options.limit_ms <= 0 || worst <= options.limit_ms) return 0;
  fmt::print("EXCEEDED: the limit is {:.1f} ms\n", options.limit_ms);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Times vxenstored from its kill -9 to the first reply of the next one");
  Options options;
  bool no_guests = false;
  app.add_option("--domains", options.domains, "introduced domains of 60 nodes each")
      ->check(CLI::Range(1U, 4000U));
  app.add_option("--tail", options.tails, "records behind the checkpoint, ascending");
  app.add_option("--runs", options.runs, "kills for each tail")->check(CLI::Range(1, 10'000));
  app.add_option("--limit-ms", options.limit_ms, "exit 1 when a median takes longer");
  app.add_flag("--no-guests", no_guests, "nodes only: no Xen, no rings");
  app.add_option("--vxenstored", options.paths.vxenstored, "the daemon under test");
  app.add_option("--vxenstored-option", options.paths.extra_options, "one more option for it");
  try {
    app.parse(argc, argv);
    options.guests = !no_guests;
    return measure(options);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  } catch (const std::exception& error) {
    std::cerr << "restart: " << error.what() << "\n";
    return 2;
  }
}
