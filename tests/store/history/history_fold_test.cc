// Folding: which records share a commit, and that each of them is found again.
#include <map>
#include <random>
#include <set>

#include "store/history_reader/blame.hh"
#include "store/history_reader/change_log.hh"
#include "store/history_reader/check.hh"
#include "store/history_reader/fold.hh"
#include "store/history_reader/main_line.hh"
#include "store/history_reader/requests.hh"
#include "store/history_reader/tree_view.hh"
#include "tests/store/history/history_fixture.hh"

namespace vxs::history_test {
namespace {

namespace reader = store::reader;

class HistoryFoldTest : public HistoryFixture {
 protected:
  HistoryFoldTest() {
    scenario.keep_versions = false;
    scenario.time_step_us = 0;
    scenario.write("/local/domain/5/data/x", "0");
    scenario.write("/local/domain/6/state", "start");
    flush();
    now_us = scenario.records().back().commit.time_us;
  }

  OwnedRecord& at(OwnedRecord& record, std::int64_t time_us) {
    record.commit.time_us = time_us;
    return record;
  }
  // dom5 writes `rate` times a second for `seconds`, dom6 ten times a second.
  void flood(int rate, int seconds) {
    for (int i = 0; i < rate * seconds; ++i) {
      now_us += 1'000'000 / rate;
      at(scenario.write("/local/domain/5/data/" + std::to_string(i % 7), std::to_string(i), 5),
         now_us);
      if (i % (rate / 10) == 0) {
        at(scenario.write("/local/domain/6/state", std::to_string(i), 6), now_us);
        quiet.insert(scenario.last_seq());
      }
    }
  }
  reader::Repository open() { return *reader::Repository::open(repository); }
  std::vector<reader::HistoryCommit> walk(const reader::LogFilter& filter) {
    const auto opened = open();
    std::vector<reader::HistoryCommit> found;
    const auto done = reader::walk_log(opened, *opened.main_head(), filter, [&](const auto& entry) {
      found.push_back(entry.commit);
      return true;
    });
    EXPECT_TRUE(done);
    return found;
  }
  // Every record once, newest first, with its own domain; and by its Seq alone.
  void expect_every_seq() {
    const auto opened = open();
    const auto found = walk({});
    ASSERT_EQ(found.size(), scenario.records().size());
    auto record = scenario.records().rbegin();
    for (const reader::HistoryCommit& commit : found) {
      const Seq seq = record->commit.seq;
      ASSERT_EQ(commit.seq(), seq);
      EXPECT_EQ(reader::domain_of(commit), record->commit.origin.domid) << seq;
      EXPECT_EQ(commit.author_time, record->commit.time_us / 1'000'000) << seq;
      const auto requests = reader::requests_of(commit);
      ASSERT_EQ(requests.requests.size(), record->changes.size()) << seq;
      EXPECT_EQ(requests.requests.back().path, record->changes.back().path) << seq;
      ++record;
      if (seq % 16 != 0 && seq > 20) continue;  // each costs a walk
      const auto id = reader::find_seq(opened, seq);
      ASSERT_TRUE(id) << seq;
      EXPECT_EQ(*id, commit.id) << seq;
    }
    EXPECT_FALSE(reader::find_seq(opened, scenario.last_seq() + 1));
  }
  std::set<Seq> seqs(const reader::LogFilter& filter) {
    std::set<Seq> found;
    for (const auto& commit : walk(filter)) found.insert(commit.seq());
    return found;
  }
  // The Seqs the scenario's records say.
  std::set<Seq> expected(const std::string& path) {
    std::set<Seq> found;
    for (const OwnedRecord& record : scenario.records()) {
      for (const OwnedChange& change : record.changes) {
        if (change.path == path || change.path.starts_with(path + "/")) {
          found.insert(record.commit.seq);
        }
      }
    }
    return found;
  }
  std::uint64_t commits() { return std::stoul(git_ok(repository, "rev-list --count main")); }

  std::int64_t now_us = 0;
  std::set<Seq> quiet;  // of dom6
};

TEST_F(HistoryFoldTest, AFloodIsFoldedWhileTheCommitsOfAnotherDomainStaySingle) {
  flood(2000, 1);
  flush();
  EXPECT_LT(commits(), 700U);  // of 2,023 records
  EXPECT_GT(writer->stats().folded, 1200U);
  const auto opened = open();
  for (const Seq seq : quiet) {
    const auto commit = reader::read_commit(opened, *reader::find_seq(opened, seq));
    ASSERT_TRUE(commit);
    EXPECT_FALSE(commit->fold_range()) << seq;
    EXPECT_TRUE(commit->subject.starts_with("dom6 write ")) << commit->subject;
  }
  expect_every_seq();
  EXPECT_EQ(complaints(repository), "");
  EXPECT_EQ(image_of_commit(repository, "main"), image_of(scenario.tree()));
  std::string found;
  (void)reader::check_history(opened,
                              [&](const reader::Finding& finding) { found += finding.what; });
  EXPECT_EQ(found, "");
}

TEST_F(HistoryFoldTest, G1_TheWriterKnowsWhoHasNoRate) {
  adjust = [](auto& options) { options.without_fold_rate = {5}; };
  reopen();
  flood(2000, 1);
  flush();
  EXPECT_EQ(writer->stats().folded, 0U);
}

TEST_F(HistoryFoldTest, NothingIsFoldedWithinTheRate) {
  flood(180, 4);
  flush();
  EXPECT_EQ(commits(), scenario.records().size());
  EXPECT_EQ(writer->stats().folded, 0U);
}

TEST_F(HistoryFoldTest, LagFoldsEverybodyAndEndsWithTheLag) {
  writer->note_lag(600'000);
  for (int i = 0; i < 8; ++i) at(scenario.write("/a", std::to_string(i), 3), now_us);
  for (; added < scenario.records().size(); ++added) add(scenario.records()[added]);
  writer->note_lag(0);
  at(scenario.write("/a", "single", 3), now_us);
  flush();
  EXPECT_EQ(commits(), 2U + 2U + 1U);
  expect_every_seq();
}

TEST_F(HistoryFoldTest, ThePathLogAndBlameFindTheRecordWithinTheFold) {
  flood(2000, 1);
  flush();
  for (const char* path : {"/local/domain/5/data/3", "/local/domain/6/state", "/local/domain/5"}) {
    EXPECT_EQ(seqs({path, {}, 0, {}}), expected(path)) << path;
  }
  reader::LogFilter by_domain;
  by_domain.domain = 6;
  EXPECT_EQ(seqs(by_domain), quiet);
  reader::LogFilter newer;
  newer.after_seq = scenario.last_seq() - 10;
  EXPECT_EQ(seqs(newer).size(), 10U);
  const auto opened = open();
  const auto blamed = reader::blame(opened, *opened.main_head(), "/local/domain/5/data");
  ASSERT_TRUE(blamed);
  for (const reader::BlamedNode& node : *blamed) {
    if (node.path == "/local/domain/5/data") continue;
    EXPECT_EQ(node.value_by.commit.seq(), *expected(node.path).rbegin()) << node.path;
  }
}

TEST_F(HistoryFoldTest, ARecordThatAnotherOneUndidIsFoundToo) {
  writer->note_lag(60'000'000);
  at(scenario.write("/a", "1", 3), now_us);
  at(scenario.write("/b", "1", 4), now_us);
  at(scenario.remove("/a", 3), now_us);
  flush();
  EXPECT_EQ(commits(), 3U);
  EXPECT_EQ(seqs({"/a", {}, 0, {}}), (std::set<Seq>{3, 5}));
  expect_every_seq();
  EXPECT_EQ(git_ok(repository, "log -1 --format=%s main"),
            "several domains: 3 commits folded, Seq 3..5, 2 nodes under /\n");
}

TEST_F(HistoryFoldTest, ATransactionBasedOnAFoldedSeqSaysWhereItReallyBegan) {
  writer->note_lag(60'000'000);
  for (int i = 0; i < 4; ++i) at(scenario.write("/a", std::to_string(i), 3), now_us);
  auto& failed =
      scenario.conflict({{store::ChangeKind::kWrite, "/a", "x", {}, false}}, 7, 4, "/a", 5);
  failed.conflict.time_us = now_us;
  flush();
  const std::string message = git_ok(repository, "log -1 --format=%B refs/conflicts/7");
  EXPECT_NE(message.find("Base-Seq: 4\nBase-Used: 2\n"), std::string::npos) << message;
  // The same after the window was read back from the repository.
  reopen();
  scenario.conflict({{store::ChangeKind::kWrite, "/a", "y", {}, false}}, 7, 4, "/a", 5);
  flush();
  EXPECT_NE(git_ok(repository, "log -1 --format=%B refs/conflicts/8").find("Base-Used: 2\n"),
            std::string::npos);
  EXPECT_EQ(complaints(repository), "");
}

TEST_F(HistoryFoldTest, AKillInTheMiddleOfAFoldLosesNothingPublished) {
  std::mt19937_64 random(5);
  flood(2000, 1);
  std::string published = git_ok(repository, "rev-parse main");
  std::size_t kills = 0;
  while (added < scenario.records().size()) {
    for (auto n = 1 + random() % 150; n > 0 && added < scenario.records().size(); --n) {
      add(scenario.records()[added++]);
    }
    if (random() % 2 == 0) {
      publish();
      const std::string head = git_ok(repository, "rev-parse main");
      const std::string old = published.substr(0, 40);
      EXPECT_EQ(git(repository, "merge-base --is-ancestor " + old + " main").status, 0);
      published = head;
      continue;
    }
    ++kills;  // with a fold open, more often than not
    reopen();
    EXPECT_EQ(git_ok(repository, "rev-parse main"), published);
    added = writer->durable_seq() - 2;  // a record that is known already is ignored
  }
  publish();
  EXPECT_GT(kills, 3U);
  EXPECT_LT(commits(), scenario.records().size());
  expect_every_seq();
  EXPECT_EQ(complaints(repository), "");
  EXPECT_EQ(image_of_commit(repository, "main"), image_of(scenario.tree()));
}

TEST_F(HistoryFoldTest, RandomRecordsFoldToTheSameTree) {
  std::mt19937_64 random(9);
  scenario.keep_versions = true;
  scenario.time_step_us = 100;
  for (int i = 0; i < 600; ++i) {
    scenario.random_step(random);
    if (i % 90 != 0) continue;
    writer->note_lag(i % 270 == 0 ? 0 : 3'000'000);
    flush();
  }
  flush();
  EXPECT_GT(writer->stats().folded, 100U);
  EXPECT_EQ(complaints(repository), "");
  EXPECT_EQ(image_of_commit(repository, "main"), image_of(scenario.tree()));
  reopen();
  EXPECT_EQ(writer->durable_seq(), scenario.last_seq());
}

}  // namespace
}  // namespace vxs::history_test
