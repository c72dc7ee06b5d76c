// Secrets that must be in no object of the repository.
#include "store/history/redaction.hh"

#include <array>

#include "tests/store/history/history_fixture.hh"

namespace vxs::history_test {
namespace {

constexpr const char* kSecret = "hunter2-the-secret";

class RedactionTest : public HistoryFixture {
 protected:
  RedactionTest() {
    adjust = [this](store::HistoryOptions& options) {
      options.redact = {"/vm/*/password", "/keys/**"};
      options.fold_rate = fold_rate;
    };
    reopen();
  }
  /// Every object of the repository, those no ref leads to included.
  std::string all_objects() {
    return git_ok(repository, "cat-file --batch --batch-all-objects --unordered");
  }
  std::string value_at(const std::string& git_path) {
    return git_ok(repository, "cat-file blob main:" + git_path);
  }
  std::uint32_t fold_rate = 0;
};

TEST_F(RedactionTest, NoObjectHoldsTheValueHoweverItGotThere) {
  scenario.write("/vm/1/password", kSecret);                      // created
  scenario.write("/vm/1/password", std::string(kSecret) + "-2");  // written
  scenario.write("/keys/deep/er", std::string("x-") + kSecret);   // below **
  scenario.write("/keys/deep/er/child", std::string(kSecret));    // a leaf becomes a directory
  scenario.write("/keys/deep/er", std::string(kSecret) + "-3");   // a directory's own value
  const Seq base = scenario.last_seq();
  scenario.write("/other", "plain");
  scenario.commit({{store::ChangeKind::kWrite, "/vm/1/password", std::string(kSecret) + "-4", {}}},
                  store::CommitKind::kMerge, 3, base);  // a branch of its own
  scenario.conflict(
      {{store::ChangeKind::kWrite, "/vm/1/password", std::string(kSecret) + "-5", {}}}, 3, base,
      "/other", scenario.last_seq());  // a transaction that failed
  flush();
  const std::string objects = all_objects();
  EXPECT_EQ(objects.find("hunter2"), std::string::npos);
  EXPECT_NE(objects.find("plain"), std::string::npos) << "other values are there";
  EXPECT_EQ(value_at("vm/~0xx/1/password"), "<redacted>\n");
  EXPECT_EQ(complaints(repository), "");
}

TEST_F(RedactionTest, FoldsAndSnapshotsHideItToo) {
  fold_rate = 1;
  reopen();
  scenario.time_step_us = 10;
  for (int i = 0; i < 50; ++i) scenario.write("/vm/1/password", kSecret + std::to_string(i), 1);
  flush();
  const auto done = writer->add_snapshot(scenario.tree(), scenario.last_seq() + 10, 0,
                                         scenario.last_seq(), scenario.last_seq() + 10, 1, "test");
  ASSERT_TRUE(done) << done.error().message;
  publish();
  EXPECT_EQ(all_objects().find("hunter2"), std::string::npos);
}

TEST_F(RedactionTest, TheWayBackNamesWhatIsMissing) {
  scenario.write("/vm/1/password", kSecret);
  scenario.write("/vm/1/name", "<redacted>");  // a guest may well write so
  scenario.write("/keys/empty", "");
  flush();
  store::PermTable perms;
  store::TreeStats stats;
  const auto owner = perms.intern(std::array{protocol::PermEntry{}});
  store::Tree loaded(stats, owner, owner, owner);
  std::vector<std::string> missing;
  const auto seq = store::load_tree_from_history(repository, perms, loaded, missing);
  ASSERT_TRUE(seq) << seq.error().message;
  EXPECT_EQ(missing, std::vector<std::string>{"/vm/1/password"});
  EXPECT_EQ(loaded.find("/vm/1/password")->value(), "");
  EXPECT_EQ(loaded.find("/vm/1/name")->value(), "<redacted>");
}

}  // namespace
}  // namespace vxs::history_test
