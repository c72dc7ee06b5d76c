#include <algorithm>
#include <fstream>
#include <random>

#include "tests/store/history/history_fixture.hh"

namespace vxs::history_test {
namespace {

using store::CommitKind;

using HistoryWriterTest = HistoryFixture;

TEST_F(HistoryWriterTest, FreshRepositoryIsValidAndPrivate) {
  EXPECT_EQ(complaints(repository), "");
  EXPECT_EQ(writer->durable_seq(), 0U);
  EXPECT_EQ(shell("find '" + repository + "' -type d ! -perm 0700").text, "");
  scenario.write("/a", "1");
  flush();
  EXPECT_EQ(shell("find '" + repository + "' -type f ! -perm 0600").text, "");
  EXPECT_EQ(shell("find '" + repository + "' -type d ! -perm 0700").text, "");
}

TEST_F(HistoryWriterTest, OneWriteIsOneCommitWithValueAndNewline) {
  scenario.write("/tool/example", "v1");
  flush();
  EXPECT_EQ(git_ok(repository, "show main:tool/example"), "v1\n");
  EXPECT_EQ(git_ok(repository, "show main:tool/.meta"), ". 1.0 n0\nexample 1.1 n0\n");
  EXPECT_EQ(writer->durable_seq(), 1U);
  EXPECT_EQ(complaints(repository), "");
  EXPECT_EQ(image_of_commit(repository, "main"), image_of(scenario.tree()));
}

TEST_F(HistoryWriterTest, RandomRecordsGiveTheTreesOfTheModel) {
  std::mt19937_64 random(42);
  std::map<Seq, TreeImage> expected;
  for (int i = 0; i < 400; ++i) {
    scenario.random_step(random);
    if (scenario.records().back().kind == OwnedRecord::Kind::kCommit) {
      expected[scenario.last_seq()] = image_of(scenario.tree());
    }
    if (random() % 20 == 0) flush();
    if (random() % 50 == 0) {
      flush();
      reopen();
    }
  }
  flush();
  EXPECT_EQ(complaints(repository), "");
  std::size_t seen = 0;
  for (const std::string& line :
       lines(log("--first-parent --format='%H %(trailers:key=Seq,valueonly,separator=%x2c)'"))) {
    const Seq seq = std::stoull("0" + line.substr(41));
    if (seq == 0) continue;
    if (++seen % 4 != 0 && seq + 5 < scenario.last_seq()) continue;  // 50 ms each
    ASSERT_EQ(image_of_commit(repository, line.substr(0, 40)), expected.at(seq)) << seq;
  }
  EXPECT_EQ(seen, expected.size());
}

TEST_F(HistoryWriterTest, SubjectsSayWhoDidWhat) {
  scenario.write("/local/domain/5/device/vif/0/state", "3", 5);
  scenario.write("/local/domain/5/device/vif/0/state", "4", 5);
  scenario.write("/tool/x", "two words", 5);
  scenario.set_perms("/tool/x", scenario.perms({{5, protocol::Access::kNone, 2},
                                                {0, protocol::Access::kRead, kIncarnationStale}}));
  scenario.remove("/local/domain/5/device", 5);
  scenario.write("/tool/x", "\x1b[31m\n", 5);
  flush();
  EXPECT_EQ(log("--reverse --format='%an <%ae>|%s' main"),
            "dom5 <dom5@testhost>|dom5 create device/vif/0/state 3\n"
            "dom5 <dom5@testhost>|dom5 write device/vif/0/state 3→4\n"
            "dom5 <dom5@testhost>|dom5 create /tool/x \"two words\"\n"
            "dom0 <dom0@testhost>|dom0 perms /tool/x n5#2,r0#stale\n"
            "dom5 <dom5@testhost>|dom5 rm device\n"
            "dom5 <dom5@testhost>|dom5 write /tool/x \"two words\"→\"\\x1b[31m\\n\"\n");
}

TEST_F(HistoryWriterTest, TrailersTellEverythingAboutTheRecord) {
  OwnedRecord& record = scenario.write("/a/b", "1");
  record.commit.origin.pid = 4711;
  record.commit.origin.uid = 3;
  record.commit.origin.incarnation = 12;
  record.commit.origin.command = "evil\nSeq: 99\x1b";
  flush();
  EXPECT_EQ(log("-1 --format=%B main"),
            "dom0 create /a/b 1\n\n"
            "Seq: 1\nDomain: 0\nIncarnation: 12\n"
            "Connection: 17 pid=4711 uid=3 command=evil\\nSeq: 99\\x1b\n"
            "Request: create+ /a \"\"\nRequest: create /a/b 1\nBoot: boot-0\n\n");
}

TEST_F(HistoryWriterTest, ALeafThatBecomesADirectoryIsNamed) {
  scenario.write("/a", "kept");
  scenario.write("/a/b", "1");
  flush();
  EXPECT_EQ(log("-1 --format='%(trailers:key=Became-Directory,valueonly)' main"), "/a\n\n");
  EXPECT_EQ(git_ok(repository, "show main:a/.value"), "kept\n");
  EXPECT_EQ(image_of_commit(repository, "main"), image_of(scenario.tree()));
}

TEST_F(HistoryWriterTest, LongMessagesAreBounded) {
  std::vector<OwnedChange> changes;
  for (int i = 0; i < 300; ++i) {
    changes.push_back({store::ChangeKind::kCreate, "/n" + std::to_string(i), "1",
                       scenario.perms({{0, protocol::Access::kNone, 0}}), false});
  }
  scenario.commit(std::move(changes), CommitKind::kTransaction);
  flush();
  const std::string message = log("-1 --format=%B main");
  EXPECT_TRUE(message.starts_with("dom0 transaction: 300 nodes under /\n")) << message;
  EXPECT_NE(message.find("Request: … and 236 more\n"), std::string::npos);
}

TEST_F(HistoryWriterTest, AMergeHasTheBranchAsSecondParent) {
  scenario.write("/a", "1");      // 1
  scenario.write("/other", "1");  // 2
  scenario.commit({{store::ChangeKind::kWrite, "/a", "2", {}, false}}, CommitKind::kMerge, 3, 1);
  flush();
  const std::string one = log("-1 --format=%H --grep='^Seq: 1$' main");
  EXPECT_EQ(log("-1 --format=%s main"), "merge dom3 transaction 7: 1 node under /a\n");
  EXPECT_EQ(log("-1 --format=%s main^1"), "dom0 create /other 1\n");
  EXPECT_EQ(log("-1 --format=%s main^2"), "dom3 write /a 1→2\n");
  EXPECT_EQ(log("-1 --format=%H main^2^"), one);
  EXPECT_EQ(git(repository, "show main^2:other").status, 128);
  EXPECT_EQ(git_ok(repository, "show main:a"), "2\n");
  EXPECT_EQ(complaints(repository), "");
}

TEST_F(HistoryWriterTest, AConflictIsARefThatNamesWhatStoodInItsWay) {
  scenario.write("/a", "1");
  scenario.write("/a", "2", 4);
  scenario.conflict({{store::ChangeKind::kWrite, "/a", "9", {}, false}}, 3, 1, "/a", 2);
  flush();
  EXPECT_EQ(git_ok(repository, "for-each-ref --format='%(refname)' refs/conflicts"),
            "refs/conflicts/3\n");
  EXPECT_EQ(log("-1 --format='%s%n%(trailers:key=Conflicts-With)' refs/conflicts/3"),
            "conflict dom3 transaction 9: 1 node under /a\n"
            "Conflicts-With: seq=2 domain=0 request=READ path=/a\n\n");
  EXPECT_EQ(log("-1 --format=%s refs/conflicts/3^"), "dom0 create /a 1\n");
  EXPECT_EQ(git_ok(repository, "show main:a"), "2\n");
  EXPECT_EQ(complaints(repository), "");
}

TEST_F(HistoryWriterTest, ConflictsAreARingAndOtherRefsStay) {
  scenario.keep_versions = false;
  scenario.write("/a", "1");
  flush();
  git_ok(repository, "update-ref refs/tags/mine main");
  git_ok(repository, "pack-refs --all");
  reopen();
  for (int i = 0; i < 60; ++i) scenario.conflict({}, 9, 1, "/a", 1);
  flush();
  EXPECT_EQ(lines(git_ok(repository, "for-each-ref refs/conflicts")).size(), 50U);
  reopen();
  for (int i = 0; i < 1200; ++i) {
    scenario.conflict({}, static_cast<DomId>(100 + i % 40), 1, "/a", 1);
    if (i == 600) {
      flush();
      reopen();
    }
  }
  flush();
  EXPECT_EQ(lines(git_ok(repository, "for-each-ref refs/conflicts")).size(), 1000U);
  EXPECT_EQ(git_ok(repository, "rev-parse refs/tags/mine"), git_ok(repository, "rev-parse main"));
  EXPECT_EQ(complaints(repository), "");
  scenario.write("/a", "2");
  flush();
  EXPECT_EQ(git_ok(repository, "show main:a"), "2\n");
}

TEST_F(HistoryWriterTest, ADirectoryOf513ChildrenGetsBucketsInACommitOfItsOwn) {
  scenario.keep_versions = false;
  for (int i = 0; i < 400; ++i) scenario.write("/big/" + std::to_string(i), "v");
  for (int i = 0; i < 112; ++i) scenario.write("/big/key" + std::to_string(i) + "/x", "v");
  flush();
  EXPECT_EQ(log("--oneline --grep='^split' main"), "");
  scenario.write("/big/last", "v");
  flush();
  EXPECT_EQ(log("-1 --format='%s|%(trailers:key=After-Seq,valueonly,separator=%x20)' main"),
            "split /big into buckets|513\n");
  EXPECT_EQ(writer->durable_seq(), 513U);
  EXPECT_EQ(git_ok(repository, "show main:big/~3xx/399"), "v\n");
  EXPECT_EQ(image_of_commit(repository, "main"), image_of(scenario.tree()));
  EXPECT_EQ(image_of_commit(repository, "main^"), image_of(scenario.tree()));
  // Sticky, also when it is empty and after a restart.
  for (int i = 0; i < 400; ++i) scenario.remove("/big/" + std::to_string(i));
  for (int i = 0; i < 112; ++i) scenario.remove("/big/key" + std::to_string(i));
  scenario.remove("/big/last");
  flush();
  reopen();
  EXPECT_EQ(writer->durable_seq(), scenario.last_seq());
  scenario.write("/big/7", "again");
  flush();
  EXPECT_EQ(git_ok(repository, "show main:big/~0xx/7"), "again\n");
  EXPECT_EQ(image_of_commit(repository, "main"), image_of(scenario.tree()));
  EXPECT_EQ(complaints(repository), "");
}

TEST_F(HistoryWriterTest, AHundredThousandChildrenAreUnremarkable) {
#if defined(VXS_ASAN) || defined(VXS_TSAN)
  constexpr int kThousands = 15;
#else
  constexpr int kThousands = 100;
#endif
  scenario.keep_versions = false;
  for (int i = 0; i < kThousands; ++i) {
    std::vector<OwnedChange> changes;
    if (i == 0) changes = scenario.write_changes(scenario.tree(), "/huge", "");
    for (int j = 0; j < 1000; ++j) {
      changes.push_back({store::ChangeKind::kCreate, "/huge/n" + std::to_string(i * 1000 + j), "1",
                         scenario.perms({{0, protocol::Access::kNone, 0}}), false});
    }
    scenario.commit(std::move(changes), CommitKind::kTransaction);
  }
  flush();
  EXPECT_EQ(image_of_commit(repository, "main"), image_of(scenario.tree()));
}

TEST_F(HistoryWriterTest, APathOfAThousandComponentsIsUnremarkable) {
  std::string path;
  for (int i = 0; i < 1000; ++i) path += "/d";
  scenario.write(path, "deep");
  scenario.write(path, "deeper");
  scenario.remove("/d/d/d/d");
  scenario.write(path, "again");
  flush();
  EXPECT_EQ(image_of_commit(repository, "main"), image_of(scenario.tree()));
  EXPECT_EQ(fsck_complaints(repository), "");
  reopen();
  scenario.write(path, "after a restart");
  flush();
  EXPECT_EQ(image_of_commit(repository, "main"), image_of(scenario.tree()));
}

TEST_F(HistoryWriterTest, CommitterTimeNeverGoesBackwards) {
  scenario.write("/a", "1").commit.time_us = 2'000'000'000'000'000;
  scenario.write("/a", "2").commit.time_us = 1'000'000'000'000'000;
  scenario.write("/a", "3").commit.time_us = -5;
  flush();
  reopen();
  scenario.write("/a", "4").commit.time_us = 1'500'000'000'000'000;
  flush();
  EXPECT_EQ(log("--reverse --format='%at %ct' main"),
            "2000000000 2000000000\n1000000000 2000000000\n0 2000000000\n1500000000 2000000000\n");
  EXPECT_EQ(complaints(repository), "");
}

TEST_F(HistoryWriterTest, ARecordThatDoesNotFitIsRefusedAndLeavesNoTrace) {
  scenario.write("/a", "1");
  flush();
  OwnedRecord bad = scenario.records().front();
  bad.commit.seq = 2;
  bad.changes = {{store::ChangeKind::kWrite, "/a", "half", {}, false},
                 {store::ChangeKind::kWrite, "/missing", "x", {}, false}};
  std::vector<store::Change> changes;
  const auto done = writer->add(bad.view(changes));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, store::HistoryError::Kind::kMismatch);
  scenario.write("/a", "2");
  flush();
  EXPECT_EQ(image_of_commit(repository, "main"), image_of(scenario.tree()));
}

TEST_F(HistoryWriterTest, RecordsItHasAreIgnored) {
  for (int i = 0; i < 5; ++i) scenario.write("/a", std::to_string(i));
  flush();
  const std::string head = git_ok(repository, "rev-parse main");
  reopen();
  for (const OwnedRecord& record : scenario.records()) add(record);
  publish();
  EXPECT_EQ(git_ok(repository, "rev-parse main"), head);
}

TEST_F(HistoryWriterTest, DurableSeqCountsRecordsWithoutACommitAlsoAfterARestart) {
  scenario.write("/a", "1");
  scenario.start("boot-9");
  scenario.conflict({}, 3, 1, "/a", 1);
  flush();
  EXPECT_EQ(writer->durable_seq(), 3U);
  reopen();
  EXPECT_EQ(writer->durable_seq(), 3U);
  scenario.write("/a", "2");
  flush();
  EXPECT_EQ(log("-1 --format='%(trailers:key=Boot,valueonly)' main"), "boot-9\n\n");
  reopen();
  EXPECT_EQ(writer->durable_seq(), 4U);
}

TEST_F(HistoryWriterTest, StateRecordsAreNoCommitsAndDurableSeqPassesOverThem) {
  scenario.write("/a", "1");
  flush();
  const std::string head = git_ok(repository, "rev-parse main");
  for (Seq seq = 2; seq <= 4; ++seq) {
    const auto done = writer->add(store::StateRecord{seq, 5, store::DomainKnown{.domid = 7}});
    ASSERT_TRUE(done) << done.error().message;
  }
  publish();
  EXPECT_EQ(writer->durable_seq(), 4U);
  EXPECT_EQ(git_ok(repository, "rev-parse main"), head);
  reopen();
  EXPECT_EQ(writer->durable_seq(), 4U);
}

TEST_F(HistoryWriterTest, StaleLocksAndTemporaryFilesAreRemovedAtStart) {
  scenario.write("/a", "1");
  flush();
  for (const char* name : {"/refs/heads/main.lock", "/packed-refs.lock", "/vxenstored/tmp/pack-1",
                           "/objects/pack/pack-0123.pack"}) {
    std::ofstream(repository + name) << "junk";
  }
  reopen();
  scenario.write("/a", "2");
  flush();
  EXPECT_EQ(git_ok(repository, "show main:a"), "2\n");
  EXPECT_EQ(shell("ls '" + repository + "/vxenstored/tmp' '" + repository +
                  "/objects/pack' | grep -c -e pack-1$ -e 0123")
                .text,
            "0\n");
}

TEST_F(HistoryWriterTest, SameRecordsGiveTheSameCommitIds) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 300; ++i) scenario.random_step(random);
  flush();
  const std::string wanted = git_ok(repository, "rev-parse main");
  const std::string wanted_conflicts = git_ok(repository, "for-each-ref refs/conflicts");
  for (int variant = 0; variant < 3; ++variant) {
    const support::TempDir other("/dev/shm");
    repository = other.path() + "/again.git";
    reopen();
    for (const OwnedRecord& record : scenario.records()) {
      add(record);
      if (random() % 10 == 0) publish();
      if (variant > 0 && random() % 15 == 0) {
        if (variant == 1) publish();
        reopen();  // variant 2 loses what was not published and gets it again
        for (const OwnedRecord& old : scenario.records()) {
          if (&old == &record) break;
          add(old);
        }
        add(record);
      }
    }
    publish();
    EXPECT_EQ(git_ok(repository, "rev-parse main"), wanted);
    EXPECT_EQ(git_ok(repository, "for-each-ref refs/conflicts"), wanted_conflicts);
    EXPECT_EQ(complaints(repository), "");
    writer.reset();
  }
}

TEST_F(HistoryWriterTest, StockGitReadsLogsBlamesAndClones) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 200; ++i) scenario.random_step(random);
  scenario.write("/tool/" + std::string(300, 'x'), std::string("nul\0esc\x1b\nutf8 \xc3\xbc", 15));
  scenario.write("/tool/plain", "1");
  flush();
  for (const char* command :
       {"log -p main", "log --graph --oneline --all", "log --stat main", "blame main -- tool/.meta",
        "blame main -- tool/plain", "log --full-history --oneline main -- tool/plain"}) {
    const Output output = git(repository, command);
    EXPECT_EQ(output.status, 0) << command << output.text;
    EXPECT_FALSE(output.text.empty()) << command;
  }
  const std::string clone = scratch.path() + "/clone";
  EXPECT_EQ(shell("git clone -q '" + repository + "' '" + clone + "'").text, "");
  EXPECT_EQ(git_ok(clone, "status --porcelain"), "");
  EXPECT_EQ(image_of_commit(clone, "HEAD"), image_of(scenario.tree()));
  EXPECT_EQ(shell("git clone -q --mirror '" + repository + "' '" + clone + ".git'").text, "");
  EXPECT_EQ(fsck_complaints(clone + ".git"), "");
}

}  // namespace
}  // namespace vxs::history_test
