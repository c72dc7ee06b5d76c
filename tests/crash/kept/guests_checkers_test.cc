// The soak's guests and their toolstack against a server that keeps every promise but one: they
// have to notice.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>
#include <string>

#include "tests/crash/kept/scripted_world.hh"

namespace vxs::test::kept {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kGuests = 8;

TEST(KeptGuestsAllow, NothingWrong) {
  for (const std::uint64_t seed : {1U, 2U}) {
    ScriptedWorld world(Fault::kNone, 3, true, seed, kGuests);
    ASSERT_EQ(world.run(milliseconds(3000)), "");
    Client::Counts sum;
    for (const auto& client : world.crowd().clients()) {
      if (!client->is_guest()) continue;
      const auto one = client->counts();
      sum.answers += one.answers;
      sum.events += one.events;
      sum.deaths += one.deaths;
      sum.tree.changes += one.tree.changes;
      sum.tree.continued += one.tree.continued;
      sum.pair.commits += one.pair.commits;
      sum.watches.survived += one.watches.survived;
    }
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

struct Broken {
  const char* name;
  Fault fault;
  std::uint64_t every;
  const char* says = "";  // a regular expression
};
std::ostream& operator<<(std::ostream& out, const Broken& broken) { return out << broken.name; }

class KeptGuestsSee : public testing::TestWithParam<Broken> {};

TEST_P(KeptGuestsSee, ABrokenPromise) {
  ScriptedWorld world(GetParam().fault, GetParam().every, true, 1, kGuests);
  const std::string violation = world.run(milliseconds(40'000));
  EXPECT_GT(world.server().broken(), 0U) << "no opportunity";
  ASSERT_NE(violation, "");
  EXPECT_THAT(violation, testing::ContainsRegex(GetParam().says));
  std::printf("%s: %s\n", GetParam().name, violation.substr(0, violation.find('\n')).c_str());
}

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
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace vxs::test::kept
