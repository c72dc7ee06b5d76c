// Random changes of the state beside the tree, and what owns their strings.
#pragma once

#include <random>
#include <string>

#include "store/state_change.hh"
#include "store/system_state.hh"

namespace vxs::store::test {

/// A change whose views point into this. Stays where it was made.
struct OwnedStateChange {
  OwnedStateChange() = default;
  OwnedStateChange(const OwnedStateChange&) = delete;
  OwnedStateChange& operator=(const OwnedStateChange&) = delete;
  std::string path;
  std::string token;
  StateChange change;
};

/// Any change that can be encoded; extreme values now and then.
void make_any_change(std::mt19937_64& random, OwnedStateChange& out);

/// A change that fits `state`: of few domains and connections, so that they meet.
void make_fitting_change(std::mt19937_64& random, const SystemState& state, OwnedStateChange& out);

}  // namespace vxs::store::test
