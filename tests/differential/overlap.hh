// The second part: overlapping transactions, where 4.17 and vxenstored decide
// by different rules (E1-E4 against design section 4). One daemon is compared
// with the model in model.hh; the stock daemon is held against the same model
// where transactions do not overlap, which shows that the model is right.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "tests/differential/lockstep.hh"
#include "tests/differential/step.hh"

namespace vxs::differential {

enum class Overlap { kNever, kAlways };

// Random requests on few nodes, so that transactions meet. With kNever only
// one transaction is open at a time and nobody else writes meanwhile.
std::vector<Step> random_transactions(uint64_t seed, size_t count, Overlap overlap);

struct ModelResult {
  std::string failure;      // empty: the daemon did as the model says
  std::vector<Step> steps;  // what was run, up to the failure
  size_t commits = 0;       // of transactions that wrote or read
  size_t conflicts = 0;     // EAGAIN
  std::string transcript;
};

// Runs the steps on a fresh daemon and compares every reply, the events
// of a watch above all, and the whole tree at the end. Steps in a transaction that is not open are
// left out.
ModelResult run_against_model(const StartServer& start, const std::vector<Step>& steps);

}  // namespace vxs::differential
