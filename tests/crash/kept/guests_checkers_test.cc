// The soak's guests and their toolstack against a server that keeps every promise but one: they
// have to notice.
#include <gtest/gtest.h>

#include "tests/crash/kept/broken.hh"

namespace vxs::test::kept {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kGuests = 8;

TEST(KeptGuestsAllow, NothingWrong) {
  for (const std::uint64_t seed : {1U, 2U}) {
    ScriptedWorld world(Fault::kNone, 3, true, seed, kGuests);
    ASSERT_EQ(world.run(milliseconds(3000)), "");
    const Client::Counts sum = world.crowd().guest_counts();
    // Nothing of this was left out.
    EXPECT_GT(sum.answers, 500U);
    EXPECT_GT(sum.events, 20U);
    EXPECT_GT(sum.deaths, 3U);
    EXPECT_GT(sum.tree.changes, 50U);
    EXPECT_GT(sum.tree.continued, 0U);
    EXPECT_GT(sum.pair.commits, 0U);
    EXPECT_GT(sum.watches.survived, 0U);
    const Toolstack::Counts& counts = world.toolstack().counts();
    EXPECT_GT(counts.lives, kGuests);
    EXPECT_GT(counts.reused, 0U);
    EXPECT_GT(counts.destroyed, 0U);
    EXPECT_GT(counts.released + counts.shut_down, 0U);
    EXPECT_GT(counts.reconnected, 0U);
    EXPECT_GT(counts.reintroduced, 0U);
  }
}

class KeptGuestsSee : public testing::TestWithParam<Broken> {};

TEST_P(KeptGuestsSee, ABrokenPromise) { expect_seen(GetParam(), 1, kGuests); }

INSTANTIATE_TEST_SUITE_P(
    All, KeptGuestsSee,
    testing::Values(Broken{"NoSignal", Fault::kNoSignal, 100,
                           "no answer for|first event|never of change|no event of it"},
                    Broken{"FrozenRing", Fault::kFreezeRing, 500, "frozen with error 2"},
                    Broken{"ImpossibleIndices", Fault::kBadIndices, 500, "impossible indices"},
                    Broken{"NodesOfADeadDomain", Fault::kKeepNodes, 2, "nodes of a dead domain"},
                    Broken{"DeathNotSeen", Fault::kKeepDomain, 1,
                           "dead and still introduced|still mapped"},
                    Broken{"PageStillMapped", Fault::kKeepPage, 1, "still mapped"},
                    Broken{"NoIntroduceEvent", Fault::kNoIntroduceEvent, 3, "no @introduceDomain"},
                    Broken{"NoReleaseEvent", Fault::kNoReleaseEvent, 3, "no @releaseDomain"},
                    Broken{"ReconnectIgnored", Fault::kIgnoreReconnect, 1, "A20"},
                    Broken{"WatchesOfTheStreamBefore", Fault::kKeepWatches, 1, "never set"},
                    Broken{"BytesOfTheStreamBefore", Fault::kKeepInput, 1},
                    Broken{"ForgottenWatches", Fault::kForgetWatches, 3},
                    Broken{"ForgottenTransactions", Fault::kForgetTransactions, 3, "ENOENT"}),
    name_of);

}  // namespace
}  // namespace vxs::test::kept
