#include "tests/crash/kept/options.hh"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <random>

namespace vxs::test::kept {

int parse_options(int argc, char** argv, Options& options) {
  CLI::App app(
      "Kills vxenstored with -9 under clients that check that nothing is lost and nobody notices");
  std::string connections = "kept", supervisor = "on";
  app.add_option("--kills", options.kills, "how often; 0: not at all")
      ->check(CLI::Range(0, 10'000'000));
  app.add_option("--seconds", options.seconds, "end after so long; 0: after the last kill");
  app.add_option("--clients", options.clients)->check(CLI::Range(1, 500));
  app.add_option("--guests", options.guests, "on their rings, of a fake machine")
      ->check(CLI::Range(0, 500));
  app.add_option("--seed", options.seed, "0: another one each time");
  app.add_option("--durability", options.durability)->check(CLI::IsMember({"process", "disk"}));
  app.add_option("--journal", options.journal,
                 "the directory in which state and journal lie: on a tmpfs segments are mapped")
      ->check(CLI::ExistingDirectory);
  app.add_option("--connections", connections,
                 "volatile: clients are closed at a kill, come again and check what still holds")
      ->check(CLI::IsMember({"kept", "volatile"}));
  app.add_option("--supervisor", supervisor,
                 "off: the daemon is started directly, and again by the soak")
      ->check(CLI::IsMember({"on", "off"}));
  app.add_option("--longest-ms", options.longest_ms,
                 "longest time from the first answer of a daemon to its kill")
      ->check(CLI::Range(0, 600'000));
  app.add_option("--census", options.census, "kills from one full comparison to the next")
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--patience", options.patience_s, "seconds after which an answer is lost")
      ->check(CLI::Range(1, 3600));
  app.add_option("--crash-points", options.crash_points,
                 "die at each of docs/crash-points.md, so many times, instead of --kills")
      ->check(CLI::Range(1, 100'000));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  options.kept = connections == "kept";
  options.supervised = supervisor == "on";
  if (options.crash_points != 0 && !(options.kept && options.supervised)) {
    (void)std::fprintf(stderr, "--crash-points needs a supervisor and kept connections\n");
    return 2;
  }
  if (options.kills == 0 && options.seconds == 0) {
    (void)std::fprintf(stderr, "--kills 0 needs --seconds\n");
    return 2;
  }
  if (options.kept && !options.supervised && options.kills != 0) {
    (void)std::fprintf(stderr, "Without a supervisor kills cannot keep connections\n");
    return 2;
  }
  if (options.guests != 0 && !options.kept && options.kills != 0) {
    (void)std::fprintf(stderr, "Without kept connections guests lose what is in flight\n");
    return 2;
  }
  if (options.seed == 0) options.seed = std::random_device{}() | 1U;
  return -1;
}

}  // namespace vxs::test::kept
