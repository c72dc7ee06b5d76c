// How long clients waited for an answer because the daemon was killed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/crash/kept/conversation.hh"

namespace vxs::test::kept {

// "p50 3.1 p90 4 p99 7 max 9.2 ms (of 100)"; "none" without values.
std::string distribution(std::vector<double> milliseconds);

// A window is open from a kill to the next one that follows an answer of the probe: kills in
// recovery prolong the pause of the one before.
class Pauses {
 public:
  void killed(Time now);
  // The restarted daemon answered.
  void served(Time now);
  // Somebody's answer came that could have come since `since`.
  void answered(Time since, Time now);
  // The last window is complete.
  void finish();

  // In each window the longest one.
  [[nodiscard]] const std::vector<double>& longest() const { return longest_; }
  // From the kill to the probe's answer.
  [[nodiscard]] const std::vector<double>& restarts() const { return restarts_; }

 private:
  struct Window {
    Time kill;
    std::optional<Time> served;
    double longest = 0;
  };
  std::optional<Window> window_;
  std::vector<double> longest_, restarts_;
};

}  // namespace vxs::test::kept
