#include "store/journal/checkpoint.hh"

#include <gtest/gtest.h>

#include <random>

#include <cerrno>

#include "store/journal/checkpoint_format.hh"
#include "store/journal/crc32c.hh"
#include "tests/store/fault_env.hh"
#include "tests/store/journal/workload.hh"
#include "tests/store/state_changes.hh"

namespace vxs::store::test {
namespace {

const std::string kPath = std::string(kDirectory) + "/" + checkpoint_name(77);

CheckpointMeta meta_of(Seq seq) {
  return {.seq = seq,
          .time_us = -3,
          .boot_id = kBoot,
          .starts = 5,
          .last_connection = 1234,
          .clean_shutdown = true,
          .history = {.off = true, .seq = 70}};
}

void create(World& world, const std::string& path, std::string_view value, Seq seq) {
  Change change;
  change.kind = ChangeKind::kCreate;
  change.path = path;
  change.value = value;
  change.perms = make_perms(world.perms, static_cast<DomId>(seq % 5), static_cast<DomId>(seq % 3));
  ASSERT_TRUE(world.tree.apply(change, seq)) << path;
}

// Some of everything: wide, deep, long values, special nodes, removed and re-created children.
void fill(World& world) {
  Seq seq = 1;
  for (int i = 0; i < 700; ++i) create(world, "/wide-" + std::to_string(i), "v", ++seq);
  std::string deep = "/deep";
  create(world, deep, "", ++seq);
  for (int i = 0; i < 1000; ++i) create(world, deep += "/d", std::to_string(i), ++seq);
  create(world, "/wide-3/long", std::string(70000, 'L'), ++seq);
  create(world, "/wide-3/binary", std::string("\0\n\xff/", 4), ++seq);
  Change change;
  change.kind = ChangeKind::kRemove;
  change.path = "/wide-1";
  ASSERT_TRUE(world.tree.apply(change, ++seq));
  create(world, "/wide-1", "again, now last", ++seq);
  change.kind = ChangeKind::kSetPerms;
  change.path = "@introduceDomain";
  change.perms = make_perms(world.perms, 7, 8);
  ASSERT_TRUE(world.tree.apply(change, ++seq));
  change.path = "/";
  ASSERT_TRUE(world.tree.apply(change, ++seq));
}

TEST(Checkpoint, LoadsBackTheSameStateHash) {
  FaultEnv env;
  World world;
  fill(world);
  ASSERT_TRUE(write_checkpoint(env, kDirectory, meta_of(77), world.tree).has_value());
  World loaded;
  create(loaded, "/not-in-the-checkpoint", "x", 1);
  const auto meta = load_checkpoint(env, kPath, loaded.perms, loaded.tree);
  ASSERT_TRUE(meta.has_value()) << meta.error().message;
  EXPECT_EQ(loaded.tree.state_hash(), world.tree.state_hash());
  EXPECT_EQ(loaded.tree.node_count(), world.tree.node_count());
  EXPECT_EQ(meta->seq, 77U);
  EXPECT_EQ(meta->time_us, -3);
  EXPECT_EQ(meta->boot_id, kBoot);
  EXPECT_EQ(meta->starts, 5U);
  EXPECT_EQ(meta->last_connection, 1234U);
  EXPECT_TRUE(meta->clean_shutdown);
  EXPECT_EQ(meta->history, (HistoryMark{.off = true, .seq = 70}));
}

SystemState random_system(std::uint64_t seed, int changes) {
  std::mt19937_64 random(seed);
  SystemState system;
  OwnedStateChange made;
  for (int i = 0; i < changes; ++i) {
    make_fitting_change(random, system, made);
    EXPECT_TRUE(system.apply(made.change));
  }
  return system;
}

TEST(Checkpoint, LoadsBackTheStateBesideTheTree) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    FaultEnv env;
    const World world;
    const SystemState system = random_system(seed, 200);
    ASSERT_TRUE(write_checkpoint(env, kDirectory, meta_of(77), world.tree, system).has_value());
    World loaded;
    SystemState back = random_system(seed + 1000, 30);
    ASSERT_TRUE(load_checkpoint(env, kPath, loaded.perms, loaded.tree, back).has_value());
    ASSERT_EQ(back, system) << seed;
  }
}

TEST(Checkpoint, AFileWithoutTheSectionsIsAnEmptyState) {
  FaultEnv env;
  World world;
  ASSERT_TRUE(write_checkpoint(env, kDirectory, meta_of(77), world.tree).has_value());
  SystemState back = random_system(1, 50);
  ASSERT_NE(back, SystemState{});
  ASSERT_TRUE(load_checkpoint(env, kPath, world.perms, world.tree, back).has_value());
  EXPECT_EQ(back, SystemState{});
}

TEST(Checkpoint, DamageInTheStateBesideTheTreeLeavesBothAsTheyWere) {
  FaultEnv env;
  World world;
  const SystemState system = random_system(3, 60);
  ASSERT_TRUE(write_checkpoint(env, kDirectory, meta_of(77), world.tree, system).has_value());
  const std::string good = env.contents(kPath);
  const SystemState mine = random_system(4, 20);
  SystemState back = mine;
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    env.put_file(kPath, bad);
    ASSERT_FALSE(load_checkpoint(env, kPath, world.perms, world.tree, back).has_value()) << i;
    ASSERT_EQ(back, mine);
  }
}

TEST(Checkpoint, APreparedOneIsNoneUntilItIsPublishedAndNothingWhenDropped) {
  FaultEnv env;
  const World world;
  ASSERT_TRUE(write_checkpoint(env, kDirectory, meta_of(5), world.tree).has_value());
  ASSERT_TRUE(prepare_checkpoint(env, kDirectory, meta_of(77), world.tree, {}).has_value());
  EXPECT_FALSE(env.exists(kPath));
  drop_checkpoint(env, kDirectory, 77);
  EXPECT_EQ(env.names().size(), 1U) << "only the checkpoint before";
  ASSERT_TRUE(prepare_checkpoint(env, kDirectory, meta_of(77), world.tree, {}).has_value());
  ASSERT_TRUE(publish_checkpoint(env, kDirectory, 77).has_value());
  EXPECT_TRUE(env.exists(kPath));
  EXPECT_EQ(env.names().size(), 2U);
}

TEST(Checkpoint, AnEmptyTreeIsACheckpointToo) {
  FaultEnv env;
  World world;
  ASSERT_TRUE(write_checkpoint(env, kDirectory, meta_of(77), world.tree).has_value());
  World loaded;
  ASSERT_TRUE(load_checkpoint(env, kPath, loaded.perms, loaded.tree).has_value());
  EXPECT_EQ(loaded.tree.state_hash(), world.tree.state_hash());
}

TEST(Checkpoint, KeepsTheOneBeforeAndRemovesOlderOnes) {
  FaultEnv env;
  const World world;
  for (const Seq seq : {3U, 9U, 12U, 40U}) {
    ASSERT_TRUE(write_checkpoint(env, kDirectory, meta_of(seq), world.tree).has_value());
  }
  EXPECT_EQ(env.names(),
            (std::vector<std::string>{std::string(kDirectory) + "/" + checkpoint_name(12),
                                      std::string(kDirectory) + "/" + checkpoint_name(40)}));
}

TEST(Checkpoint, EveryDamagedOrMissingByteIsNoticedAndTheTreeStaysAsItWas) {
  FaultEnv env;
  World world;
  for (Seq i = 0; i < 20; ++i) create(world, "/n" + std::to_string(i), "value", i + 1);
  ASSERT_TRUE(write_checkpoint(env, kDirectory, meta_of(77), world.tree).has_value());
  const std::string good = env.contents(kPath);
  World loaded;
  create(loaded, "/mine", "x", 1);
  const std::uint64_t before = loaded.tree.state_hash();
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    env.put_file(kPath, bad);
    const auto flipped = load_checkpoint(env, kPath, loaded.perms, loaded.tree);
    ASSERT_FALSE(flipped.has_value()) << "byte " << i;
    EXPECT_EQ(flipped.error().kind, JournalError::Kind::kDamaged);
    env.put_file(kPath, good.substr(0, i));
    ASSERT_FALSE(load_checkpoint(env, kPath, loaded.perms, loaded.tree).has_value()) << i;
  }
  env.put_file(kPath, good + "x");
  ASSERT_FALSE(load_checkpoint(env, kPath, loaded.perms, loaded.tree).has_value());
  EXPECT_EQ(loaded.tree.state_hash(), before);
}

// Contents that no writer writes, under right checksums: a fuzzer's way in.
TEST(Checkpoint, RightChecksumsDoNotMakeNonsenseATree) {
  const auto build = [](std::string_view nodes) {
    std::string file = encode_checkpoint_header(meta_of(77));
    const auto seed = checkpoint_seed(file);
    std::string block(kBlockHeaderBytes, '\0');
    block.append(nodes);
    seal_block(block, Section::kNodes, 0, seed);
    file += block;
    std::string end(kBlockHeaderBytes, '\0');
    append_varint(end, 1);
    append_varint(end, 1);
    append_varint(end, 1);
    seal_block(end, Section::kEnd, 1, seed);
    return file + end;
  };
  using namespace std::string_view_literals;
  const auto root = "\0\0\0\0\1\0\0\0\5"sv;  // up, name, value, new list {0,n,0}, generation
  FaultEnv env;
  World loaded;
  const auto load = [&](const std::string& file) {
    env.put_file(kPath, file);
    return load_checkpoint(env, kPath, loaded.perms, loaded.tree).has_value();
  };
  EXPECT_TRUE(load(build(root)));
  EXPECT_FALSE(load(build("\0\0\0\5"sv))) << "a list that was never defined";
  EXPECT_FALSE(load(build("\1\0\0\0\1\0\0\0\5"sv))) << "up from the root";
  EXPECT_FALSE(load(build("\0\1x\0\0\1\0\0\0\5"sv))) << "the first node is not the root";
  EXPECT_FALSE(load(build("\0\0\0\0\0\5"sv))) << "an empty list";
  EXPECT_FALSE(load(build("\0\0\x7f"sv))) << "a value longer than the block";
  EXPECT_FALSE(load(build(""sv))) << "the counts at the end do not fit";
  const std::string twins = std::string(root) + std::string("\0\1a\0\1\5\1\1a\0\1\5", 12);
  EXPECT_FALSE(load(build(twins))) << "two children of one name";
}

TEST(Checkpoint, AnUnknownSectionIsSkippedOnlyIfItSaysSo) {
  FaultEnv env;
  World world;
  ASSERT_TRUE(write_checkpoint(env, kDirectory, meta_of(77), world.tree).has_value());
  const std::string good = env.contents(kPath);
  const auto seed = checkpoint_seed(good);
  for (const bool skip : {true, false}) {
    // The special nodes' block becomes section 99.
    std::string file = good;
    char* block = file.data() + kCheckpointHeaderBytes;
    const auto size = load_le<std::uint32_t>(block + 4);
    store_le<std::uint16_t>(block + 8, 99);
    store_le<std::uint16_t>(block + 10, skip ? kBlockMaySkip : 0);
    store_le(block, crc32c(seed, block + 4, kBlockHeaderBytes - 4 + size));
    env.put_file(kPath, file);
    World loaded;
    const auto meta = load_checkpoint(env, kPath, loaded.perms, loaded.tree);
    ASSERT_FALSE(meta.has_value());
    // Skipped, it takes the lists it defined with it, and the count at the end tells.
    EXPECT_EQ(meta.error().kind,
              skip ? JournalError::Kind::kDamaged : JournalError::Kind::kNewerVersion);
  }
}

TEST(Checkpoint, AFailureAtAnyStepLeavesTheOldCheckpointAndNoRubbish) {
  World world;
  fill(world);
  for (const int code : {ENOSPC, EIO}) {
    for (std::uint64_t nth = 1;; ++nth) {
      FaultEnv env(nth);
      ASSERT_TRUE(write_checkpoint(env, kDirectory, meta_of(5), world.tree).has_value());
      env.fail(kAnyChange, nth, code, false);
      const auto written = write_checkpoint(env, kDirectory, meta_of(77), world.tree);
      const bool struck = env.fault_struck();
      env.clear_faults();
      World loaded;
      const auto old = load_checkpoint(env, std::string(kDirectory) + "/" + checkpoint_name(5),
                                       loaded.perms, loaded.tree);
      EXPECT_TRUE(old.has_value());
      if (written) {
        EXPECT_TRUE(load_checkpoint(env, kPath, loaded.perms, loaded.tree).has_value());
      } else {
        EXPECT_EQ(written.error().code, code);
        for (const auto& name : env.names()) EXPECT_EQ(name.find(".tmp"), std::string::npos);
      }
      if (!struck) break;
      ASSERT_LT(nth, 100U);
    }
  }
}

TEST(Checkpoint, SurvivesAPowerCutOnceWritten) {
  World world;
  fill(world);
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    FaultEnv env(seed);
    ASSERT_TRUE(write_checkpoint(env, kDirectory, meta_of(77), world.tree).has_value());
    env.power_cut();
    World loaded;
    ASSERT_TRUE(load_checkpoint(env, kPath, loaded.perms, loaded.tree).has_value());
    EXPECT_EQ(loaded.tree.state_hash(), world.tree.state_hash());
  }
}

// The blocks' seed was the CRC of a header that ends in its own CRC: the same for every file.
TEST(Checkpoint, Bug_BlocksOfAnotherCheckpointAreRefused) {
  FaultEnv env;
  World world;
  fill(world);
  ASSERT_TRUE(write_checkpoint(env, kDirectory, meta_of(77), world.tree).has_value());
  ASSERT_TRUE(write_checkpoint(env, kDirectory, meta_of(78), world.tree).has_value());
  const auto mine = env.read_file(kPath);
  const auto other = env.read_file(std::string(kDirectory) + "/" + checkpoint_name(78));
  ASSERT_TRUE(mine && other);
  const std::string spliced =
      mine->substr(0, kCheckpointHeaderBytes) + other->substr(kCheckpointHeaderBytes);
  env.put_file(kPath, spliced);
  World loaded;
  EXPECT_FALSE(load_checkpoint(env, kPath, loaded.perms, loaded.tree).has_value());
}

}  // namespace
}  // namespace vxs::store::test
