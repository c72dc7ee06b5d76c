// The rules that keep transactions comparable.
//
// 4.17 decides by generations and copies nodes lazily (E1, E2); vxenstored
// takes a snapshot and replays (design section 4). The two give the same
// answers exactly when nothing a transaction touches is changed from outside
// while it is open. So the tree below / is divided into regions; an open
// transaction owns one, is confined to it, and nobody else writes there.
// A domain's coming and going, and a new target, change what was known of domains, and its death
// removes nodes anywhere: only while no transaction is open.
// 4.17 keeps a dead domain, its page and its watches as long as a domain has it as target: a target
// goes only after or together with what has it, and nothing is its own target by a detour.
// Whatever no region covers (/, /tool, special names, a region's own
// existence) changes only while no transaction is open.
#pragma once

#include <array>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "tests/differential/step.hh"

namespace vxs::differential {

// Top-level names that are regions.
constexpr std::array<std::string_view, 6> kRegions = {"/r0", "/r1", "/r2", "/r3", "/r4", "/local"};

// The region an absolute path lies in, nothing for the common rest.
std::optional<std::string_view> region_of(std::string_view absolute_path);

// What the machine says of the guests before a step.
struct World {
  std::array<bool, kClients> reachable{};  // sockets always; a guest while its port is connected
  std::array<bool, kClients> exists{};     // guests' domains
};

class Discipline {
 public:
  // Whether both daemons must answer this step alike. Pure.
  [[nodiscard]] bool admits(const Step& step) const;

  // Takes note of an admitted step that was run, and whether it was answered without error.
  void ran(const Step& step, bool succeeded);
  // Takes note of what is true now.
  void look(const World& world);

  [[nodiscard]] const World& world() const { return world_; }

  [[nodiscard]] bool is_open(unsigned client, int slot) const;
  // The region of an open transaction.
  [[nodiscard]] const std::string& region(unsigned client, int slot) const;
  [[nodiscard]] bool locked(std::string_view region) const;
  [[nodiscard]] unsigned open_count() const;
  // Whether the region's root may have been removed.
  [[nodiscard]] bool missing(std::string_view region) const { return missing_.contains(region); }

 private:
  [[nodiscard]] bool admits_machine(const Step& step) const;
  [[nodiscard]] bool admits_target(const Step& step) const;
  // Whether a domain outside the step has one of its domids as target.
  [[nodiscard]] bool is_target(const Step& step) const;
  [[nodiscard]] bool admits_write(const Step& step, const std::string& path) const;
  [[nodiscard]] bool admits_read(const Step& step, const std::string& path) const;
  void close_all(unsigned client);

  World world_;
  // All a guest ever had as target: 4.17 keeps the former ones too.
  std::array<std::set<uint32_t>, kClients> targets_;
  std::array<std::array<std::optional<std::string>, kSlots>, kClients> open_;
  std::set<std::string, std::less<>> missing_{kRegions.begin(), kRegions.end()};
};

}  // namespace vxs::differential
