#include "tests/crash/kept/point_plan.hh"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <utility>

#include "tests/support/daemon_ready.hh"

namespace vxs::test::kept {
namespace {

using std::chrono::seconds;
using When = ListedPoint::When;

// Clients do everything that leads to a point all the time; a checkpoint comes when it is due.
constexpr seconds kPatience{10};
constexpr seconds kCheckpointPatience{5};

}  // namespace

std::vector<ListedPoint> points_for(const Options& options) {
  auto points =
      listed_crash_points(support::required_env("VXS_SOURCE_DIR") + "/docs/crash-points.md");
  const bool disk = options.durability == "disk";
  const bool mapped = !disk && options.journal.starts_with("/dev/shm");
  std::erase_if(points, [&](const ListedPoint& point) {
    return (point.journal == "disk" && !disk) || (point.journal == "mapped" && !mapped);
  });
  // So many starts leave segments enough for a checkpoint to be due at once.
  std::stable_partition(points.begin(), points.end(),
                        [](const ListedPoint& point) { return point.when != When::kCheckpoint; });
  return points;
}

PointPlan::PointPlan(const Options& options)
    : options_(options),
      program_(support::required_env("VXS_BUILD_DIR") + "/daemon/vxenstored"),
      places_(crash_points_of(program_)),
      points_(points_for(options)) {
  for (const ListedPoint& point : points_) {
    if (!places_.contains(point.name)) {
      throw std::runtime_error("the program has no crash point called " + point.name);
    }
  }
}

void PointPlan::strike(const Pidfd& victim, Time now) {
  current_ = &points_[next_++ % points_.size()];
  give_up_at_.reset();
  if (current_->when == When::kStart) {
    std::ofstream(options_.control) << current_->name << '\n';
    victim.kill9();
    return;
  }
  if (!set_crash_point(victim.pid(), program_, places_.at(current_->name))) {
    throw std::runtime_error("crash point " + current_->name + " cannot be set");
  }
  give_up_at_ = now + (current_->when == When::kCheckpoint ? kCheckpointPatience : kPatience);
}

bool PointPlan::gives_up(Time now) {
  if (!give_up_at_ || now < *give_up_at_) return false;
  give_up_at_.reset();
  if (current_->when != When::kCheckpoint) {
    throw Violation("nobody comes by crash point " + current_->name);
  }
  missed_.push_back(current_->name);
  return true;
}

void PointPlan::died() {
  if (std::exchange(give_up_at_, std::nullopt)) ++met_;
}

void PointPlan::served() {
  if (current_ == nullptr || current_->when != When::kStart) return;
  if (std::filesystem::exists(options_.control)) {
    throw Violation("crash point " + current_->name + " was not set");
  }
  ++met_;
}

std::string PointPlan::summary() const {
  std::string text =
      std::to_string(met_) + " deaths at " + std::to_string(points_.size()) + " crash points";
  for (const std::string& name : missed_) text += ", " + name + " was not met";
  return text;
}

}  // namespace vxs::test::kept
