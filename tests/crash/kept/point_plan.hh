// Ends the daemon at each named crash point, one after the other.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/crash/kept/conversation.hh"
#include "tests/crash/kept/crash_points.hh"
#include "tests/crash/kept/host.hh"
#include "tests/crash/kept/options.hh"

namespace vxs::test::kept {

// Of the list those that there are with these options.
std::vector<ListedPoint> points_for(const Options& options);

class PointPlan {
 public:
  // `options` outlives it. Throws std::runtime_error if program and list do not agree.
  explicit PointPlan(const Options& options);

  // The next one is due: sets it, or kills at once where it lies in the start that follows.
  void strike(const Pidfd& victim, Time now);
  // Nobody comes by the point that was set: kill9 is due. Throws Violation unless that may be.
  [[nodiscard]] bool gives_up(Time now);
  // The victim of strike() is gone.
  void died();
  // There is a daemon that serves again. Throws Violation if it should have died in its start.
  void served();

  // Deaths at points so far.
  [[nodiscard]] std::size_t met() const { return met_; }
  [[nodiscard]] std::string summary() const;

 private:
  const Options& options_;
  std::string program_;
  PointPlaces places_;
  std::vector<ListedPoint> points_;
  std::size_t next_ = 0;
  const ListedPoint* current_ = nullptr;
  std::optional<Time> give_up_at_;
  std::size_t met_ = 0;
  std::vector<std::string> missed_;
};

}  // namespace vxs::test::kept
