// The rules that keep transactions comparable.
//
// 4.17 decides by generations and copies nodes lazily (E1, E2); vxenstored
// takes a snapshot and replays (design section 4). The two give the same
// answers exactly when nothing a transaction touches is changed from outside
// while it is open. So the tree below / is divided into regions; an open
// transaction owns one, is confined to it, and nobody else writes there.
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

class Discipline {
 public:
  // Whether both daemons must answer this step alike. Pure.
  [[nodiscard]] bool admits(const Step& step) const;

  // Takes note of an admitted step that was run.
  void ran(const Step& step);

  [[nodiscard]] bool is_open(unsigned client, int slot) const;
  // The region of an open transaction.
  [[nodiscard]] const std::string& region(unsigned client, int slot) const;
  [[nodiscard]] bool locked(std::string_view region) const;
  [[nodiscard]] unsigned open_count() const;
  // Whether the region's root may have been removed.
  [[nodiscard]] bool missing(std::string_view region) const { return missing_.contains(region); }

 private:
  [[nodiscard]] bool admits_write(const Step& step, const std::string& path) const;
  [[nodiscard]] bool admits_read(const Step& step, const std::string& path) const;
  void close_all(unsigned client);

  std::array<std::array<std::optional<std::string>, kSlots>, kClients> open_;
  std::set<std::string, std::less<>> missing_{kRegions.begin(), kRegions.end()};
};

}  // namespace vxs::differential
