#include "tests/crash/kept/point_plan.hh"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <stdexcept>
#include <utility>

#include "tests/support/daemon_ready.hh"
#include "tests/support/requests.hh"

namespace vxs::test::kept {
namespace {

using std::chrono::seconds;
using When = ListedPoint::When;

// Clients do everything that leads to a point all the time; rings begin when the toolstack makes
// them.
constexpr seconds kPatience{10};
constexpr seconds kRarePatience{20};

// Points at which the new program dies before the supervisor knows that it took over.
bool is_before_taking_over(const std::string& name) {
  static const std::set<std::string> kNames{"start-executed",  "start-handed",
                                            "start-inherited", "start-area-adopted",
                                            "trial-confirmed", "trial-marked"};
  return kNames.contains(name);
}

bool supervisor_comes_by(When when) {
  return when == When::kSupervisorServing || when == When::kSupervisorStart ||
         when == When::kSupervisorUpdate || when == When::kSupervisorTrial || when == When::kChild;
}

// What the answer of `live-update -s` has to have in it.
std::string expected_answer(const ListedPoint& point) {
  static const std::set<std::string> kPreparing{"exec-words-sent", "update-prepared",
                                                "supervisor-ahead-forked"};
  if (point.when == When::kCheckpoint || kPreparing.contains(point.name)) {
    return "Not in live-update session.";  // it is over with the process
  }
  if (point.name == "supervisor-turn") return "it died of signal 9";
  if (point.name == "update-noted") return "this one died before the new one was started";
  const bool refused = point.when == When::kAhead || is_before_taking_over(point.name);
  return refused ? "it died of signal 5" : "OK";
}

// The command line of a process, with one blank between words.
std::string command_line_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/cmdline", std::ios::binary);
  std::string line{std::istreambuf_iterator<char>(file), {}};
  while (!line.empty() && line.back() == '\0') line.pop_back();
  std::replace(line.begin(), line.end(), '\0', ' ');
  return line;
}

}  // namespace

std::vector<PointStep> steps_for(const Options& options) {
  auto points =
      listed_crash_points(support::required_env("VXS_SOURCE_DIR") + "/docs/crash-points.md");
  const bool disk = options.durability == "disk";
  const bool mapped = !disk && options.journal.starts_with("/dev/shm");
  std::erase_if(points, [&](const ListedPoint& point) {
    const bool of_rings = point.when == When::kRing || point.when == When::kRingReset;
    // The supervisor's own death ends the connections of this soak (manager_test.cc).
    const bool alone =
        point.when == When::kSupervisorAlone || point.when == When::kSupervisorManaged;
    const bool of_swap = point.when == When::kGiveBack || point.when == When::kTakeOver ||
                         point.when == When::kSupervisorSwap;  // there is no C daemon here
    return alone || of_swap || (point.journal == "disk" && !disk) ||
           (point.journal == "mapped" && !mapped) || (of_rings && options.guests == 0);
  });
  std::vector<PointStep> steps;
  for (const ListedPoint& point : points) {
    // An update begins with a checkpoint.
    const bool only_by_update =
        point.when == When::kUpdate || point.when == When::kTrial || point.when == When::kOutcome ||
        point.when == When::kCheckpoint || point.when == When::kAhead ||
        point.when == When::kSupervisorUpdate || point.when == When::kSupervisorTrial;
    steps.push_back({.point = point, .by_update = only_by_update});
    if (point.when == When::kStart) steps.push_back({.point = point, .by_update = true});
  }
  return steps;
}

PointPlan::PointPlan(const Options& options, const Host& host)
    : options_(options),
      host_(host),
      program_(support::required_env("VXS_BUILD_DIR") + "/daemon/vxenstored"),
      supervisor_(support::required_env("VXS_BUILD_DIR") + "/daemon/vxenstored-supervise"),
      runner_(support::required_env("VXS_BUILD_DIR") + "/tests/crash/crash_runner"),
      places_(crash_points_of(program_)),
      supervisor_places_(crash_points_of(supervisor_)),
      steps_(steps_for(options)) {
  for (const PointStep& step : steps_) {
    const bool theirs = supervisor_comes_by(step.point.when);
    if (!(theirs ? supervisor_places_ : places_).contains(step.point.name)) {
      throw std::runtime_error("the program has no crash point called " + step.point.name);
    }
  }
}

bool PointPlan::is_set_at_exec() const {
  const When when = current_->point.when;
  return when == When::kStart || when == When::kRestart || when == When::kAhead ||
         when == When::kTrial || when == When::kOutcome;
}

bool PointPlan::is_of_supervisor() const { return supervisor_comes_by(current_->point.when); }

bool PointPlan::strike(const Pidfd& victim, Time now) {
  current_ = &steps_[next_++ % steps_.size()];
  const std::string& name = current_->point.name;
  give_up_at_.reset();
  if (current_->by_update) line_ = options_.control + " " + command_line_of(victim.pid());
  if (is_of_supervisor()) {
    set_in_supervisor(victim);
  } else if (is_set_at_exec()) {
    std::ofstream(options_.control) << name << '\n';
    if (!current_->by_update) victim.kill9();
  } else if (!set_crash_point(victim.pid(), program_, places_.at(name))) {
    throw std::runtime_error("crash point " + name + " cannot be set");
  }
  if (current_->point.when == When::kRingReset) {
    give_up_at_ = now + kRarePatience;
  } else if (current_->by_update || !is_set_at_exec()) {
    give_up_at_ = now + kPatience;
  }
  return current_->by_update;
}

std::string PointPlan::judge_update(const std::string& answer) const {
  const std::string expected = expected_answer(current_->point);
  // Its turn may have come in the same moment, and then it is started again for it.
  if (current_->point.when == When::kAhead && answer == support::zstrings({"OK"})) return "";
  if (answer.find(expected) != std::string::npos) return "";
  return "dead at " + current_->point.name + ", the live update says: " + answer;
}

void PointPlan::check_patience(Time now) const {
  if (!give_up_at_ || now < *give_up_at_) return;
  throw Violation("nobody comes by crash point " + current_->point.name);
}

bool PointPlan::spares_victim() const {
  if (current_ == nullptr || !current_->by_update) return false;
  return current_->point.when == When::kAhead || current_->point.name == "start-executed";
}

void PointPlan::set_in_supervisor(const Pidfd& victim) {
  const When when = current_->point.when;
  const auto who = when == When::kChild ? Standstill::Who::kNewChild : Standstill::Who::kItself;
  standstill_ = std::make_unique<Standstill>(host_.supervisor().value(), supervisor_,
                                             supervisor_places_.at(current_->point.name), who);
  if (when == When::kSupervisorStart || when == When::kChild) victim.kill9();
}

bool PointPlan::watch_supervisor(const Pidfd& victim, Time now) {
  if (!standstill_) return false;
  if (!standstill_->reached()) {
    check_patience(now);
    return false;
  }
  const When when = current_->point.when;
  if (when == When::kSupervisorServing || when == When::kSupervisorUpdate) {
    victim.kill9();
  } else if (when != When::kChild) {
    host_.youngest().kill9();
  }
  standstill_.reset();
  give_up_at_.reset();
  ++met_;
  if (when != When::kChild) ++untold_;  // of SIGKILL
  return true;
}

void PointPlan::died() {
  if (is_of_supervisor()) return;  // watch_supervisor() saw it
  if (!std::exchange(give_up_at_, std::nullopt) || is_set_at_exec()) return;
  ++met_;
  // It ended after EXEC, and that is all the supervisor looks at.
  if (current_->point.name == "update-exec-sent") ++untold_;
}

void PointPlan::served() {
  give_up_at_.reset();
  if (current_ == nullptr || !is_set_at_exec()) return;
  if (std::filesystem::exists(options_.control)) {
    throw Violation("crash point " + current_->point.name + " was not set");
  }
  ++met_;
}

std::string PointPlan::summary() const {
  return std::to_string(met_) + " deaths at " + std::to_string(steps_.size()) + " crash points";
}

}  // namespace vxs::test::kept
