// fake-guest: a guest of the fake machine as a process of its own. Exit status 0: it did what it
// was to do; 1: the daemon did not do its part; 2: bad options. Prints one line at the end.
#include <CLI/CLI.hpp>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <iostream>
#include <map>
#include <random>
#include <string>

#include "tests/fakexen/guest_modes.hh"

namespace vxs::fakexen {
namespace {

using std::chrono::steady_clock;

struct Options {
  std::string machine;
  uint32_t domid = 0;
  std::string mode = "busy";
  double seconds = 1;
  uint64_t bytes = 0;
  uint64_t seed = 1;
};

const std::map<std::string, Abuse> kAbuse{{"indices", Abuse::kIndices},
                                          {"overlong", Abuse::kOverlong},
                                          {"noise", Abuse::kNoise},
                                          {"deaf", Abuse::kDeaf}};

steady_clock::time_point end_of(const Options& options) {
  return steady_clock::now() + std::chrono::duration_cast<steady_clock::duration>(
                                   std::chrono::duration<double>(options.seconds));
}

void be_busy(support::FakeGuest& guest, const Options& options) {
  BusyGuest busy(guest, options.seed);
  const auto end = end_of(options);
  while (steady_clock::now() < end) busy.work();
  std::cout << "requests " << busy.requests() << "\n";
}

// Until the time is up, or so many bytes were written if that is asked for.
void be_hostile(support::FakeGuest& guest, const Options& options, Abuse kind) {
  constexpr std::chrono::milliseconds kPatience{20};
  std::mt19937_64 random(options.seed);
  uint64_t bytes = 0;
  uint64_t acts = 0;
  uint64_t reconnects = 0;
  const auto end = end_of(options);
  while (steady_clock::now() < end && (options.bytes == 0 || bytes < options.bytes)) {
    const size_t written = abuse(guest, kind, random);
    bytes += written;
    ++acts;
    const bool stuck = written == 0 || guest.page().get(support::GuestPage::kError) != 0;
    if (kind != Abuse::kDeaf && (stuck || random() % 8 == 0)) {
      if (reconnect(guest, kPatience)) ++reconnects;
    } else if (written == 0) {
      guest.becomes(support::GuestPage::kError, 1, kPatience);  // only to wait
    }
  }
  std::cout << "acts " << acts << " bytes " << bytes << " reconnects " << reconnects << "\n";
}

int run(const Options& options) {
  std::signal(SIGPIPE, SIG_IGN);  // the daemon may die at any moment
  try {
    Machine machine(options.machine);
    support::FakeGuest guest(machine, options.domid);
    const auto abuse = kAbuse.find(options.mode);
    if (abuse == kAbuse.end()) {
      be_busy(guest, options);
    } else {
      be_hostile(guest, options, abuse->second);
    }
  } catch (const std::exception& error) {
    std::cout << "guest " << options.domid << ": " << error.what() << "\n";
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace vxs::fakexen

int main(int argc, char** argv) {
  vxs::fakexen::Options options;
  CLI::App app("A guest of the fake machine that works, or does what a malicious one may try");
  app.add_option("--machine", options.machine, "the machine's directory (FAKEXEN_DIR)")->required();
  app.add_option("--domid", options.domid, "the domain, which exists; introduced by others")
      ->required();
  app.add_option("--mode", options.mode)
      ->check(CLI::IsMember({"busy", "indices", "overlong", "noise", "deaf"}));
  app.add_option("--seconds", options.seconds, "how long")->check(CLI::PositiveNumber);
  app.add_option("--bytes", options.bytes, "hostile: stop when so many bytes were written");
  app.add_option("--seed", options.seed);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return vxs::fakexen::run(options);
}
