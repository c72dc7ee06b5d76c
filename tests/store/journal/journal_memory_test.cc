// An append allocates nothing once warm, and a tail neither.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "store/journal/tail.hh"
#include "tests/store/fault_env.hh"
#include "tests/store/journal/workload.hh"

namespace {
std::atomic<std::size_t> allocations{0};
}

void* operator new(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* p = std::malloc(size)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }

namespace vxs::store::test {
namespace {

TEST(JournalMemory, AnAppendAndItsTailAllocateNothingInSteadyState) {
  FaultEnv env;
  env.set_memory_file_system(true);
  JournalOptions options = small_options(Durability::kProcess);
  options.segment_bytes = 1U << 20;
  World world;
  RecoveryReport report;
  auto journal = open_journal(env, options, world.perms, world.tree, report, [] {});
  ASSERT_TRUE(journal.has_value());
  Change changes[2];
  changes[0].path = "/local/domain/1/name";
  changes[0].value = "01234567890123456789";
  changes[1].kind = ChangeKind::kSetPerms;
  changes[1].path = "/local/domain/1/name";
  changes[1].perms = make_perms(world.perms, 1, 2);
  const auto append = [&](Seq seq) {
    return (*journal)
        ->append(CommitRecord{.seq = seq, .kind = CommitKind::kSingle, .changes = changes})
        .has_value();
  };
  World other;
  const PermRef kept = make_perms(other.perms, 1, 2);  // interned: the tail finds it there
  const auto tail = open_tail(env, **journal, other.perms, 1);
  const std::function<void(const Record&)> visit = [](const Record&) {};
  for (Seq seq = 1; seq <= 10; ++seq) {
    ASSERT_TRUE(append(seq));
    ASSERT_EQ(tail->next(visit), JournalTail::Next::kRecord);
  }
  const std::size_t before = allocations.load();
  bool good = true;
  for (Seq seq = 11; seq <= 1000; ++seq) {
    good = good && append(seq);
    good = good && tail->next(visit) == JournalTail::Next::kRecord;
  }
  EXPECT_EQ(allocations.load() - before, 0U);
  EXPECT_TRUE(good);
}

}  // namespace
}  // namespace vxs::store::test
