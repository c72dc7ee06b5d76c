#include "tests/crash/soak_options.hh"

#include <CLI/CLI.hpp>

#include <random>

namespace vxs::test {

int parse_soak_options(int argc, char** argv, SoakOptions& options) {
  CLI::App app("Kills vxenstored with -9 again and again, and verifies what it acknowledged");
  app.add_option("--kills", options.kills, "how often")->check(CLI::Range(1, 1'000'000));
  app.add_option("--seed", options.seed, "0: another one each time");
  app.add_option("--durability", options.durability)
      ->check(CLI::IsMember({"process", "disk", "memory"}));
  app.add_option("--journal", options.journal,
                 "the directory in which state and journal lie: on a tmpfs segments are mapped")
      ->check(CLI::ExistingDirectory);
  app.add_option("--clients", options.clients)->check(CLI::Range(1, 64));
  app.add_option("--check-every", options.check_every, "kills between two checks of the repository")
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--longest-ms", options.longest_ms, "longest time between a start and its kill")
      ->check(CLI::Range(1, 60'000));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  if (options.seed == 0) options.seed = std::random_device{}() | 1U;
  return -1;
}

}  // namespace vxs::test
