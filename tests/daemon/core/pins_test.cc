// Design §4: what open transactions pin is freed at a steady pace, by ticks and never by requests.
#include <algorithm>

#include "tests/daemon/core/core_fixture.hh"

namespace vxs::test {
namespace {

daemon::ServerOptions with(transactions::PinLimits pins) {
  daemon::ServerOptions options;
  options.pins = pins;
  return options;
}

class FewBases : public CoreTest {
 protected:
  explicit FewBases(FakeJournal::Mode mode = FakeJournal::Mode::kImmediate)
      : CoreTest(mode, with({.bases = 4})) {}

  // Transactions of `others`, each on a version of its own, until there are too many of those.
  void start_on_many_versions(daemon::Connection& others) {
    for (int i = 0; i < 10; ++i) {
      begin(others, wire::kTransactionStart, zstrings({""}));
      server.end_of_pass();
      begin(others, wire::kWrite, zstrings({"/other"}) + std::to_string(i));
      server.end_of_pass();
    }
    (void)take(others);
  }
};

// Bug: the 65th base moved the oldest, within START: each cheap START made the daemon replay
// another guest's transaction of tens of thousands of requests, while all others waited.
TEST_F(FewBases, Bug_AStartDoesNotReplayTheTransactionsOfOthers) {
  auto& slow = connect();
  auto& others = connect();
  const auto id = start(slow);
  const Seq base = slow.branches.at(id)->base_seq();
  start_on_many_versions(others);
  EXPECT_EQ(slow.branches.at(id)->base_seq(), base);
  (void)server.tick();
  EXPECT_EQ(slow.branches.at(id)->base_seq(), head.seq());
}

class FewBasesOnDisk : public FewBases {
 protected:
  FewBasesOnDisk() : FewBases(FakeJournal::Mode::kOnFlush) {}
};

// The same, in every pass that made something safe.
TEST_F(FewBasesOnDisk, Bug_TheEndOfAPassDoesNotReplayTransactions) {
  auto& slow = connect();
  auto& others = connect();
  const auto id = start(slow);
  const Seq base = slow.branches.at(id)->base_seq();
  start_on_many_versions(others);
  EXPECT_EQ(slow.branches.at(id)->base_seq(), base);
  (void)server.tick();
  EXPECT_EQ(slow.branches.at(id)->base_seq(), head.seq());
}

class FewOperations : public CoreTest {
 protected:
  FewOperations()
      : CoreTest(FakeJournal::Mode::kImmediate, with({.age_us = 1000, .operations_per_step = 50})) {
  }
};

TEST_F(FewOperations, ATickReplaysNoMoreThanItsStep) {
  auto& client = connect();
  auto& writer = connect();
  std::vector<std::uint32_t> ids;
  for (int i = 0; i < 10; ++i) {
    ids.push_back(start(client));
    for (int k = 0; k < 24; ++k) (void)read(client, "/none", ids.back());
  }
  EXPECT_EQ(write(writer, "/a", "1"), "OK");
  clock.now_us += 1000;
  const auto moved = [&] {
    return std::count_if(ids.begin(), ids.end(),
                         [&](auto id) { return client.branches.at(id)->base_seq() == head.seq(); });
  };
  for (int ticks = 1; ticks <= 5; ++ticks) {
    EXPECT_FALSE(server.tick()) << "little is pinned: nothing is urgent";
    EXPECT_EQ(moved(), 2 * ticks);
  }
}

class LittlePinned : public CoreTest {
 protected:
  static constexpr std::size_t kLimit = 1U << 20;
  LittlePinned() : CoreTest(FakeJournal::Mode::kImmediate, with({.bytes = kLimit})) {}
};

// The bound: the limit, and what is written between two ticks (here 200 nodes of 50 siblings).
TEST_F(LittlePinned, Pins_Design4_TicksBoundWhatAThousandTransactionsPin) {
  constexpr int kNodes = 2000;
  constexpr int kBetweenTicks = 200;
  constexpr std::size_t kWrittenBetweenTicks = 256 * 1024;
  auto& writer = connect();
  auto& client = connect();
  const auto rewrite = [&](int node, char with) {
    const std::string path = "/d/" + std::to_string(node / 50) + "/" + std::to_string(node);
    ASSERT_EQ(write(writer, path, std::string(100, with)), "OK");
  };
  for (int i = 0; i < kNodes; ++i) rewrite(i, 'x');
  const std::size_t plain = stats.total_bytes;
  std::size_t most = 0;
  for (int round = 0; round < 100; ++round) {
    for (int i = 0; i < kNodes; ++i) {
      if (i % kBetweenTicks == 0) {
        EXPECT_EQ(read(client, "/d/1/60", start(client)).size(), 100U);
      }
      rewrite(i, static_cast<char>('a' + round % 26));
      most = std::max(most, head.pinned_bytes());
      if (i % kBetweenTicks == 0) (void)server.tick();
    }
  }
  EXPECT_EQ(server.branch_count(), 1000U);
  EXPECT_LE(most, kLimit + kWrittenBetweenTicks);
  EXPECT_LE(stats.total_bytes, plain + kLimit + kWrittenBetweenTicks);
  server.remove_connection(client);
  EXPECT_EQ(head.pinned_bytes(), 0U);
}

class MuchPinned : public CoreTest {
 protected:
  MuchPinned()
      : CoreTest(FakeJournal::Mode::kImmediate,
                 with({.bytes = 16 * 1024, .operations_per_step = 2})) {}
};

TEST_F(MuchPinned, TheMoreIsPinnedTheMoreATickFrees) {
  auto& writer = connect();
  auto& client = connect();
  for (int i = 0; i < 64; ++i) {
    (void)read(client, "/none", start(client));
    // Each base pins a value of its own.
    const std::string value(4000, static_cast<char>('a' + i % 26));
    ASSERT_EQ(write(writer, "/large", value), "OK");
  }
  const std::size_t before = head.pinned_bytes();
  EXPECT_GT(before, 63U * 4000);
  EXPECT_TRUE(server.tick());  // urgent still
  EXPECT_LT(head.pinned_bytes(), before - 10U * 4000);
  int more = 0;
  while (server.move_old_bases()) ASSERT_LT(++more, 30);
  EXPECT_LE(head.pinned_bytes(), 16U * 1024);
}

}  // namespace
}  // namespace vxs::test
