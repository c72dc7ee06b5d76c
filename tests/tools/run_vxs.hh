// Runs the real vxs of this build.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace vxs::test {

struct Outcome {
  int exit_code = -1;
  std::string out, err;
};

/// $VXS_BUILD_DIR/tools/vxs.
[[nodiscard]] std::string vxs_binary();
/// Runs it to its end, with stdout and stderr in files. Throws if it runs for over 60 s.
[[nodiscard]] Outcome run_vxs(const std::vector<std::string>& arguments,
                              const std::map<std::string, std::string>& environment = {});
/// Runs it on a new terminal of its own and returns what the terminal shows (newlines are "\r\n").
[[nodiscard]] Outcome run_vxs_on_terminal(const std::vector<std::string>& arguments,
                                          const std::map<std::string, std::string>& environment);

}  // namespace vxs::test
