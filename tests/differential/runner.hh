// Whole runs, and how a failing one is made small.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/differential/discipline.hh"
#include "tests/differential/generator.hh"
#include "tests/differential/lockstep.hh"

namespace vxs::differential {

struct Pairing {
  StartServer reference;
  StartServer subject;
  bool allow_intended;  // false: every difference is one too many
};

struct RunResult {
  std::optional<Difference> difference;    // the first that nothing explains
  std::vector<Step> steps;                 // what was run, the failing step last
  std::map<std::string, size_t> intended;  // how often each entry was needed
  std::map<std::string, size_t> answers;   // the reference's: "READ ENOENT" and how often
  size_t events = 0;                       // the reference's
};

// Gives the next step, or nothing at the end.
using NextStep = std::function<std::optional<Step>(const Discipline&)>;

// Starts both daemons and runs steps until the source ends or a difference.
// Steps the discipline does not admit are left out.
RunResult run(const Pairing& pairing, const NextStep& next);

RunResult run_random(const Pairing& pairing, uint64_t seed, size_t count, Mix mix = Mix::kSockets);
RunResult run_steps(const Pairing& pairing, const std::vector<Step>& steps);

// Leaves out steps as long as the run still fails and the time lasts.
// `still_fails` runs a candidate and returns the steps up to its failure, or
// nothing if it does not fail in the same way.
using StillFails = std::function<std::optional<std::vector<Step>>(const std::vector<Step>&)>;
std::vector<Step> shrink(std::vector<Step> failing, const StillFails& still_fails,
                         std::chrono::seconds budget);

// The same for a run that ended with a difference, which stays of one kind.
std::vector<Step> shrink(const Pairing& pairing, const RunResult& failed,
                         std::chrono::seconds budget);

// The steps with the replies of a fresh run, the difference last; of a long
// run only the end.
std::string transcript(const Pairing& pairing, const std::vector<Step>& steps);

}  // namespace vxs::differential
