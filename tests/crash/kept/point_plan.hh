// Ends the daemon at each named crash point, one after the other.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/crash/kept/conversation.hh"
#include "tests/crash/kept/crash_points.hh"
#include "tests/crash/kept/host.hh"
#include "tests/crash/kept/options.hh"
#include "tests/crash/kept/standstill.hh"

namespace vxs::test::kept {

// A point, and how it is met.
struct PointStep {
  ListedPoint point;
  bool by_update = false;  // a live update is asked for, instead of a kill or the load
};
// All there are with these options. The points of a start are met by kill -9, and by the new
// program of a live update.
std::vector<PointStep> steps_for(const Options& options);

class PointPlan {
 public:
  // Both outlive it. Throws std::runtime_error if programs and list do not agree.
  PointPlan(const Options& options, const Host& host);

  // The next one is due: sets it, or kills at once where it lies in the start that follows. True:
  // a live update is to be asked for now, with these words.
  [[nodiscard]] bool strike(const Pidfd& victim, Time now);
  // `live-update -f`, and -c.
  [[nodiscard]] const std::string& update_file() const { return runner_; }
  [[nodiscard]] const std::string& update_line() const { return line_; }
  // Held against the answer of -s; "" or what is wrong.
  [[nodiscard]] std::string judge_update(const std::string& answer) const;
  // The new program dies before its turn, and the victim may go on.
  [[nodiscard]] bool spares_victim() const;

  // Until the supervisor has come to where it was to: false, or, when it just did, true. Then the
  // daemon is ended while the supervisor stands there. Throws Violation as check_patience().
  [[nodiscard]] bool watch_supervisor(const Pidfd& victim, Time now);
  [[nodiscard]] bool watches_supervisor() const { return standstill_ != nullptr; }
  // Throws Violation if nobody comes by the point that was set.
  void check_patience(Time now) const;
  // The victim of strike() is gone.
  void died();
  // There is a daemon that serves again. Throws Violation if it should have died in its start.
  void served();

  // Deaths at points so far, of which the supervisor tells.
  [[nodiscard]] std::size_t told() const { return met_ - untold_; }
  [[nodiscard]] std::size_t strikes() const { return next_; }
  [[nodiscard]] std::string summary() const;

 private:
  [[nodiscard]] bool is_set_at_exec() const;
  [[nodiscard]] bool is_of_supervisor() const;
  void set_in_supervisor(const Pidfd& victim);

  const Options& options_;
  const Host& host_;
  std::string program_;
  std::string supervisor_;
  std::string runner_;
  std::string line_;
  PointPlaces places_;
  PointPlaces supervisor_places_;
  std::vector<PointStep> steps_;
  std::size_t next_ = 0;
  const PointStep* current_ = nullptr;
  std::unique_ptr<Standstill> standstill_;
  std::optional<Time> give_up_at_;
  std::size_t met_ = 0, untold_ = 0;
};

}  // namespace vxs::test::kept
