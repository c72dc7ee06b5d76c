// Restarts the daemon again and again below one supervisor, with clients and guests that stay, and
// compares what both hold: nothing may grow with the number of restarts. Exit 0; 1 if something
// did; 2 if it could not be seen.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/crash/kept/resources.hh"
#include "tests/crash/store_dump.hh"
#include "tests/support/fake_guest.hh"
#include "tests/support/fake_machine.hh"
#include "tests/support/supervised_daemon.hh"
#include "tests/support/wire_client.hh"

namespace {

using namespace vxs::support;
using namespace std::chrono_literals;
using vxs::test::status_number;
using vxs::test::kept::Held;
using vxs::test::kept::held_by;
using vxs::test::kept::wire_area_kb;

struct Options {
  unsigned restarts = 1000;
  unsigned clients = 16;
  unsigned guests = 4;
};

/// Restarts before the first look: what is made once is made then.
constexpr unsigned kWarmUp = 8;

/// How much more there may be after all restarts than after the first ones: what differs from one
/// moment to the next (files of the history, pages of an allocator), not what each restart adds.
constexpr Held kSupervisorSlack{
    .descriptors = 0, .mappings = 2, .resident_kb = 512, .proportional_kb = 512};
constexpr Held kDaemonSlack{
    .descriptors = 6, .mappings = 12, .resident_kb = 6 << 10, .proportional_kb = 6 << 10};
constexpr std::int64_t kWireAreaSlackKb = 64;

struct Sample {
  Held supervisor, daemon;
  std::int64_t wire_area_kb = 0;
  std::uint64_t segments = 0;
};

class Stage {
 public:
  explicit Stage(const Options& options) {
    WireClient toolstack(process_.socket_path());
    for (std::uint32_t domid = 1; domid <= options.guests; ++domid) {
      machine_.create_domain(domid);
      guests_.emplace_back(machine_.machine(), domid);
      const std::string home = "/local/domain/" + std::to_string(domid);
      ask(toolstack, kWrite, zstrings({home}));
      ask(toolstack, kSetPerms, zstrings({home, "n" + std::to_string(domid)}));
      ask(toolstack, kIntroduce, guests_.back().introduction());
      ask(guests_.back(), kWatch, zstrings({"data", "token"}));
    }
    for (unsigned i = 0; i < options.clients; ++i) {
      WireClient& client = clients_.emplace_back(process_.socket_path());
      const std::string path = "/client/" + std::to_string(i);
      ask(client, kWrite, zstrings({path}) + "0");
      ask(client, kWatch, zstrings({path + "/watched", "token"}));
      // One that stays open, of a few requests.
      const auto tx =
          static_cast<std::uint32_t>(std::stoul(ask(client, kTransactionStart, zstrings({""}))));
      ask(client, kWrite, zstrings({path + "/open"}) + "not committed", tx);
      (void)client.take_events();
    }
  }

  void restart(unsigned number) {
    (void)process_.strike_daemon();
    for (std::size_t i = 0; i < clients_.size(); ++i) {
      const std::string path = "/client/" + std::to_string(i);
      ask(clients_[i], kWrite, zstrings({path}) + std::to_string(number));
    }
    for (auto& guest : guests_) ask(guest, kRead, zstrings({"domid-of-nobody"}), 0, "ENOENT");
    // Those that come and go leave nothing.
    WireClient passing(process_.socket_path());
    ask(passing, kWatch, zstrings({"/passing", "token"}));
  }

  /// At rest: history has everything, and nobody has anything to do.
  Sample look() {
    Sample sample;
    for (int i = 0; i < 3000; ++i) {
      WireClient asking(process_.socket_path());
      if (status_number(asking, "history-lag") == 0 &&
          status_number(asking, "connections") == clients_.size() + guests_.size() + 2) {
        break;
      }
      std::this_thread::sleep_for(10ms);
    }
    std::this_thread::sleep_for(600ms);  // its housekeeping
    const auto supervisor = held_by(process_.pid());
    const auto daemon_held = held_by(process_.daemon());
    if (!supervisor || !daemon_held) throw std::runtime_error("a process is missing");
    sample.supervisor = *supervisor;
    sample.daemon = *daemon_held;
    sample.wire_area_kb = wire_area_kb(process_.pid());
    for (const auto& entry : std::filesystem::directory_iterator(process_.journal_dir())) {
      if (entry.path().filename().string().starts_with("segment")) ++sample.segments;
    }
    return sample;
  }

  [[nodiscard]] std::string output() const { return process_.output(); }

 private:
  static std::string ask(FrameClient& client, std::uint32_t type, const std::string& payload,
                         std::uint32_t tx = 0, const std::string& error = "") {
    const Frame reply = client.call(type, payload, tx);
    (void)client.take_events();
    if (reply.error() != error) {
      throw std::runtime_error(type_name(type) + " was answered " + reply.error());
    }
    return std::string(reply.payload.c_str());
  }

  FakeMachine machine_;
  SupervisedDaemon process_{{.parent_dir = "/dev/shm", .machine = machine_.dir()}, 0ms};
  std::vector<FakeGuest> guests_;
  std::vector<WireClient> clients_;
};

void print(unsigned restarts, const Sample& sample) {
  const auto held = [](const Held& one) {
    return std::to_string(one.descriptors) + " descriptors, " + std::to_string(one.mappings) +
           " mappings, " + std::to_string(one.resident_kb) + " KB resident (" +
           std::to_string(one.proportional_kb) + " of its own)";
  };
  std::printf("after %u restarts: supervisor %s; daemon %s; wire area %lld KB; %llu segments\n",
              restarts, held(sample.supervisor).c_str(), held(sample.daemon).c_str(),
              static_cast<long long>(sample.wire_area_kb),
              static_cast<unsigned long long>(sample.segments));
  (void)std::fflush(stdout);
}

bool grew(const char* who, const Held& first, const Held& last, const Held& slack) {
  bool any = false;
  const auto compare = [&](const char* what, std::int64_t Held::*member) {
    if (last.*member <= first.*member + slack.*member) return;
    any = true;
    std::printf("GREW: %s of the %s from %lld to %lld, %lld more were allowed\n", what, who,
                static_cast<long long>(first.*member), static_cast<long long>(last.*member),
                static_cast<long long>(slack.*member));
  };
  compare("descriptors", &Held::descriptors);
  compare("mappings", &Held::mappings);
  compare("KB resident", &Held::resident_kb);
  compare("KB of its own", &Held::proportional_kb);
  return any;
}

int compare(Stage& stage, const Options& options) {
  for (unsigned i = 1; i <= kWarmUp; ++i) stage.restart(i);
  const Sample first = stage.look();
  print(kWarmUp, first);
  const unsigned step = std::max(options.restarts / 10, 1U);
  Sample last = first;
  for (unsigned i = 1; i <= options.restarts; ++i) {
    stage.restart(kWarmUp + i);
    if (i % step != 0 && i != options.restarts) continue;
    last = stage.look();
    print(kWarmUp + i, last);
  }
  bool any = grew("supervisor", first.supervisor, last.supervisor, kSupervisorSlack);
  any |= grew("daemon", first.daemon, last.daemon, kDaemonSlack);
  if (last.wire_area_kb > first.wire_area_kb + kWireAreaSlackKb) {
    any = true;
    std::printf("GREW: the wire area\n");
  }
  // Each restart leaves a segment; checkpoints cover them.
  if (last.segments > 100) {
    any = true;
    std::printf("GREW: the journal's files\n");
  }
  if (any) std::printf("The daemons said:\n%s\n", stage.output().c_str());
  return any ? 1 : 0;
}

int run(const Options& options) {
  Stage stage(options);
  try {
    return compare(stage, options);
  } catch (const std::exception&) {
    std::printf("The daemons said:\n%s\n", stage.output().c_str());
    throw;
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Restarts vxenstored (kill -9) many times, and looks for what it leaks");
  Options options;
  app.add_option("--restarts", options.restarts)->check(CLI::Range(1, 1'000'000));
  app.add_option("--clients", options.clients)->check(CLI::Range(0, 1000));
  app.add_option("--guests", options.guests)->check(CLI::Range(0, 100));
  try {
    app.parse(argc, argv);
    return run(options);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  } catch (const std::exception& error) {
    std::printf("FAILED: %s\n", error.what());
    return 2;
  }
}
