// Whole trees into the repository and back.
#include <random>

#include "store/history/object_store.hh"
#include "store/history/shadow_tree.hh"
#include "tests/store/history/history_fixture.hh"

namespace vxs::history_test {
namespace {

using HistorySnapshotTest = HistoryFixture;
constexpr Seq kJump = Seq{1} << 32U;

void snapshot(store::HistoryWriter& writer, const Scenario& scenario, Seq from, Seq to) {
  const auto done = writer.add_snapshot(scenario.tree(), scenario.last_seq(), 1'700'000'100'000'000,
                                        from, to, from == 0 ? 0 : to - from + 1, "disk\nfull");
  ASSERT_TRUE(done) << done.error().message;
}

TEST_F(HistorySnapshotTest, TheTreeComesBackFromHistoryWithFreshGenerations) {
  std::mt19937_64 random(11);
  for (int i = 0; i < 500; ++i) scenario.random_step(random);
  for (int i = 0; i < 600; ++i) scenario.write("/wide/" + std::to_string(i * 7 % 600), "v");
  flush();
  Scenario other;
  other.write("/leftover", "must go");
  store::PermTable perms;
  store::TreeStats stats;
  const auto owner = perms.intern(std::array{protocol::PermEntry{3, protocol::Access::kBoth, 0}});
  store::Tree loaded(stats, owner, owner, owner);
  ASSERT_TRUE(loaded.apply(
      {.kind = store::ChangeKind::kCreate, .path = "/old", .value = {}, .perms = owner}, 1));
  std::vector<std::string> missing;
  const auto seq = store::load_tree_from_history(repository, perms, loaded, missing);
  ASSERT_TRUE(seq) << seq.error().message;
  EXPECT_EQ(*seq, scenario.last_seq() + kJump);
  EXPECT_TRUE(missing.empty());
  EXPECT_EQ(image_of(loaded), image_of(scenario.tree()));
  loaded.walk([&](std::string_view path, const store::Node& node) {
    EXPECT_EQ(node.generation(), *seq) << path;
    return true;
  });
}

TEST_F(HistorySnapshotTest, AnEmptyRepositoryOrADamagedOneCannotBeLoaded) {
  store::PermTable perms;
  store::TreeStats stats;
  const auto owner = perms.intern(std::array{protocol::PermEntry{}});
  store::Tree tree(stats, owner, owner, owner);
  std::vector<std::string> missing;
  const auto seq = store::load_tree_from_history(repository, perms, tree, missing);
  ASSERT_FALSE(seq);
  EXPECT_EQ(seq.error().kind, store::HistoryError::Kind::kDamaged);
}

TEST_F(HistorySnapshotTest, AnOrphanRootBeginsARepositoryThatWasLost) {
  std::mt19937_64 random(5);
  for (int i = 0; i < 300; ++i) scenario.random_step(random);
  for (int i = 0; i < 600; ++i) scenario.write("/wide/" + std::to_string(i), "v");
  added = scenario.records().size();
  snapshot(*writer, scenario, 0, 0);
  flush();
  EXPECT_EQ(writer->durable_seq(), scenario.last_seq());
  EXPECT_EQ(image_of_commit(repository, "main"), image_of(scenario.tree()));
  EXPECT_EQ(log("--format=%s main"),
            "snapshot: the whole tree at Seq " + std::to_string(scenario.last_seq()) + "\n");
  EXPECT_EQ(complaints(repository), "");
  for (int i = 0; i < 200; ++i) scenario.random_step(random);
  flush();
  EXPECT_EQ(image_of_commit(repository, "main"), image_of(scenario.tree()));
  EXPECT_EQ(complaints(repository), "");
}

TEST_F(HistorySnapshotTest, AGapIsOneCommitThatShowsWhatChangedAndNothingElse) {
  std::mt19937_64 random(6);
  for (int i = 0; i < 300; ++i) scenario.random_step(random);
  scenario.write("/first/a", "1");
  scenario.write("/first/b", "1");
  flush();
  const Seq from = scenario.last_seq() + 1;
  scenario.write("/first/a", "2");
  scenario.write("/first/c", "3");
  const Seq to = scenario.last_seq();
  added = scenario.records().size();
  snapshot(*writer, scenario, from, to);
  flush();
  EXPECT_EQ(image_of_commit(repository, "main"), image_of(scenario.tree()));
  EXPECT_EQ(git_ok(repository, "diff --name-status main^ main"),
            "M\tfirst/.meta\nM\tfirst/a\nA\tfirst/c\n");
  EXPECT_EQ(log("-1 --format=%s main"), "gap: Seq " + std::to_string(from) + ".." +
                                            std::to_string(to) + ", 2 changes, disk\\nfull\n");
  // A child that was removed and made again during a gap goes to the end of the order.
  const Seq again = scenario.last_seq() + 1;
  scenario.remove("/first/a");
  scenario.write("/first/a", "2");
  added = scenario.records().size();
  snapshot(*writer, scenario, again, scenario.last_seq());
  for (int i = 0; i < 300; ++i) scenario.random_step(random);
  flush();
  EXPECT_EQ(image_of_commit(repository, "main"), image_of(scenario.tree()));
  EXPECT_EQ(complaints(repository), "");
}

TEST(HistoryShadowTree, AValueThatLooksLikeACollisionIsStoredEscaped) {
  const support::TempDir scratch;
  ASSERT_EQ(shell("git init -q --bare '" + scratch.path() + "'").status, 0);
  auto objects = store::ObjectStore::open(scratch.path());
  ASSERT_TRUE(objects);
  objects->hasher().refuse("evil\x01\n");
  store::ShadowTree tree(*objects);
  tree.start_empty();
  store::Change change{
      .kind = store::ChangeKind::kCreate, .path = "/a", .value = "evil\x01", .perms = {}};
  ASSERT_TRUE(tree.apply(change, 1));
  const auto id = tree.flush();
  ASSERT_TRUE(id);
  std::string bytes;
  ASSERT_TRUE(objects->read(*id, store::ObjectType::kTree, bytes));
  auto entry = store::find_entry(bytes, "a");
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->mode, store::EntryMode::kEscaped);
  std::string blob;
  ASSERT_TRUE(objects->read(entry->id, store::ObjectType::kBlob, blob));
  EXPECT_EQ(blob, "evil\\x01\n");
  change.kind = store::ChangeKind::kWrite;
  change.value = "harmless";
  ASSERT_TRUE(tree.apply(change, 2));
  ASSERT_TRUE(objects->read(*tree.flush(), store::ObjectType::kTree, bytes));
  entry = store::find_entry(bytes, "a");
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->mode, store::EntryMode::kFile);
  EXPECT_TRUE(store::is_our_tree(bytes));
}

TEST(HistoryShadowTree, ColdDirectoriesAreForgottenAndReadBack) {
  const support::TempDir scratch;
  auto env = store::make_posix_env();
  store::HistoryOptions options{scratch.path() + "/h.git", "host", "boot", "1", false};
  auto writer = *store::open_history_writer(*env, options);
  Scenario scenario;
  scenario.keep_versions = false;
  std::vector<store::Change> changes;
  for (int i = 0; i < 2000; ++i) {
    scenario.write("/local/domain/" + std::to_string(i) + "/device/vif", "1");
    ASSERT_TRUE(writer->add(scenario.records().back().view(changes)));
  }
  ASSERT_TRUE(writer->publish());
  auto objects = store::ObjectStore::open(options.repository);
  store::ShadowTree tree(*objects);
  const std::string root = git_ok(options.repository, "rev-parse main^{tree}");
  ASSERT_TRUE(tree.open(*store::ObjectId::from_hex(root.substr(0, 40))));
  for (int i = 0; i < 2000; ++i) {
    const std::string path = "/local/domain/" + std::to_string(i) + "/device";
    ASSERT_NE(tree.find_directory(path).value_or(nullptr), nullptr);
  }
  const std::size_t full = tree.memory();
  tree.trim(full / 4);
  tree.trim(full / 4);
  EXPECT_LT(tree.memory(), full / 4);
  EXPECT_NE(tree.find_directory("/local/domain/77/device").value_or(nullptr), nullptr);
  store::Change change{.kind = store::ChangeKind::kWrite,
                       .path = "/local/domain/77/device/vif",
                       .value = "2",
                       .perms = {}};
  ASSERT_TRUE(tree.apply(change, 5000));
  EXPECT_TRUE(tree.flush());
}

}  // namespace
}  // namespace vxs::history_test
