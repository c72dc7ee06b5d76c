#include "daemon/app/checkpointer.hh"

#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "tests/store/fault_env.hh"
#include "tests/store/journal/workload.hh"

namespace {
thread_local std::size_t freed = 0;  // blocks, by this thread
thread_local bool has_memory = false;
std::atomic<int> others_get = -1;  // blocks, before there is no memory for one; -1: there is
}  // namespace

void* operator new(std::size_t size) {
  if (!has_memory && others_get.load() >= 0 && others_get.fetch_sub(1) == 0) throw std::bad_alloc();
  if (void* p = std::malloc(size)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept {
  ++freed;
  std::free(p);
}
void operator delete(void* p, std::size_t) noexcept { operator delete(p); }

namespace vxs::daemon {
namespace {

using store::test::FaultEnv;
using store::test::kDirectory;
using store::test::World;

class CheckpointerTest : public ::testing::Test {
 protected:
  CheckpointerTest()
      : checkpointer(env, kDirectory,
                     {.post =
                          [this](auto task) {
                            const std::lock_guard lock(mutex);
                            tasks.push_back(std::move(task));
                            posted.notify_all();
                          },
                      .done = [this](Seq, const auto& r) { result = r; },
                      .capture = [this] { return system; },
                      .begin_capture = [this] { begun = system; },
                      .capture_piece = [this]() -> std::optional<store::SystemState> {
                        if (--pieces > 0) return std::nullopt;
                        return *std::exchange(begun, std::nullopt);
                      },
                      .cancel_capture = [this] { begun.reset(); },
                      .now_us = [this] { return now_us; }}) {
    EXPECT_TRUE(system.apply(store::DomainKnown{7, 1, {}, 5}));
  }

  void start(Seq seq) {
    checkpointer.start(store::CheckpointMeta{.seq = seq, .boot_id = "b"}, world.tree);
    while (checkpointer.gathering()) checkpointer.go_on();
  }
  bool wait_posted(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex);
    return posted.wait_for(lock, patience, [this] { return !tasks.empty(); });
  }
  void wait_done() {
    ASSERT_TRUE(wait_posted(std::chrono::seconds(10)));
    for (const auto& task : tasks) task();
    tasks.clear();
    ASSERT_TRUE(result.has_value());
    EXPECT_FALSE(checkpointer.busy());
  }
  static std::string path(Seq seq) {
    std::string name(kDirectory);  // appended to, since g++ 12 sees phantoms in a sum under TSan
    name.append("/checkpoint-").append(18, '0').append(std::to_string(seq));
    return name;
  }

  FaultEnv env;
  World world;
  store::SystemState system;
  std::optional<store::SystemState> begun;
  int pieces = 1;  // of the next capture
  std::int64_t now_us = 1'000'000;
  std::mutex mutex;
  std::condition_variable posted;
  std::vector<std::function<void()>> tasks;
  std::optional<store::IoResult<void>> result;
  Checkpointer checkpointer;
};

TEST_F(CheckpointerTest, ACheckpointCountsOnlyOnceItsSeqIsSafe) {
  start(42);
  checkpointer.progressed(41);
  EXPECT_FALSE(wait_posted(std::chrono::milliseconds(100)));
  EXPECT_FALSE(env.exists(path(42)));
  system = {};  // what was captured counts, not what came later
  checkpointer.progressed(42);
  wait_done();
  EXPECT_TRUE(result->has_value());
  store::SystemState loaded;
  ASSERT_TRUE(store::load_checkpoint(env, path(42), world.perms, world.tree, loaded).has_value());
  EXPECT_TRUE(loaded.domains.contains(7));
}

TEST_F(CheckpointerTest, OneThatWasRolledBackIsDroppedEvenIfItsSeqIsReachedAgain) {
  start(42);
  checkpointer.rolled_back();
  checkpointer.progressed(50);
  wait_done();
  ASSERT_FALSE(result->has_value());
  EXPECT_EQ(result->error().code, ECANCELED);
  EXPECT_TRUE(env.names().empty());
}

TEST_F(CheckpointerTest, TheStateIsThatOfItsBeginningThoughItComesInPieces) {
  pieces = 3;
  checkpointer.start(store::CheckpointMeta{.seq = 42, .boot_id = "b"}, world.tree);
  for (int piece = 0; piece < 3; ++piece) {
    EXPECT_TRUE(checkpointer.gathering()) << piece;
    EXPECT_TRUE(checkpointer.busy());
    system = {};
    checkpointer.progressed(42);
    checkpointer.go_on();
  }
  EXPECT_FALSE(checkpointer.gathering());
  wait_done();
  store::SystemState loaded;
  ASSERT_TRUE(store::load_checkpoint(env, path(42), world.perms, world.tree, loaded).has_value());
  EXPECT_TRUE(loaded.domains.contains(7));
}

TEST_F(CheckpointerTest, ARollbackBetweenThePiecesGivesItUp) {
  pieces = 3;
  checkpointer.start(store::CheckpointMeta{.seq = 42, .boot_id = "b"}, world.tree);
  checkpointer.go_on();
  checkpointer.rolled_back();
  checkpointer.progressed(50);
  checkpointer.go_on();
  EXPECT_FALSE(checkpointer.gathering());
  EXPECT_FALSE(checkpointer.busy());
  EXPECT_FALSE(begun.has_value());
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->error().code, ECANCELED);
  EXPECT_TRUE(env.names().empty());
  pieces = 1;
  start(43);
  checkpointer.progressed(43);
  wait_done();
  EXPECT_TRUE(result->has_value());
}

TEST_F(CheckpointerTest, TheLastOneDoesNotWaitForPieces) {
  pieces = 3;
  checkpointer.start(store::CheckpointMeta{.seq = 42, .boot_id = "b"}, world.tree);
  checkpointer.go_on();
  ASSERT_TRUE(checkpointer.write_now(store::CheckpointMeta{.seq = 43, .boot_id = "b"}, world.tree));
  EXPECT_FALSE(checkpointer.gathering());
  EXPECT_FALSE(begun.has_value());
  EXPECT_EQ(env.names(), std::vector<std::string>{path(43)});
}

TEST_F(CheckpointerTest, ARollbackAfterItsSeqWasSafeDoesNotTouchIt) {
  start(42);
  checkpointer.progressed(42);
  checkpointer.rolled_back();
  wait_done();
  EXPECT_TRUE(result->has_value());
  EXPECT_TRUE(env.exists(path(42)));
}

TEST_F(CheckpointerTest, TheLastOneDoesNotWaitForOneThatNeverBecameSafe) {
  start(42);
  ASSERT_TRUE(checkpointer.write_now(store::CheckpointMeta{.seq = 43, .boot_id = "b"}, world.tree));
  EXPECT_EQ(env.names(), std::vector<std::string>{path(43)});
}

// A full disk cost a capture, a thread and a line in the log every 250 ms.
TEST_F(CheckpointerTest, Bug_AfterAFailureItRests) {
  EXPECT_FALSE(checkpointer.resting());
  env.fail(store::test::kAnyChange, 1, ENOSPC, true);
  start(42);
  checkpointer.progressed(42);
  wait_done();
  ASSERT_FALSE(result->has_value());
  now_us += Checkpointer::kRestUs - 1;
  EXPECT_TRUE(checkpointer.resting());
  ++now_us;
  EXPECT_FALSE(checkpointer.resting());
  env.clear_faults();
  start(43);
  checkpointer.progressed(43);
  wait_done();
  EXPECT_TRUE(result->has_value());
  EXPECT_FALSE(checkpointer.resting());
  start(44);
  checkpointer.rolled_back();
  wait_done();
  EXPECT_FALSE(checkpointer.resting()) << "a rollback says nothing about the next one";
}

// std::system_error on the event loop, where nobody catches it.
TEST_F(CheckpointerTest, Bug_WithoutAThreadItFailsLikeOneThatCannotBeWritten) {
  pthread_attr_t usual;
  ASSERT_EQ(pthread_getattr_default_np(&usual), 0);
  pthread_attr_t impossible;
  ASSERT_EQ(pthread_attr_init(&impossible), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&impossible, std::size_t{1} << 46), 0);
  ASSERT_EQ(pthread_setattr_default_np(&impossible), 0);
  start(42);
  ASSERT_EQ(pthread_setattr_default_np(&usual), 0);
  (void)pthread_attr_destroy(&impossible);
  (void)pthread_attr_destroy(&usual);
  ASSERT_TRUE(result.has_value());
  ASSERT_FALSE(result->has_value());
  EXPECT_EQ(result->error().code, EAGAIN);
  EXPECT_FALSE(checkpointer.busy());
  EXPECT_TRUE(checkpointer.resting());
  result.reset();
  start(43);
  checkpointer.progressed(43);
  wait_done();
  EXPECT_TRUE(result->has_value());
}

// std::bad_alloc on the thread ended the daemon, and the next one, which looks for a checkpoint
// that is due at its start, as well.
TEST_F(CheckpointerTest, Bug_WithoutMemoryItFailsLikeOneThatCannotBeWritten) {
  tasks.reserve(10);  // the loop's
  has_memory = true;
  int failed = 0;
  for (int blocks = 0; blocks < 1'000'000; blocks += 1 + blocks / 8) {
    const Seq seq = 10 + static_cast<Seq>(blocks);
    result.reset();
    others_get = blocks;
    start(seq);
    checkpointer.progressed(seq);
    wait_done();
    others_get = -1;
    if (result->has_value()) break;
    ++failed;
    EXPECT_EQ(result->error().code, ENOMEM);
    EXPECT_TRUE(checkpointer.resting());
    for (const auto& name : env.names()) EXPECT_EQ(name.find(".tmp"), std::string::npos) << name;
  }
  has_memory = false;
  EXPECT_GT(failed, 5);
  EXPECT_TRUE(result->has_value()) << "with all it wants";
}

// A million map nodes were freed on the event loop.
TEST_F(CheckpointerTest, Bug_WhatWasCapturedIsFreedByTheThread) {
  for (int i = 0; i < 1000; ++i) {
    const std::string path = "/a/" + std::to_string(i);
    ASSERT_TRUE(system.apply(store::WatchAdded{.connection = 5, .path = path, .token = "t"}));
  }
  start(42);
  checkpointer.progressed(42);
  ASSERT_TRUE(wait_posted(std::chrono::seconds(10)));
  freed = 0;
  wait_done();
  EXPECT_LT(freed, 100U);
}

}  // namespace
}  // namespace vxs::daemon
