// A branch that outlives its process: resumed from its log at a later head, it behaves as if it had
// been there all the time and was moved to that head by rebase() (design §4, §6). Of any history:
// resume_property_test.cc.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/transactions/kept_log.hh"
#include "tests/transactions/some_limits.hh"
#include "transactions/branch.hh"
#include "transactions/branch_log.hh"
#include "transactions/head.hh"

namespace vxs::transactions::test {
namespace {

using protocol::Error;
using protocol::PermEntry;

/// A store that dies and comes back: head, branch and log, where the log is all that is left of
/// the branch.
class ResumeTest : public testing::Test {
 protected:
  ResumeTest() { begin(Caller{}); }

  void begin(const Caller& caller, SomeLimits* limits = nullptr) {
    caller_ = caller;
    limits_ = limits;
    branch_ = std::make_unique<Branch>(kId, *head_, caller);
    branch_->keep_log(kKey);
    log_ = started();
  }
  Answer in(OperationKind kind, std::string_view path, std::string_view value = {},
            std::uint64_t offset = 0) {
    const Operation operation{
        .kind = kind, .path = path, .value = value, .perms = {}, .offset = offset};
    const Answer answer = branch_->execute(world_->table, operation, scratch_, limits_);
    if (const auto* entry = branch_->last_entry()) log_ += encoded(*entry);
    return answer;
  }
  void outside(OperationKind kind, std::string_view path, std::string_view value = {},
               const Caller& caller = {}) {
    std::vector<store::Change> changes;
    std::string scratch;
    const Operation operation{.kind = kind, .path = path, .value = value, .perms = {}};
    ASSERT_TRUE(evaluate(head_->tree(), world_->table, caller, operation, changes, scratch).ok);
    if (!changes.empty()) {
      ASSERT_TRUE(head_->commit(changes, head_->seq() + 1, 0));
    }
  }
  /// The process dies; in the next one nothing is where it was, and the tree is read from disk.
  void restart() {
    branch_.reset();
    auto next = std::make_unique<World>();
    const auto copy = [&](std::string_view path, const store::Node& node) {
      EXPECT_TRUE(next->tree.load(path, node.value(), next->table.intern(node.perms()->entries()),
                                  node.generation()));
      return true;
    };
    head_->tree().walk(copy);
    const Seq seq = head_->seq();
    head_.reset();
    world_ = std::move(next);
    head_.emplace(world_->stats, world_->table, world_->tree, seq);
    resume();
  }
  void resume() {
    const auto open = read_branch_log(log_, world_->table);
    ASSERT_TRUE(open.has_value()) << open.error().what;
    ASSERT_EQ(open->size(), 1U);
    branch_ =
        Branch::resume(*head_, caller_, open->front().id, open->front().entries, kKey, limits_);
  }
  Decision end() {
    const Decision decision = branch_->decide(*head_, limits_);
    if (decision.kind == Decision::Kind::kCommit) {
      branch_->release_trees();
      EXPECT_TRUE(head_->commit(decision.changes, head_->seq() + 1, 0));
    }
    return decision;
  }
  std::string_view value(std::string_view path) {
    const store::Node* node = head_->tree().find(path);
    return node != nullptr ? node->value() : "missing";
  }

  struct World {
    store::TreeStats stats;
    store::PermTable table;
    store::Tree tree{stats, own(), own(), own()};
    store::PermRef own() { return table.intern(std::vector<PermEntry>{{}}); }
  };
  std::unique_ptr<World> world_ = std::make_unique<World>();
  std::optional<Head> head_{std::in_place, world_->stats, world_->table, world_->tree, 0};
  Caller caller_;
  SomeLimits* limits_ = nullptr;
  std::unique_ptr<Branch> branch_;
  std::string log_;
  std::string scratch_;
};

constexpr auto kRead = OperationKind::kRead;
constexpr auto kWrite = OperationKind::kWrite;
constexpr auto kMkdir = OperationKind::kMkdir;
constexpr auto kRm = OperationKind::kRm;
constexpr auto kDirectory = OperationKind::kDirectory;
constexpr auto kDirectoryPart = OperationKind::kDirectoryPart;

TEST_F(ResumeTest, WhatItReadAndWroteIsThereAgainAndCommits) {
  outside(kWrite, "/a", "old");
  begin({});
  EXPECT_EQ(text(in(kRead, "/a")), "=old");
  EXPECT_TRUE(in(kWrite, "/a", "new").ok);
  EXPECT_TRUE(in(kWrite, "/b/c", "made").ok);
  outside(kWrite, "/elsewhere", "x");
  restart();
  EXPECT_FALSE(branch_->doomed());
  EXPECT_EQ(branch_->base_seq(), head_->seq());
  EXPECT_EQ(branch_->id(), kId);
  EXPECT_EQ(text(in(kRead, "/a")), "=new");
  EXPECT_TRUE(in(kWrite, "/b/d", "more").ok);
  restart();
  EXPECT_EQ(end().kind, Decision::Kind::kCommit);
  EXPECT_EQ(value("/a"), "new");
  EXPECT_EQ(value("/b/c"), "made");
  EXPECT_EQ(value("/b/d"), "more");
}

TEST_F(ResumeTest, WhatOnlyStartedIsThereAgain) {
  restart();
  EXPECT_FALSE(branch_->wrote());
  EXPECT_TRUE(in(kWrite, "/a", "x").ok);
  EXPECT_EQ(end().kind, Decision::Kind::kCommit);
  EXPECT_EQ(value("/a"), "x");
}

TEST_F(ResumeTest, AnotherAnswerDoomsItAndNamesTheFirstThatDiffers) {
  outside(kWrite, "/a", "1");
  outside(kWrite, "/b", "1");
  begin({});
  (void)in(kRead, "/b");
  (void)in(kWrite, "/mine", "m");
  (void)in(kRead, "/a");
  (void)in(kDirectory, "/");
  outside(kWrite, "/a", "2");
  outside(kMkdir, "/new");
  restart();
  EXPECT_TRUE(branch_->doomed());
  // It goes on from the head plus what it wrote.
  EXPECT_EQ(text(in(kRead, "/a")), "=2");
  EXPECT_EQ(text(in(kRead, "/mine")), "=m");
  EXPECT_TRUE(in(kWrite, "/mine/too", "t").ok);
  const Decision decision = end();
  ASSERT_EQ(decision.kind, Decision::Kind::kConflict);
  EXPECT_EQ(decision.conflict->path, "/a");
  EXPECT_EQ(decision.conflict->request, kRead);
  EXPECT_EQ(decision.conflict->blocking_seq, 0U) << "it was in another process";
  EXPECT_EQ(decision.conflict->blocking_domid, kDomIdInvalid);
  // What history shows as the branch that failed fits its base.
  EXPECT_EQ(decision.base_seq, head_->seq());
  ASSERT_EQ(decision.changes.size(), 1U);
  EXPECT_EQ(decision.changes.front().path, "/mine");
  EXPECT_EQ(value("/mine"), "missing");
}

TEST_F(ResumeTest, ItStaysDoomedOverAnotherRestartAndKeepsWhatItWroteWhileDoomed) {
  outside(kWrite, "/a", "1");
  begin({});
  (void)in(kRead, "/a");
  outside(kWrite, "/a", "2");
  restart();
  EXPECT_TRUE(in(kWrite, "/late", "l").ok);
  EXPECT_EQ(text(in(kRead, "/a")), "=2");
  restart();
  EXPECT_TRUE(branch_->doomed());
  EXPECT_EQ(text(in(kRead, "/late")), "=l");
  outside(kWrite, "/a", "3");
  branch_->rebase(*head_);
  EXPECT_EQ(text(in(kRead, "/a")), "=3");
  EXPECT_EQ(text(in(kRead, "/late")), "=l");
  EXPECT_EQ(end().kind, Decision::Kind::kConflict);
}

TEST_F(ResumeTest, B6_APartsGenerationIsNotItsAnswerAndALongerOneMovesNoBorder) {
  // Names that fill a part to the last byte with a generation of one digit.
  const std::size_t room = kMaxReply - 2 - 1;
  std::string name(200, 'n');
  for (std::size_t left = room; left > 0;) {
    const std::size_t size = std::min<std::size_t>(left, 201);
    name[0] = static_cast<char>('a' + left % 26);
    name[1] = static_cast<char>('a' + left / 26 % 26);
    std::vector<store::Change> changes;
    const std::string path = "/" + name.substr(0, size - 1);
    const Operation mkdir{.kind = kMkdir, .path = path, .value = {}, .perms = {}};
    ASSERT_TRUE(evaluate(head_->tree(), world_->table, Caller{}, mkdir, changes, scratch_).ok);
    ASSERT_TRUE(head_->commit(changes, 8, 0));
    left -= size;
  }
  begin({});
  const Answer part = in(kDirectoryPart, "/");
  ASSERT_TRUE(part.ok);
  EXPECT_EQ(part.generation_length, 2U);
  EXPECT_EQ(part.data.size(), kMaxReply);
  // Another child comes and goes: the same names, a generation of four digits.
  for (Seq seq : {Seq{1000}, Seq{1001}}) {
    std::vector<store::Change> changes;
    const Operation change{
        .kind = seq == 1000 ? kMkdir : kRm, .path = "/x", .value = {}, .perms = {}};
    ASSERT_TRUE(evaluate(head_->tree(), world_->table, Caller{}, change, changes, scratch_).ok);
    ASSERT_TRUE(head_->commit(changes, seq, 0));
  }
  restart();
  EXPECT_FALSE(branch_->doomed());
}

TEST_F(ResumeTest, WithAnotherKeyNothingIsRecognized) {
  (void)in(kRead, "/");
  const auto open = read_branch_log(log_, world_->table);
  ASSERT_TRUE(open.has_value());
  EXPECT_TRUE(Branch::resume(*head_, caller_, kId, open->front().entries, HashKey{})->doomed());
}

TEST_F(ResumeTest, WithoutALogNothingIsSaid) {
  Branch plain(kId, *head_, Caller{});
  (void)plain.execute(world_->table,
                      Operation{.kind = kRead, .path = "/", .value = {}, .perms = {}}, scratch_);
  EXPECT_EQ(plain.last_entry(), nullptr);
}

// --- of a guest with limits --------------------------------------------------------

class ResumeLimitsTest : public ResumeTest {
 protected:
  ResumeLimitsTest() {
    outside(kMkdir, "/g");
    std::vector<store::Change> changes;
    const Operation own{
        .kind = OperationKind::kSetPerms,
        .path = "/g",
        .value = {},
        .perms = world_->table.intern(std::vector<PermEntry>{{.domid = 5, .incarnation = 7}})};
    EXPECT_TRUE(evaluate(head_->tree(), world_->table, Caller{}, own, changes, scratch_).ok);
    EXPECT_TRUE(head_->commit(changes, head_->seq() + 1, 0));
    owned_.owned = 1;
    begin({.domid = 5, .incarnation = 7, .privileged = false}, &owned_);
  }
  SomeLimits owned_;
};

TEST_F(ResumeLimitsTest, E10_ARefusedOperationStaysUndoneAndCausesNoConflict) {
  owned_.most_nodes = 2;
  EXPECT_TRUE(in(kWrite, "/g/a", "x").ok);
  EXPECT_EQ(text(in(kWrite, "/g/b", "x")), "ENOSPC");
  EXPECT_EQ(text(in(kRead, "/g/b")), "ENOENT");
  restart();
  EXPECT_FALSE(branch_->doomed());
  EXPECT_EQ(text(in(kRead, "/g/b")), "ENOENT");
  EXPECT_EQ(text(in(kWrite, "/g/c", "x")), "ENOSPC") << "what it made before counts";
  EXPECT_EQ(end().kind, Decision::Kind::kCommit);
  EXPECT_EQ(value("/g/a"), "x");
  EXPECT_EQ(value("/g/b"), "missing");
}

TEST_F(ResumeLimitsTest, ARefusedOperationWhoseAnswerWithoutLimitsDiffersIsAConflict) {
  owned_.size = 100;
  EXPECT_EQ(text(in(kWrite, "/g", std::string(200, 'v'))), "ENOSPC");
  EXPECT_TRUE(in(kWrite, "/g/a", "x").ok);
  outside(kRm, "/g");
  restart();
  EXPECT_TRUE(branch_->doomed());
}

TEST_F(ResumeLimitsTest, E10_TouchedNodesCountOnAndAPoisonedTransactionStaysSo) {
  owned_.touched = 4;
  EXPECT_TRUE(in(kWrite, "/g/a", "x").ok);
  EXPECT_TRUE(in(kRm, "/g/a").ok);
  const std::size_t touched = branch_->touched_nodes();
  restart();
  EXPECT_EQ(branch_->touched_nodes(), touched);
  EXPECT_FALSE(branch_->poisoned());
  (void)in(kRead, "/g/b");
  (void)in(kRead, "/g/c");
  EXPECT_EQ(text(in(kRead, "/g/d")), "ENOSPC");
  EXPECT_TRUE(branch_->poisoned());
  restart();
  EXPECT_TRUE(branch_->poisoned());
  EXPECT_EQ(branch_->touched_nodes(), 4U);
  EXPECT_EQ(text(in(kRead, "/g/e")), "ENOSPC");
  EXPECT_EQ(branch_->last_entry(), nullptr) << "poisoned already";
  EXPECT_TRUE(in(kRead, "/g").ok) << "touched before";
  const Decision decision = end();
  EXPECT_EQ(decision.kind, Decision::Kind::kRefused);
  EXPECT_EQ(decision.error, Error::kNomem);
}

TEST_F(ResumeLimitsTest, E10_ARemovalPoisonedByItsSizeIsKept) {
  for (const char* path : {"/g/a", "/g/a/1", "/g/a/2", "/g/a/3"}) outside(kWrite, path, "x");
  owned_.touched = 3;
  begin(caller_, &owned_);
  EXPECT_EQ(text(in(kRm, "/g/a")), "ENOSPC");
  EXPECT_TRUE(branch_->poisoned());
  const std::size_t touched = branch_->touched_nodes();
  restart();
  EXPECT_TRUE(branch_->poisoned());
  EXPECT_FALSE(branch_->doomed());
  EXPECT_EQ(branch_->touched_nodes(), touched);
  EXPECT_EQ(text(in(kRead, "/g/a")), "=x");
}

TEST_F(ResumeLimitsTest, G6_ItsBytesAreChargedAgain) {
  EXPECT_TRUE(in(kWrite, "/g/a/b", std::string(100, 'v')).ok);
  (void)in(kRead, "/g");
  const std::size_t bytes = branch_->log_bytes();
  restart();
  EXPECT_EQ(branch_->log_bytes(), bytes);
}

}  // namespace
}  // namespace vxs::transactions::test
