// kept_soak: kill -9 of the real daemon below its supervisor at random instants, under clients that
// each check every promise of kept connections: nothing is lost, and nobody notices.
#include <stdlib.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <optional>

#include "tests/crash/kept/point_plan.hh"
#include "tests/crash/kept/soak.hh"
#include "tests/support/temp_dir.hh"

namespace {

// By hand, without ctest: this program lies in <build>/tests/crash.
void find_build() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return;
  const auto build = self.parent_path().parent_path().parent_path();
  (void)setenv("VXS_BUILD_DIR", build.c_str(), 0);
  (void)setenv("VXS_SOURCE_DIR", VXS_SOAK_SOURCE_DIR, 0);
}

}  // namespace

int main(int argc, char** argv) {
  vxs::test::kept::Options options;
  if (const int code = vxs::test::kept::parse_options(argc, argv, options); code >= 0) return code;
  std::printf("kept_soak: seed %llu, durability %s, below %s, connections %s\n",
              static_cast<unsigned long long>(options.seed), options.durability.c_str(),
              options.journal.c_str(), options.kept ? "kept" : "volatile");
  (void)std::fflush(stdout);
  find_build();
  std::optional<vxs::test::kept::Soak> soak;
  const vxs::support::TempDir directory;
  try {
    if (options.crash_points != 0) {
      options.control = directory.path() + "/point";
      options.kills = options.crash_points * vxs::test::kept::steps_for(options).size();
    }
    soak.emplace(options);
    soak->run();
    if (const auto points = soak->points(); !points.empty()) std::printf("%s\n", points.c_str());
    std::printf("%s\n", soak->summary().c_str());
    return 0;
  } catch (const std::exception& error) {
    if (soak) std::printf("%s\n", soak->summary().c_str());
    std::printf("FAILED: %s\n", error.what());
    if (soak) std::printf("The daemon said:\n%s\n", soak->output().c_str());
  }
  return 1;
}
