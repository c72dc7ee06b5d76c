#include "store/journal/inspect.hh"

#include <gtest/gtest.h>

#include "store/journal/format.hh"
#include "tests/store/fault_env.hh"
#include "tests/store/journal/workload.hh"

namespace vxs::store::test {
namespace {

TEST(Inspect, AnEmptyOrMissingDirectoryHasNothingToSay) {
  FaultEnv env;
  const auto found = fsck_journal(env, kDirectory);
  ASSERT_TRUE(found.has_value());
  EXPECT_TRUE(found->segments.empty());
  EXPECT_TRUE(found->findings.empty());
  EXPECT_EQ(found->last_seq, 0U);
}

TEST(Inspect, ListsSegmentsAndCheckpointsOfARunningDaemon) {
  for (const bool mapped : {true, false}) {
    FaultEnv env;
    env.set_memory_file_system(mapped);
    Workload w(env, small_options(Durability::kProcess), 1);
    ASSERT_TRUE(w.open());
    for (int i = 0; i < 300; ++i) {
      ASSERT_TRUE(w.commit());
      if (i == 100) {
        ASSERT_TRUE(w.checkpoint());
      }
    }
    ASSERT_TRUE(w.wait_safe());
    const auto before = env.operations();
    const auto found = fsck_journal(env, kDirectory, kBoot);
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(env.operations(), before) << "it changes nothing";
    for (const Finding& finding : found->findings) ADD_FAILURE() << finding.text;
    EXPECT_EQ(found->first_seq, 1U);
    EXPECT_EQ(found->last_seq, 300U);
    ASSERT_EQ(found->checkpoints.size(), 1U);
    EXPECT_TRUE(found->checkpoints[0].good);
    EXPECT_EQ(found->checkpoints[0].meta.seq, 101U);
    std::uint64_t records = 0;
    std::uint64_t state_records = 0;
    for (const SegmentInfo& segment : found->segments) {
      if (segment.unused) continue;  // made ahead; it says nothing of itself yet
      records += segment.records;
      state_records += segment.state_records;
      EXPECT_EQ(segment.mapped, mapped);
      EXPECT_EQ(segment.boot_id, kBoot);
      EXPECT_EQ(segment.incarnation, 1U);
    }
    EXPECT_EQ(records, 300U);
    EXPECT_GT(state_records, 20U);
    ASSERT_TRUE(found->system.has_value());
    std::uint64_t rings = 0;
    std::uint64_t watches = 0;
    for (const auto& [domid, domain] : w.system.domains) rings += domain.introduced ? 1 : 0;
    for (const auto& [id, one] : w.system.connections) watches += one.watches.size();
    EXPECT_EQ(found->system->domains, w.system.domains.size());
    EXPECT_EQ(found->system->rings, rings);
    EXPECT_EQ(found->system->watches, watches);
    EXPECT_GE(found->bytes, w.journal->bytes());
    const auto listed = list_journal(env, kDirectory);
    ASSERT_TRUE(listed.has_value());
    EXPECT_EQ(listed->segments.size(), found->segments.size());
    EXPECT_EQ(listed->bytes, found->bytes);
    EXPECT_EQ(listed->first_seq, 1U);
  }
}

TEST(Inspect, NamesDamageMissingSegmentsAndBadCheckpoints) {
  FaultEnv env;
  env.set_memory_file_system(true);
  Workload w(env, small_options(Durability::kProcess), 2);
  ASSERT_TRUE(w.open());
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(w.commit());
  }
  env.freeze();
  w.drop();
  env.thaw();
  const auto clean = fsck_journal(env, kDirectory, kBoot);
  ASSERT_TRUE(clean.has_value());
  EXPECT_FALSE(clean->has_errors());
  ASSERT_GT(clean->segments.size(), 2U);

  const std::string second = clean->segments[1].path;
  const std::string good = env.contents(second);
  env.damage(second, kSegmentHeaderBytes + 200);
  auto found = fsck_journal(env, kDirectory, kBoot);
  ASSERT_TRUE(found->has_errors());
  EXPECT_NE(found->findings[0].text.find(second), std::string::npos) << found->findings[0].text;

  ASSERT_TRUE(env.remove_file(second));
  found = fsck_journal(env, kDirectory, kBoot);
  ASSERT_TRUE(found->has_errors());

  env.put_file(second, good);
  env.damage(second, 30);
  found = fsck_journal(env, kDirectory, kBoot);
  ASSERT_TRUE(found->has_errors());
  EXPECT_NE(found->findings[0].text.find("header is damaged"), std::string::npos);

  env.put_file(second, good);
  env.put_file(std::string(kDirectory) + "/" + checkpoint_name(9), "rubbish");
  env.put_file(std::string(kDirectory) + "/" + checkpoint_name(10) + ".tmp", "rubbish");
  found = fsck_journal(env, kDirectory, kBoot);
  EXPECT_FALSE(found->has_errors());
  ASSERT_EQ(found->findings.size(), 2U);
  EXPECT_EQ(found->findings[0].severity, Finding::Severity::kWarning);
  EXPECT_EQ(found->findings[1].severity, Finding::Severity::kNote);
}

}  // namespace
}  // namespace vxs::store::test
