// swap_soak: from the packaged C xenstored to this build and back, again and again, under clients
// of the socket and guests on their rings that each check every answer and event by themselves, and
// a toolstack for which guests come and go (tests/crash/kept).
#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <random>
#include <string>
#include <thread>

#include "tests/crash/kept/crowd.hh"
#include "tests/crash/kept/toolstack.hh"
#include "tests/crash/store_dump.hh"
#include "tests/daemon/swap/stock_host.hh"

namespace vxs::test {
namespace {

using namespace std::chrono_literals;
using kept::Clock;
using kept::Violation;
using support::WireClient;
using support::zstrings;

struct Options {
  std::uint64_t swaps = 20;
  std::size_t clients = 16;
  std::size_t guests = 8;
  std::uint64_t seed = 0;
  std::uint64_t longest_ms = 60;  // between two swaps
};

// Asks for one swap after another, in a thread of its own: the answer comes when it is over.
class Swapper {
 public:
  Swapper(const StockHost& host, const Options& options)
      : host_(host), options_(options), thread_([this] { run(); }) {}
  ~Swapper() {
    end_ = true;
    thread_.join();
  }
  Swapper(const Swapper&) = delete;
  Swapper& operator=(const Swapper&) = delete;

  [[nodiscard]] bool swapping() const { return swapping_; }
  [[nodiscard]] std::uint64_t swaps() const { return swaps_; }
  [[nodiscard]] bool ended() const { return ended_; }
  // Once ended() : "" if all went well.
  [[nodiscard]] const std::string& failure() const { return failure_; }
  [[nodiscard]] std::string pauses() const {
    return "longest swap " + std::to_string(longest_ms_) + " ms, all together " +
           std::to_string(sum_ms_) + " ms";
  }

 private:
  void run() {
    std::mt19937_64 random(options_.seed);
    try {
      WireClient client(host_.socket_path());
      while (!end_ && swaps_ < options_.swaps) {
        std::this_thread::sleep_for(std::chrono::milliseconds(random() % options_.longest_ms));
        const bool to_ours = swaps_ % 2 == 0;
        const auto begin = Clock::now();
        swapping_ = true;
        const auto answer = StockHost::live_update(
            client, to_ours ? StockHost::our_binary() : StockHost::stock_binary(), {"-t", "20"});
        if (answer != "OK") throw std::runtime_error("live-update: " + answer);
        const auto reply = client.call(support::kDirectory, zstrings({"/"}));
        if (reply.is_error()) throw std::runtime_error("DIRECTORY: " + reply.error());
        swapping_ = false;
        const auto ms =
            std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin).count();
        longest_ms_ = std::max<long>(longest_ms_, ms);
        sum_ms_ += ms;
        ++swaps_;
      }
    } catch (const std::exception& error) {
      failure_ = "swap " + std::to_string(swaps_ + 1) + ": " + error.what();
    }
    ended_ = true;
  }

  const StockHost& host_;
  Options options_;
  std::atomic<bool> swapping_{false}, end_{false}, ended_{false};
  std::atomic<std::uint64_t> swaps_{0};
  std::string failure_;
  long longest_ms_ = 0, sum_ms_ = 0;
  std::thread thread_;
};

void write(WireClient& client, const std::string& path, const std::string& value) {
  const auto reply = client.call(support::kWrite, zstrings({path}) + value);
  if (reply.is_error()) throw std::runtime_error("WRITE " + path + ": " + reply.error());
}

class Soak {
 public:
  explicit Soak(const Options& options) : options_(options) {
    WireClient client(host_.socket_path());
    kept::CrowdSetting setting;
    setting.clients = options.clients;
    setting.guests = options.guests;
    setting.reconnects = false;  // the C daemon knows of no such wish
    setting.depths = false;      // a stream of version 1 has none
    // The C daemon lets a TRANSACTION_START wait while an update is pending, and nothing behind it.
    setting.lone_starts = true;
    setting.seed = options.seed;
    write(client, "/soak", "");
    // Guests read and count up what is below it, and have a subtree of their own there.
    if (client.call(support::kSetPerms, zstrings({"/soak", "b0"})).is_error()) {
      throw std::runtime_error("SET_PERMS /soak");
    }
    for (std::size_t n = 0; n < options.clients + options.guests; ++n) {
      write(client, kept::root_of(n), "");
      write(client, kept::beat_path(n), "0");
    }
    setting.root_perms = client.call(support::kGetPerms, zstrings({kept::root_of(0)})).payload;
    const kept::Client::Dump dump = [this](const std::string& root) -> std::optional<StoreDump> {
      WireClient once(host_.socket_path());
      return dump_store(once, root);
    };
    const auto connect = kept::socket_connector(host_.socket_path(), true);
    crowd_ = std::make_unique<kept::Crowd>(
        setting, connect, dump, [this](std::size_t number) { return toolstack_->connect(number); });
    for (std::size_t n = 0; n < crowd_->board().pairs.size(); ++n) {
      for (const char half : {'a', 'b'}) write(client, kept::pair_path(n, half), "0");
    }
    toolstack_ =
        std::make_unique<kept::Toolstack>(kept::ToolstackSetting{.first = options.clients,
                                                                 .guests = options.guests,
                                                                 .seed = options.seed,
                                                                 .basic = true},
                                          host_.machine().machine(), crowd_->board(), connect);
  }

  void run() {
    Swapper swapper(host_, options_);
    bool swapping = false;
    while (!swapper.ended()) {
      if (swapper.swapping() != swapping) {
        swapping = !swapping;
        swapping ? crowd_->killed(Clock::now()) : crowd_->served(Clock::now());
      }
      turn(5ms);
    }
    if (!swapper.failure().empty()) throw Violation(swapper.failure());
    compare();
    summary_ = std::to_string(swapper.swaps()) + " swaps, " + swapper.pauses() + '\n' +
               crowd_->statistics() + '\n' + toolstack_->statistics();
  }

  [[nodiscard]] const std::string& summary() const { return summary_; }
  [[nodiscard]] std::string output() const { return host_.output(); }

 private:
  void turn(std::chrono::milliseconds longest) {
    toolstack_->turn(Clock::now());
    crowd_->turn(std::min(longest, toolstack_->idle()), {toolstack_->fd()});
  }

  void compare() {
    crowd_->served(Clock::now());
    crowd_->set_quiet(true);
    const auto begin = Clock::now();
    while (!crowd_->is_quiet() || !toolstack_->is_quiet()) {
      turn(10ms);
      if (Clock::now() - begin > 2 * crowd_->board().patience) {
        throw Violation("not all became quiet: " + (crowd_->is_quiet()
                                                        ? toolstack_->who_is_not_quiet()
                                                        : crowd_->who_is_not_quiet()));
      }
    }
    WireClient client(host_.socket_path());
    for (const auto& one : crowd_->clients()) {
      const auto text = one->tree().compare(dump_store(client, one->tree().root()));
      if (!text.empty()) throw Violation(one->name() + ": " + text + '\n' + one->history());
    }
    for (std::size_t n = 0; n < crowd_->board().pairs.size(); ++n) {
      const auto value = [&](char half) {
        return client.call(support::kRead, zstrings({kept::pair_path(n, half)})).payload;
      };
      const std::string a = value('a');
      if (a != value('b')) throw Violation("the halves of pair " + std::to_string(n) + " differ");
      const kept::Pair& pair = crowd_->board().pairs[n];
      if (const auto text = pair.judge(a, pair.acknowledged()); !text.empty()) {
        throw Violation("pair " + std::to_string(n) + ": " + text);
      }
    }
  }

  Options options_;
  StockHost host_;
  std::unique_ptr<kept::Toolstack> toolstack_;
  std::unique_ptr<kept::Crowd> crowd_;
  std::string summary_;
};

// By hand, without ctest: this program lies in <build>/tests/daemon/swap.
void find_build() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) {
    const auto build = self.parent_path().parent_path().parent_path().parent_path();
    (void)setenv("VXS_BUILD_DIR", build.c_str(), 0);
  }
}

}  // namespace
}  // namespace vxs::test

int main(int argc, char** argv) {
  using namespace vxs::test;
  Options options;
  CLI::App app{"Swaps xenstored and vxenstored under load"};
  app.add_option("--soak,--swaps", options.swaps, "How often");
  app.add_option("--clients", options.clients, "Connections");
  app.add_option("--guests", options.guests, "Domains with rings");
  app.add_option("--seed", options.seed, "0: another one each time");
  app.add_option("--longest-ms", options.longest_ms, "Between two swaps")
      ->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  if (options.seed == 0) options.seed = std::random_device()();
  std::printf("swap_soak: seed %llu\n", static_cast<unsigned long long>(options.seed));
  (void)std::fflush(stdout);
  find_build();
  std::unique_ptr<Soak> soak;
  try {
    soak = std::make_unique<Soak>(options);
    soak->run();
    std::printf("%s\n", soak->summary().c_str());
    return 0;
  } catch (const std::exception& error) {
    std::printf("FAILED: %s\n", error.what());
    if (soak) std::printf("The daemons said:\n%s\n", soak->output().c_str());
  }
  return 1;
}
