// Design §4, both directions: every committed history equals the serial one in
// commit order, and no transaction is refused whose replay answers the same.
// VXS_ORACLE_STEPS sets the number of random steps (default: the short form of CI).
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cstdlib>
#include <memory>
#include <optional>

#include "tests/transactions/oracle.hh"
#include "tests/transactions/steps.hh"
#include "transactions/branch.hh"
#include "transactions/branch_set.hh"
#include "transactions/head.hh"

namespace vxs::transactions::test {
namespace {

using protocol::PermEntry;

constexpr std::size_t kSlots = 5;
constexpr int kMeanSteps = 250;

/// One open transaction on both sides.
struct Slot {
  std::unique_ptr<Branch> branch;
  Caller caller;
  OracleTree view;  ///< the base with the log run on it
  std::vector<OracleRequest> log;
  std::vector<OracleAnswer> answers;
  Seq base_seq = 0;
  bool wrote = false;
  bool doomed = false;
};

class World {
 public:
  World() : head_(stats_, table_, initial(), 0), oracle_(kRoot, kRoot, kRoot) {}
  ~World() {
    for (auto& slot : slots_) slot.reset();
  }

  void run(const Step& step) {
    auto& slot = slots_[step[0] % kSlots];
    switch (step[1] % 16) {
      case 0:
      case 1:
      case 2:
        return start_or_end(slot, step);
      case 3:
        return rebase(slot);
      case 4:
      case 5:
      case 6:
        return direct(step);
      default:
        if (slot) return inside(*slot, step);
        return direct(step);
    }
  }

  void check_head() const { RC_ASSERT(same_content(head_.tree(), oracle_)); }

 private:
  inline static const std::vector<PermEntry> kRoot{{.domid = 0, .access = protocol::Access::kRead}};

  store::Tree initial() {
    const auto perms = table_.intern(kRoot);
    return {stats_, perms, perms, perms};
  }

  void direct(const Step& step) {
    const Caller& caller = callers()[step[7] % callers().size()];
    const OracleRequest request = request_of(step);
    std::vector<store::Change> changes;
    std::string scratch;
    const Operation operation = operation_of(request, table_);
    const auto said = in_oracle_words(
        request.kind, evaluate(head_.tree(), table_, caller, operation, changes, scratch));
    bool wrote = false;
    RC_ASSERT(said == oracle_.run(caller, request, wrote));
    RC_ASSERT(wrote == !changes.empty());
    if (wrote) RC_ASSERT(head_.commit(changes, ++seq_, caller.domid));
  }

  void start_or_end(std::optional<Slot>& slot, const Step& step) {
    if (slot) return end(slot);
    const Caller& caller = callers()[step[7] % callers().size()];
    slot.emplace(Slot{.branch = std::make_unique<Branch>(1, head_, caller),
                      .caller = caller,
                      .view = oracle_,
                      .log = {},
                      .answers = {},
                      .base_seq = seq_});
  }

  void inside(Slot& slot, const Step& step) {
    const OracleRequest request = request_of(step);
    std::string scratch;
    const Operation operation = operation_of(request, table_);
    const auto said =
        in_oracle_words(request.kind, slot.branch->execute(table_, operation, scratch));
    bool wrote = false;
    const auto expected = slot.view.run(slot.caller, request, wrote);
    RC_ASSERT(said == expected);
    slot.wrote = slot.wrote || wrote;
    slot.log.push_back(request);
    slot.answers.push_back(expected);
  }

  /// Runs a log on a copy of the head: the new view, and whether all answers are the same.
  std::pair<OracleTree, bool> replayed(const Slot& slot, bool& wrote) const {
    OracleTree view = oracle_;
    bool same = true;
    for (std::size_t i = 0; i < slot.log.size(); ++i) {
      same = view.run(slot.caller, slot.log[i], wrote) == slot.answers[i] && same;
    }
    return {std::move(view), same};
  }

  void rebase(std::optional<Slot>& slot) {
    if (!slot) return;
    slot->branch->rebase(head_);
    if (slot->base_seq == seq_) return;
    bool wrote = false;
    auto [view, same] = replayed(*slot, wrote);
    if (!slot->doomed && !same) {
      slot->doomed = true;
      RC_ASSERT(slot->branch->doomed());
    }
    RC_ASSERT(slot->branch->doomed() == slot->doomed);
    slot->view = std::move(view);
    slot->wrote = wrote;
    slot->base_seq = seq_;
  }

  void end(std::optional<Slot>& slot) {
    const Decision decision = slot->branch->decide(head_);
    if (slot->doomed) {
      RC_ASSERT(decision.kind == Decision::Kind::kConflict);
    } else if (!slot->wrote) {
      RC_ASSERT(decision.kind == Decision::Kind::kNothing);
    } else {
      bool wrote = false;
      auto [after, same] = replayed(*slot, wrote);
      if (!same) {
        RC_ASSERT(decision.kind == Decision::Kind::kConflict);
        RC_ASSERT(!decision.conflict->path.empty());
        RC_ASSERT(decision.conflict->blocking_seq > decision.base_seq);
      } else {
        RC_ASSERT(decision.kind == (wrote ? Decision::Kind::kCommit : Decision::Kind::kNothing));
        oracle_ = std::move(after);
        if (wrote) {
          const bool met_base = slot->base_seq == seq_;
          RC_ASSERT((decision.commit == store::CommitKind::kTransaction) == met_base);
          slot->branch->release_trees();
          RC_ASSERT(head_.commit(decision.changes, ++seq_, slot->caller.domid));
        }
      }
    }
    slot.reset();
    check_head();
  }

  store::TreeStats stats_;
  store::PermTable table_;
  Head head_;
  OracleTree oracle_;
  Seq seq_ = 0;
  std::array<std::optional<Slot>, kSlots> slots_;
};

TEST(Oracle, Transactions_Design4_CommitExactlyWhenTheReplayAnswersTheSame) {
  const char* text = std::getenv("VXS_ORACLE_STEPS");
  const std::size_t steps = text != nullptr ? std::strtoull(text, nullptr, 10) : 100'000;
  const auto cases = static_cast<int>(steps / kMeanSteps);
  std::size_t done = 0;
  const std::string report = check_histories(cases, 4 * kMeanSteps, [&](const auto& history) {
    World world;
    for (const Step& step : history) world.run(step);
    world.check_head();
    done += history.size();
  });
  EXPECT_EQ(report, "");
  std::printf("%d cases, %zu steps\n", cases, done);
  EXPECT_GE(done, steps / 4);
}

}  // namespace
}  // namespace vxs::transactions::test
