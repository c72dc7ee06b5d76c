// Any history: a branch that is resumed from its log now and then answers and decides as its twin
// in a process that lives (design §4, §6). VXS_ORACLE_STEPS sets the number of random steps
// (default: the short form of CI).
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "tests/transactions/kept_log.hh"
#include "tests/transactions/some_limits.hh"
#include "tests/transactions/steps.hh"
#include "transactions/branch.hh"
#include "transactions/branch_log.hh"
#include "transactions/head.hh"

namespace vxs::transactions::test {
namespace {

using protocol::PermEntry;

constexpr int kMeanSteps = 80;

/// One transaction twice: as it goes on in a process that lives, and as it comes back in one that
/// died, now and then.
class Twins {
 public:
  explicit Twins(const Step& choice) : head_(stats_, table_, initial(), 0) {
    caller_ = callers()[choice[0] % callers().size()];
    if (!caller_.privileged) {
      for (SomeLimits* limits : {&here_, &there_}) {
        limits->owned = choice[1] % 3;
        limits->most_nodes = choice[2] % 2 == 0 ? 0 : 2 + choice[2] % 5;
        limits->size = choice[3] % 2 == 0 ? 0 : 20 + choice[3] % 40;
      }
    }
    stays_ = std::make_unique<Branch>(kId, head_, caller_);
    stays_->keep_log(kKey);
    log_ = started();
  }
  ~Twins() {
    stays_.reset();
    comes_back_.reset();
  }

  void run(const Step& step) {
    switch (step[1] % 16) {
      case 0:
      case 1:
      case 2:
      case 3:
        return direct(step);
      case 4:
        return die();
      case 5:
        return rebase(step);
      default:
        return inside(step);
    }
  }

  void finish() {
    die();
    const Decision a = stays_->decide(head_, limits(here_));
    const Decision b = comes_back_->decide(head_, limits(there_));
    if (same_fate()) {
      RC_ASSERT(a.kind == b.kind);
      if (a.kind == Decision::Kind::kCommit) RC_ASSERT(a.commit == b.commit);
      if (a.kind == Decision::Kind::kRefused) RC_ASSERT(a.error == b.error);
      if (a.kind == Decision::Kind::kConflict && !early_) {
        RC_ASSERT(a.conflict->path == b.conflict->path);
        RC_ASSERT(a.conflict->request == b.conflict->request);
      }
    }
    if (b.kind == Decision::Kind::kConflict) return;
    RC_ASSERT(a.base_seq == b.base_seq || !same_fate());
    if (a.kind != Decision::Kind::kCommit || b.kind != Decision::Kind::kCommit) return;
    RC_ASSERT(a.changes.size() == b.changes.size());
    for (std::size_t i = 0; i < a.changes.size(); ++i) {
      RC_ASSERT(a.changes[i].path == b.changes[i].path);
      RC_ASSERT(a.changes[i].kind == b.changes[i].kind);
      RC_ASSERT(a.changes[i].value == b.changes[i].value);
      RC_ASSERT(a.changes[i].perms == b.changes[i].perms);
    }
    ++committed;
  }

  inline static std::size_t committed = 0, conflicts = 0, refused = 0, revived = 0;

 private:
  store::Tree initial() {
    const auto perms =
        table_.intern(std::vector<PermEntry>{{.domid = 0, .access = protocol::Access::kBoth}});
    return {stats_, perms, perms, perms};
  }
  SomeLimits* limits(SomeLimits& limits) { return caller_.privileged ? nullptr : &limits; }
  /// The one that came back may be alive where the other was doomed in between, by an answer that
  /// is true again.
  bool same_fate() const { return stays_->doomed() == comes_back_->doomed(); }

  void direct(const Step& step) {
    const OracleRequest request = request_of(step);
    std::vector<store::Change> changes;
    const Operation operation = operation_of(request, table_);
    const Caller& who = callers()[step[7] % callers().size()];
    (void)evaluate(head_.tree(), table_, who, operation, changes, scratch_);
    if (!changes.empty()) RC_ASSERT(head_.commit(changes, ++seq_, who.domid));
  }

  void inside(const Step& step) {
    const OracleRequest request = request_of(step);
    const Operation operation = operation_of(request, table_);
    const std::string said = text(stays_->execute(table_, operation, scratch_, limits(here_)));
    const auto* entry = stays_->last_entry();
    RC_ASSERT(entry != nullptr);
    const std::string bytes = encoded(*entry);
    if (entry->kind == BranchLogEntry::Kind::kRefused) ++refused;
    log_ += bytes;
    if (!comes_back_) return;
    RC_ASSERT(text(comes_back_->execute(table_, operation, scratch_, limits(there_))) == said);
    RC_ASSERT(comes_back_->last_entry() != nullptr);
    RC_ASSERT(encoded(*comes_back_->last_entry()) == bytes);
  }

  void rebase(const Step& step) {
    // Only the living one is moved by its process; both, where both live.
    if (comes_back_ == nullptr && step[2] % 2 == 0) return;
    stays_->rebase(head_);
    if (comes_back_) comes_back_->rebase(head_);
    early_ = early_ || stays_->doomed();
  }

  void die() {
    const bool was_doomed = stays_->doomed();
    early_ = early_ || was_doomed;
    stays_->rebase(head_);
    const std::string log = log_;  // bytes of the next process
    const auto open = read_branch_log(log, table_);
    RC_ASSERT(open.has_value());
    RC_ASSERT(open->size() == 1U);
    comes_back_ = Branch::resume(head_, caller_, kId, open->front().entries, kKey, limits(there_));
    RC_ASSERT(comes_back_->base_seq() == head_.seq());
    if (comes_back_->doomed()) RC_ASSERT(stays_->doomed());
    if (stays_->doomed() && !was_doomed) {
      RC_ASSERT(comes_back_->doomed());
      ++conflicts;
    }
    if (stays_->doomed() && !comes_back_->doomed()) ++revived;
    RC_ASSERT(comes_back_->wrote() == stays_->wrote());
    RC_ASSERT(comes_back_->poisoned() == stays_->poisoned());
  }

  store::TreeStats stats_;
  store::PermTable table_;
  Head head_;
  Seq seq_ = 0;
  Caller caller_;
  SomeLimits here_, there_;
  std::unique_ptr<Branch> stays_;
  std::unique_ptr<Branch> comes_back_;
  bool early_ = false;  ///< doomed before the one that came back could see why
  std::string log_;
  std::string scratch_;
};

TEST(ResumeProperty, Design6_AResumedBranchAnswersAndDecidesAsOneThatWasRebased) {
  const char* asked = std::getenv("VXS_ORACLE_STEPS");
  const std::size_t steps = asked != nullptr ? std::strtoull(asked, nullptr, 10) : 40'000;
  const auto cases = static_cast<int>(steps / kMeanSteps);
  const std::string report = check_histories(cases, 4 * kMeanSteps, [](const auto& history) {
    if (history.empty()) return;
    Twins twins(history.front());
    for (const Step& step : history) twins.run(step);
    twins.finish();
  });
  EXPECT_EQ(report, "");
  std::printf("%d cases: %zu committed, %zu doomed by a restart, %zu refused, %zu revived\n", cases,
              Twins::committed, Twins::conflicts, Twins::refused, Twins::revived);
  EXPECT_GT(Twins::committed, 0U);
  EXPECT_GT(Twins::conflicts, 0U);
  EXPECT_GT(Twins::refused, 0U);
}

}  // namespace
}  // namespace vxs::transactions::test
