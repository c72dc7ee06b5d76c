#include "store/history/history_writer.hh"

#include <gtest/gtest.h>

#include <random>

#include "tests/store/history/git_tool.hh"
#include "tests/store/history/scenario.hh"
#include "tests/store/history/tree_image.hh"
#include "tests/support/temp_dir.hh"

namespace vxs::history_test {
namespace {

using store::CommitKind;

class HistoryWriterTest : public ::testing::Test {
 protected:
  HistoryWriterTest() : repository(scratch.path() + "/history.git") { reopen(); }

  void reopen() {
    writer.reset();
    store::HistoryOptions options;
    options.repository = repository;
    options.host = "testhost";
    options.boot_id = "boot-0";
    options.version = "0.1";
    options.sync = false;
    auto opened = store::open_history_writer(*env, options);
    ASSERT_TRUE(opened) << opened.error().message;
    writer = *std::move(opened);
  }
  void add(const OwnedRecord& record) {
    std::vector<store::Change> changes;
    const auto done = writer->add(record.view(changes));
    ASSERT_TRUE(done) << done.error().message;
  }
  void publish() {
    const auto done = writer->publish();
    ASSERT_TRUE(done) << done.error().message;
  }
  // Adds what the scenario made since the last call and publishes it.
  void flush() {
    for (; added < scenario.records().size(); ++added) add(scenario.records()[added]);
    publish();
  }
  std::string log(const std::string& arguments) { return git_ok(repository, "log " + arguments); }

  support::TempDir scratch{"/dev/shm"};
  std::string repository;
  std::unique_ptr<store::Env> env = store::make_posix_env();
  Scenario scenario;
  std::size_t added = 0;
  std::unique_ptr<store::HistoryWriter> writer;
};

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
    ++seen;
    ASSERT_EQ(image_of_commit(repository, line.substr(0, 40)), expected.at(seq)) << seq;
  }
  EXPECT_EQ(seen, expected.size());
}

}  // namespace
}  // namespace vxs::history_test
