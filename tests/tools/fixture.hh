// The sample history in a state directory, and vxs run on it.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "tests/support/temp_dir.hh"
#include "tests/tools/run_vxs.hh"
#include "tests/tools/sample_history.hh"

namespace vxs::test {

class SampleTest : public testing::Test {
 public:
  SampleTest() : repository_(dir_.path() + "/history.git") {
    history_ = write_sample_history(repository_);
  }

  /// vxs --state-dir … with these arguments and no daemon in reach.
  [[nodiscard]] Outcome vxs(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {"--state-dir", dir_.path()});
    return run_vxs(arguments, environment());
  }
  [[nodiscard]] std::map<std::string, std::string> environment() const {
    return {{"XENSTORED_RUNDIR", dir_.path() + "/run"}, {"XENSTORED_PATH", ""}};
  }
  /// The lines of --json output.
  [[nodiscard]] static std::vector<nlohmann::json> objects(const std::string& text);
  [[nodiscard]] static std::vector<std::string> lines(const std::string& text);
  /// The Seqs at the beginning of the lines of `vxs log`.
  [[nodiscard]] static std::vector<std::string> seqs(const std::string& text);

  support::TempDir dir_;
  LayoutRepo repository_;
  SampleHistory history_;
};

}  // namespace vxs::test
