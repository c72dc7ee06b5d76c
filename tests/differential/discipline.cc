#include "tests/differential/discipline.hh"

#include <algorithm>

#include "tests/support/wire_client.hh"

namespace vxs::differential {
namespace {

bool writes(uint32_t type) {
  return type == support::kWrite || type == support::kMkdir || type == support::kRm ||
         type == support::kSetPerms;
}

bool reads(uint32_t type) {
  return type == support::kRead || type == support::kDirectory || type == support::kDirectoryPart ||
         type == support::kGetPerms;
}

size_t index(int slot) { return static_cast<size_t>(slot); }

}  // namespace

std::optional<std::string_view> region_of(std::string_view path) {
  for (const std::string_view region : kRegions) {
    if (path.starts_with(region) && (path.size() == region.size() || path[region.size()] == '/')) {
      return region;
    }
  }
  return std::nullopt;
}

bool Discipline::is_open(unsigned client, int slot) const {
  return slot >= 0 && open_[client][index(slot)].has_value();
}

const std::string& Discipline::region(unsigned client, int slot) const {
  return *open_[client][index(slot)];
}

bool Discipline::locked(std::string_view region) const {
  return std::any_of(open_.begin(), open_.end(), [&](const auto& slots) {
    return std::any_of(slots.begin(), slots.end(),
                       [&](const auto& held) { return held == region; });
  });
}

unsigned Discipline::open_count() const {
  unsigned count = 0;
  for (const auto& slots : open_) {
    count += static_cast<unsigned>(std::count_if(
        slots.begin(), slots.end(), [](const auto& held) { return held.has_value(); }));
  }
  return count;
}

bool Discipline::admits_write(const Step& step, const std::string& path) const {
  const auto region = region_of(path);
  const bool common = !region || (step.type == support::kRm && path == *region);
  if (common) return step.slot == kNoTransaction && open_count() == 0;
  if (step.slot == kNoTransaction) return !locked(*region);
  return this->region(step.client, step.slot) == *region;
}

bool Discipline::admits_read(const Step& step, const std::string& path) const {
  if (step.slot == kNoTransaction) return true;
  const auto region = region_of(path);
  return !region || this->region(step.client, step.slot) == *region;
}

bool Discipline::admits_target(const Step& step) const {
  const auto domids = domids_in(step);
  return open_count() == 0 && (domids.size() < 2 || domids[0] > domids[1]);
}

bool Discipline::is_target(const Step& step) const {
  const auto dying = domids_in(step);
  const auto among = [&](uint32_t domid) {
    return std::find(dying.begin(), dying.end(), domid) != dying.end();
  };
  for (unsigned client = kSockets; client < kClients; ++client) {
    if (among(domid_of(client))) continue;
    if (std::any_of(targets_[client].begin(), targets_[client].end(), among)) return true;
  }
  return false;
}

bool Discipline::admits_machine(const Step& step) const {
  const auto domids = domids_in(step);
  const bool create = step.kind == Kind::kCreate;
  const bool changes_nodes = create || step.kind == Kind::kDestroy;
  if (step.kind == Kind::kDestroy && is_target(step)) return false;
  return !domids.empty() && !(changes_nodes && open_count() > 0) &&
         std::all_of(domids.begin(), domids.end(),
                     [&](uint32_t domid) { return world_.exists[guest_of(domid)] != create; });
}

bool Discipline::admits(const Step& step) const {
  if (of_machine(step.kind)) return admits_machine(step);
  if (!world_.reachable[step.client]) return false;
  if (step.kind == Kind::kRequest && step.type == support::kSetTarget && !admits_target(step)) {
    return false;
  }
  if (step.kind == Kind::kRequest && step.type == support::kRelease &&
      (open_count() > 0 || is_target(step))) {
    return false;
  }
  if (step.slot >= 0 && step.kind != Kind::kStart && !is_open(step.client, step.slot)) return false;
  switch (step.kind) {
    case Kind::kStart:
      return !is_open(step.client, step.slot) && missing_.empty() && !locked(step.payload);
    case Kind::kEnd:
    case Kind::kReconnect:
      return true;
    default:
      break;
  }
  if (step.slot == kBogusTransaction) return true;
  const auto path = path_of(step);
  if (!path) return true;  // refused before anything is touched
  if (step.kind == Kind::kListAll || reads(step.type)) return admits_read(step, *path);
  return !writes(step.type) || admits_write(step, *path);
}

void Discipline::close_all(unsigned client) {
  for (auto& slot : open_[client]) slot.reset();
}

void Discipline::look(const World& world) {
  world_ = world;
  for (unsigned client = 0; client < kClients; ++client) {
    if (!world_.reachable[client]) close_all(client);
    if (!world_.exists[client]) targets_[client].clear();
  }
}

void Discipline::ran(const Step& step, bool succeeded) {
  switch (step.kind) {
    case Kind::kStart:
      if (succeeded) open_[step.client][index(step.slot)] = step.payload;
      return;
    case Kind::kEnd:
      open_[step.client][index(step.slot)].reset();
      return;
    case Kind::kReconnect:
      close_all(step.client);
      return;
    case Kind::kBurst:
    case Kind::kRequest:
      break;
    default:
      return;
  }
  if (step.type == support::kIntroduce && succeeded) {
    for (const uint32_t domid : domids_in(step)) close_all(guest_of(domid));
  }
  if (step.slot == kBogusTransaction) return;
  if (step.type == support::kRelease && succeeded) {
    for (const uint32_t domid : domids_in(step)) targets_[guest_of(domid)].clear();
  }
  if (step.type == support::kSetTarget && succeeded && domids_in(step).size() == 2) {
    targets_[guest_of(domids_in(step)[0])].insert(domids_in(step)[1]);
  }
  if (step.type == support::kResetWatches) return close_all(step.client);
  const auto path = path_of(step);
  if (!path || !writes(step.type)) return;
  const auto region = region_of(*path);
  if (!region) return;
  if (step.type == support::kRm && *path == *region) missing_.emplace(*region);
  // Only a plain MKDIR of the root itself is sure to succeed.
  if (step.type == support::kMkdir && step.payload == std::string(*region) + '\0' && succeeded) {
    missing_.erase(std::string(*region));
  }
}

}  // namespace vxs::differential
