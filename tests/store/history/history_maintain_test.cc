// Consolidation of packs.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "store/history/multi_pack_index.hh"
#include "store/history/pack_keeper.hh"
#include "store/history/pack_merge.hh"
#include "tests/store/history/failing_env.hh"
#include "tests/store/history/history_fixture.hh"

namespace vxs::history_test {
namespace {

class HistoryMaintainTest : public HistoryFixture {
 protected:
  // So many packs with an incompressible value of so many bytes each.
  void make_packs(int count, std::size_t bytes) {
    std::mt19937_64 random(9);
    for (int i = 0; i < count; ++i) {
      std::string value(bytes, '\0');
      for (char& c : value) c = static_cast<char>('!' + random() % 90);
      scenario.write("/k" + std::to_string(i), value);
      flush();
    }
    writer.reset();
  }
  [[nodiscard]] std::string pack_path(const std::string& name) const {
    return repository + "/objects/pack/" + name;
  }
  [[nodiscard]] std::vector<std::string> pack_names() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(pack_path(""))) {
      if (entry.path().extension() == ".pack") names.push_back(entry.path().stem());
    }
    std::ranges::sort(names);
    return names;
  }
};

std::size_t packs_on_disk(const std::string& repository) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(repository + "/objects/pack")) {
    if (entry.path().extension() == ".pack") ++count;
  }
  return count;
}

TEST_F(HistoryMaintainTest, ManySmallPacksBecomeFew) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 300; ++i) {
    scenario.random_step(random);
    flush();
    for (;;) {
      const auto more = writer->maintain();
      ASSERT_TRUE(more) << more.error().message;
      if (!*more) break;
    }
    ASSERT_LE(writer->stats().packs, 50U);
  }
  EXPECT_LE(writer->stats().packs, 24U);
  EXPECT_EQ(complaints(repository), "");
  EXPECT_EQ(git_ok(repository, "multi-pack-index verify"), "");
  EXPECT_EQ(image_of_commit(repository, "main"), image_of(scenario.tree()));
  reopen();
  for (int i = 0; i < 20; ++i) scenario.random_step(random);
  flush();
  EXPECT_EQ(image_of_commit(repository, "main"), image_of(scenario.tree()));
}

TEST_F(HistoryMaintainTest, ThereAreNeverMoreThanFiftyPacksAlsoWhileHistoryCatchesUp) {
  // A catch-up never finds the journal's end, so that nobody calls maintain().
  std::mt19937_64 random(3);
  for (int i = 0; i < 300; ++i) {
    scenario.random_step(random);
    flush();
    ASSERT_LE(writer->stats().packs, 50U);
  }
  EXPECT_EQ(complaints(repository), "");
  EXPECT_EQ(image_of_commit(repository, "main"), image_of(scenario.tree()));
  const auto count = [&] { return packs_on_disk(repository); };
  EXPECT_GT(count(), 300U);  // the superseded ones wait for their grace
  reopen();
  EXPECT_LE(writer->stats().packs, 50U);
}

TEST_F(HistoryMaintainTest, TheMultiPackIndexNamesEveryObjectOnceAndFindsIt) {
  std::mt19937_64 random(4);
  for (int i = 0; i < 40; ++i) {
    scenario.random_step(random);
    flush();
  }
  for (bool more = true; more;) {
    const auto step = writer->maintain();
    ASSERT_TRUE(step) << step.error().message;
    more = *step;
  }
  EXPECT_EQ(git_ok(repository, "multi-pack-index verify"), "");
  // Its table of ids (chunk OIDL, up to chunk OOFF) has as many as all the packs' indexes together.
  const std::string pack = "'" + repository + "'/objects/pack/";
  const auto chunk_at = [&](int chunk) {
    const std::string skip = std::to_string(12 + 12 * chunk + 4);
    return std::stoul(
        shell("od -An -tu8 --endian=big -N8 -j" + skip + " " + pack + "multi-pack-index").text);
  };
  const std::string distinct =
      shell("for i in " + pack +
            "*.idx; do git show-index < $i; done | cut -d' ' -f2 | sort -u | wc -l")
          .text;
  EXPECT_EQ((chunk_at(3) - chunk_at(2)) / 20, std::stoul(distinct));
}

TEST_F(HistoryMaintainTest, SupersededPacksGoAfterTheGraceAlsoAfterARestart) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 100; ++i) {
    scenario.random_step(random);
    flush();
  }
  writer.reset();
  store::RepositoryFiles files(*env, repository, false);
  auto objects = store::ObjectStore::open(repository);
  ASSERT_TRUE(objects);
  const auto now = store::PackKeeper::Clock::now();
  store::PackKeeper keeper(files, *objects);
  ASSERT_TRUE(keeper.open());
  while (*keeper.step(now)) {
  }
  const std::size_t needed = keeper.pack_count();
  EXPECT_LT(needed, 20U);
  EXPECT_GT(packs_on_disk(repository), 90U);
  EXPECT_EQ(fsck_complaints(repository), "");

  store::PackKeeper later(files, *objects);
  ASSERT_TRUE(later.open());
  EXPECT_EQ(later.pack_count(), needed);
  EXPECT_FALSE(*later.step(now + store::PackKeeper::kGrace / 2));
  EXPECT_TRUE(*later.step(store::PackKeeper::Clock::now() + store::PackKeeper::kGrace));
  EXPECT_EQ(packs_on_disk(repository), needed);
  EXPECT_EQ(complaints(repository), "");
  EXPECT_EQ(git_ok(repository, "multi-pack-index verify"), "");
  EXPECT_EQ(image_of_commit(repository, "main"), image_of(scenario.tree()));
  reopen();
  for (int i = 0; i < 50; ++i) scenario.random_step(random);
  flush();
  EXPECT_EQ(image_of_commit(repository, "main"), image_of(scenario.tree()));
  EXPECT_EQ(complaints(repository), "");
}

TEST_F(HistoryMaintainTest, ADamagedPackIsReportedOnceAndLeftAlone) {
  for (int i = 0; i < 8; ++i) {
    scenario.write("/a", std::string(200, static_cast<char>('a' + i)));
    flush();
  }
  writer.reset();
  std::string victim;
  for (const auto& entry : std::filesystem::directory_iterator(repository + "/objects/pack")) {
    if (entry.path().extension() == ".pack") victim = entry.path();
  }
  ASSERT_EQ(
      shell("printf 'zzzz' | dd of='" + victim + "' bs=1 seek=40 conv=notrunc status=none").status,
      0);
  store::RepositoryFiles files(*env, repository, false);
  auto objects = store::ObjectStore::open(repository);
  store::PackKeeper keeper(files, *objects);
  ASSERT_TRUE(keeper.open());
  const auto step = keeper.step();
  ASSERT_FALSE(step);
  EXPECT_EQ(step.error().kind, store::HistoryError::Kind::kDamaged);
  const auto next = keeper.step();
  ASSERT_TRUE(next);
  EXPECT_FALSE(*next);
  EXPECT_EQ(packs_on_disk(repository), 8U);
}

TEST_F(HistoryMaintainTest, JoiningPacksWithTheSameObjectsKeepsChainsShort) {
  // The same directory is written first in full in each pack; joined, later chains hang on the
  // first one's.
  for (int pack = 0; pack < 8; ++pack) {
    for (int i = 0; i < 40; ++i) {
      scenario.write("/dir/key" + std::to_string(i % 20), std::to_string(pack * 100 + i));
    }
    flush();
  }
  ASSERT_TRUE(*writer->maintain());
  EXPECT_EQ(complaints(repository), "");
  const std::string verify = shell("git verify-pack -v $(ls -S '" + repository +
                                   "'/objects/pack/*.idx | head -1) | grep '^chain' | tail -1")
                                 .text;
  ASSERT_TRUE(verify.starts_with("chain length = ")) << verify;
  EXPECT_LE(std::stoul(verify.substr(15)), store::PackMerge::kMaxMergedDepth);
}

// A writer that is opened every two seconds gave the packs the whole grace again each time.
TEST_F(HistoryMaintainTest, Bug_TheGraceOfSupersededPacksGoesOnWhenTheWriterIsOpenedAgain) {
  make_packs(8, 200);
  store::RepositoryFiles files(*env, repository, false);
  auto objects = store::ObjectStore::open(repository);
  ASSERT_TRUE(objects);
  {
    store::PackKeeper keeper(files, *objects);
    ASSERT_TRUE(keeper.open());
    ASSERT_TRUE(*keeper.step());
  }
  ASSERT_EQ(packs_on_disk(repository), 9U);
  reopen();
  EXPECT_EQ(packs_on_disk(repository), 9U);
  writer.reset();
  // Five minutes later, as the list has it.
  const auto listed = files.read_own("obsolete");
  ASSERT_TRUE(listed);
  std::istringstream lines(*listed);
  std::string sooner;
  std::string name;
  std::int64_t deadline = 0;
  while (lines >> name >> deadline) sooner += name + ' ' + std::to_string(deadline - 300) + '\n';
  ASSERT_TRUE(files.write_own("obsolete", sooner));
  reopen();  // nobody calls maintain() on a disk that is full
  EXPECT_EQ(packs_on_disk(repository), 1U);
  EXPECT_EQ(image_of_commit(repository, "main"), image_of(scenario.tree()));
  EXPECT_EQ(complaints(repository), "");
}

// To remove them the multi-pack-index was written anew, for which there was no room.
TEST_F(HistoryMaintainTest, Bug_SupersededPacksGoAlsoWhereNothingCanBeWritten) {
  make_packs(8, 200);
  FailingEnv failing(*env);
  store::RepositoryFiles files(failing, repository, false);
  auto objects = store::ObjectStore::open(repository);
  ASSERT_TRUE(objects);
  {
    store::PackKeeper keeper(files, *objects);
    ASSERT_TRUE(keeper.open());
    while (*keeper.step()) continue;
  }
  EXPECT_EQ(git_ok(repository, "multi-pack-index verify"), "");
  store::PackKeeper keeper(files, *objects);
  ASSERT_TRUE(keeper.open());
  const auto later = store::PackKeeper::Clock::now() + store::PackKeeper::kGrace;
  failing.be_full(true);
  EXPECT_FALSE(keeper.remove_due(later)) << "the list cannot be written";
  EXPECT_EQ(packs_on_disk(repository), 1U);
  EXPECT_EQ(complaints(repository), "");
  EXPECT_EQ(image_of_commit(repository, "main"), image_of(scenario.tree()));
  failing.be_full(false);
  while (*keeper.step(later + store::PackKeeper::kIndexPause)) continue;
  EXPECT_TRUE(std::filesystem::exists(pack_path("multi-pack-index")));
  EXPECT_EQ(git_ok(repository, "multi-pack-index verify"), "");
}

// The daemon died after the joined pack became visible and before it could note which it replaces.
TEST_F(HistoryMaintainTest, Bug_APackThatIsJoinedTwiceIsNamedOnce) {
  make_packs(8, 20'000);
  store::RepositoryFiles files(*env, repository, false);
  auto objects = store::ObjectStore::open(repository);
  ASSERT_TRUE(objects);
  {
    store::PackKeeper keeper(files, *objects);
    ASSERT_TRUE(keeper.open());
    ASSERT_TRUE(*keeper.step());
  }
  ASSERT_EQ(packs_on_disk(repository), 9U);
  ASSERT_TRUE(files.write_own("obsolete", ""));
  store::PackKeeper keeper(files, *objects);
  ASSERT_TRUE(keeper.open());
  while (*keeper.step()) continue;
  EXPECT_EQ(keeper.pack_count(), 1U);
  EXPECT_EQ(packs_on_disk(repository), 9U) << "it is the same pack";
  EXPECT_EQ(git_ok(repository, "multi-pack-index verify"), "");
  EXPECT_EQ(complaints(repository), "");
}

// They ended the writer every two seconds, for ever.
TEST_F(HistoryMaintainTest, Bug_AnIndexThatIsCutMissingOrOutOfOrderIsNamedAsTheCulprit) {
  make_packs(3, 200);
  const auto names = pack_names();
  ASSERT_EQ(names.size(), 3U);
  const std::string index = pack_path(names[1]) + ".idx";
  std::filesystem::permissions(index, std::filesystem::perms::owner_write,
                               std::filesystem::perm_options::add);
  store::RepositoryFiles files(*env, repository, false);
  auto objects = store::ObjectStore::open(repository);
  ASSERT_TRUE(objects);
  const auto expect_culprit = [&](const std::string& what) {
    std::string culprit;
    const auto done = store::write_multi_pack_index(files, objects->hasher(), names, culprit);
    ASSERT_FALSE(done) << what;
    EXPECT_EQ(done.error().kind, store::HistoryError::Kind::kDamaged) << what;
    EXPECT_EQ(culprit, names[1]) << what;
  };
  constexpr std::streamoff kIds = 8 + 4 * 256;
  std::string ids(40, '\0');
  std::fstream file(index, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(kIds).read(ids.data(), 40);
  file.seekp(kIds).write(ids.data() + 20, 20).write(ids.data(), 20);
  file.close();
  expect_culprit("two ids are swapped");
  std::filesystem::resize_file(index, std::filesystem::file_size(index) - 60);
  expect_culprit("the end is missing");
  std::filesystem::remove(index);
  expect_culprit("it is missing");
}

TEST_F(HistoryMaintainTest, Bug_APackWhoseFilesAreMissingIsReportedOnceAndLeftAlone) {
  make_packs(8, 200);
  const auto names = pack_names();
  store::RepositoryFiles files(*env, repository, false);
  auto objects = store::ObjectStore::open(repository);
  ASSERT_TRUE(objects);
  for (const char* suffix : {".idx", ".pack"}) {
    store::PackKeeper keeper(files, *objects);
    ASSERT_TRUE(keeper.open());
    const std::string path = pack_path(names[3]) + suffix;
    std::filesystem::rename(path, path + ".away");
    const auto step = keeper.step();
    ASSERT_FALSE(step) << suffix;
    EXPECT_EQ(step.error().kind, store::HistoryError::Kind::kDamaged) << suffix;
    const auto next = keeper.step();
    ASSERT_TRUE(next) << suffix;
    EXPECT_FALSE(*next) << suffix;
    store::PackKeeper again(files, *objects);
    EXPECT_TRUE(again.open()) << suffix;
    std::filesystem::rename(path + ".away", path);
  }
}

// An object that is no delta was appended in memory though nothing could be written any more.
TEST_F(HistoryMaintainTest, Bug_AMergeThatCannotWriteFailsAtOnce) {
  make_packs(1, 20'000);
  FailingEnv failing(*env);
  store::RepositoryFiles files(failing, repository, false);
  auto objects = store::ObjectStore::open(repository);
  ASSERT_TRUE(objects);
  const std::string name = pack_names().at(0);
  const auto pack = env->open_file(pack_path(name) + ".pack", false);
  const auto index = env->read_file(pack_path(name) + ".idx");
  ASSERT_TRUE(pack && index);
  failing.be_full(true);
  store::PackMerge merge(*objects, files.spool("merge", 1000));
  const auto done = merge.add(name, **pack, *index);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().kind, store::HistoryError::Kind::kIo);
}

}  // namespace
}  // namespace vxs::history_test
