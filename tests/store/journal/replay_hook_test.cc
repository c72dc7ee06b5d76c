// What recovery says of the newest records, whose effects the last run may not have made known.
#include <map>

#include "tests/store/journal/recovery_fixture.hh"

namespace vxs::store::test {
namespace {

/// What a hook was told.
struct Told {
  Seq seq = 0;
  bool commit = false;
  std::uint64_t before = 0;
  std::uint64_t after = 0;
  bool right_system = false;
  friend bool operator==(const Told&, const Told&) = default;
};

/// What of the records above `from` a hook has to be told.
std::vector<Told> expected_of(const Workload& w, Seq from, Seq last) {
  std::vector<Told> out;
  for (Seq seq = from + 1; seq <= last; ++seq) {
    const bool commit = w.kinds.at(seq) == 0;
    if (!commit && w.kinds.at(seq) != 3) continue;
    out.push_back({seq, commit, w.hashes.at(seq - 1), w.hashes.at(seq), true});
  }
  return out;
}

void ask(Workload& w, Seq from, std::vector<Told>& told) {
  told.clear();
  w.replay.from = from;
  w.replay.tell = [&w, &told](const ReplayedRecord& replayed) {
    const Seq seq = record_seq(replayed.record);
    told.push_back({seq, std::holds_alternative<CommitRecord>(replayed.record),
                    replayed.before.state_hash(), replayed.after.state_hash(),
                    replayed.system == *w.systems.at(seq)});
  };
}

/// The newest request of each connection among records above `from`.
std::map<ConnectionId, Seq> newest_requests(const Workload& w, Seq from, Seq last) {
  std::map<ConnectionId, Seq> out;
  for (const auto& [seq, request] : w.requests) {
    if (seq <= from || seq > last || request.connection == 0) continue;
    if (request.ordinal != 0) out[request.connection] = seq;
  }
  return out;
}

class ReplayHookTest : public RecoveryTest {
 protected:
  /// Opens asking for what is above each of some Seqs and compares with what was appended.
  void expect_told(Workload& w, Seq last) {
    for (const Seq from : {Seq{0}, Seq{1}, last / 2, last - 1, last, last + 7}) {
      std::vector<Told> told;
      ask(w, from, told);
      ASSERT_TRUE(w.open()) << w.error.message;
      ASSERT_EQ(w.journal->last_seq(), last);
      EXPECT_EQ(told, expected_of(w, from, last)) << "above " << from;
      std::map<ConnectionId, Seq> requests;
      const auto& kinds = w.kinds;
      for (const auto& [connection, done] : w.report.carried_out) {
        requests[connection] = done.seq;
        EXPECT_EQ(done.ordinal, w.requests.at(done.seq).ordinal);
        EXPECT_EQ(done.conflict, kinds.at(done.seq) == 1);
        EXPECT_EQ(done.tx_id, kinds.at(done.seq) == 0 ? 1U : kinds.at(done.seq) == 1 ? 8U : 0U);
      }
      EXPECT_EQ(requests, newest_requests(w, from, last)) << "above " << from;
      kill(w);
    }
  }
};

TEST_F(ReplayHookTest, TellsEachRecordAboveASeqWithTheTreesAroundItAndTheRequestsCarriedOut) {
  for (const bool mapped : {true, false}) {
    env = FaultEnv(21);
    env.set_memory_file_system(mapped);
    Workload w(env, small_options(Durability::kProcess), 13);
    fill(w, 300);
    expect_told(w, 300);
  }
}

TEST_F(ReplayHookTest, WhoDoesNotAskIsToldNothing) {
  env.set_memory_file_system(true);
  Workload w(env, small_options(Durability::kProcess), 19);
  fill(w, 40);
  w.replay.tell = [](const ReplayedRecord&) { ADD_FAILURE(); };
  ASSERT_TRUE(w.open());
  EXPECT_TRUE(w.report.carried_out.empty());
}

TEST_F(ReplayHookTest, ATornTailIsNotTold) {
  Workload w(env, small_options(Durability::kDisk), 14);
  fill(w, 60);
  for (const auto& file : segments()) {
    const std::uint64_t at = find_seq(file, 58);
    if (at != 0) env.damage(file, at + 25);
  }
  expect_told(w, 57);
}

TEST_F(ReplayHookTest, WhatTheCheckpointCoversIsNotToldAndTheReportShowsIt) {
  env.set_memory_file_system(true);
  Workload w(env, small_options(Durability::kProcess), 15);
  ASSERT_TRUE(w.open());
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(w.commit());
    if (i == 29) {
      ASSERT_TRUE(w.checkpoint());
    }
  }
  kill(w);
  std::vector<Told> told;
  ask(w, 10, told);
  ASSERT_TRUE(w.open());
  EXPECT_GT(w.report.checkpoint_seq, *w.replay.from);
  ASSERT_FALSE(told.empty());
  EXPECT_GT(told.front().seq, 30U);
  for (const auto& [connection, done] : w.report.carried_out) EXPECT_GT(done.seq, 30U);
}

TEST_F(ReplayHookTest, ARecordThatDoesNotFitIsNotToldAndThoseBeforeItOnce) {
  env.set_memory_file_system(true);
  Workload w(env, small_options(Durability::kProcess), 16);
  ASSERT_TRUE(w.open());
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(w.commit());
  Change changes[2];
  changes[0].path = "/";
  changes[0].value = "half";
  changes[1].kind = ChangeKind::kRemove;
  changes[1].path = "/nowhere";
  ASSERT_TRUE(w.journal->append(CommitRecord{.seq = 31,
                                             .origin = {.connection = 99, .ordinal = 1},
                                             .kind = CommitKind::kSingle,
                                             .changes = changes}));
  kill(w);
  w.options.accept_damage = true;
  std::vector<Told> told;
  ask(w, 0, told);
  ASSERT_TRUE(w.open());
  EXPECT_EQ(told, expected_of(w, 0, 30));
  EXPECT_FALSE(w.report.carried_out.contains(99));
}

TEST_F(ReplayHookTest, StateOfAnotherBootThatIsNotWantedIsNotTold) {
  Workload w(env, small_options(Durability::kDisk), 17);
  fill(w, 40);
  w.options.boot_id = kOtherBoot;
  w.options.keep_after_reboot = false;
  std::vector<Told> told;
  ask(w, 0, told);
  ASSERT_TRUE(w.open()) << w.error.message;
  EXPECT_TRUE(told.empty());
  EXPECT_TRUE(w.report.carried_out.empty());
}

TEST_F(ReplayHookTest, SaysWhetherADomainHadARingBefore) {
  env.set_memory_file_system(true);
  Workload w(env, small_options(Durability::kProcess), 18);
  ASSERT_TRUE(w.open());
  Seq seq = 0;
  const auto append = [&](const StateChange& change) {
    ASSERT_TRUE(w.journal->append(StateRecord{++seq, 0, change}));
  };
  append(DomainKnown{.domid = 5, .incarnation = 1});
  append(DomainIntroduced{.domid = 5, .incarnation = 1, .connection = 4});
  append(DomainIntroduced{.domid = 5, .incarnation = 1, .connection = 4});
  append(DomainGone{.domid = 5});
  append(DomainKnown{.domid = 6, .incarnation = 5});
  append(DomainGone{.domid = 6});
  kill(w);
  std::vector<bool> had;
  w.replay.from = 0;
  w.replay.tell = [&had](const ReplayedRecord& r) { had.push_back(r.was_introduced); };
  ASSERT_TRUE(w.open());
  EXPECT_EQ(had, (std::vector<bool>{false, false, true, true, false, false}));
}

}  // namespace
}  // namespace vxs::store::test
