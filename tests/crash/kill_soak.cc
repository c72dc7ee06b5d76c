// kill_soak: kill -9 of the real daemon at random instants under load; every acknowledged change is
// there after each restart, and the repository is clean.
#include <cstdio>
#include <exception>

#include "tests/crash/soak.hh"

int main(int argc, char** argv) {
  vxs::test::SoakOptions options;
  if (const int code = vxs::test::parse_soak_options(argc, argv, options); code >= 0) return code;
  std::printf("kill_soak: seed %llu, durability %s, below %s\n",
              static_cast<unsigned long long>(options.seed), options.durability.c_str(),
              options.journal.c_str());
  (void)std::fflush(stdout);
  try {
    vxs::test::Soak soak(options);
    try {
      soak.run();
    } catch (const std::exception& error) {
      std::printf("%s\nFAILED: %s\nThe daemon said:\n%s\n", soak.statistics().c_str(), error.what(),
                  soak.output().c_str());
      return 1;
    }
    std::printf("%s\n", soak.statistics().c_str());
  } catch (const std::exception& error) {
    std::printf("FAILED: %s\n", error.what());
    return 1;
  }
  return 0;
}
