// Chapter D: which events come of which change.
#include "tests/conformance/fixture.hh"

namespace vxs::conformance {
namespace {

using namespace std::string_literals;
using testing::UnorderedElementsAre;

class WatchEvent : public Conformance {
 protected:
  /// Watches `path` with its own name as token.
  void listen(const std::string& path) { ASSERT_EQ(client_.watch(path, path), kOk); }

  Client client_ = connect();
};

TEST_F(WatchEvent, D1_MatchesThePathItselfAndWhatIsBelowIt) {
  listen(at("/a"));
  for (const char* path : {"/a", "/a/b", "/a/b/c"}) {
    ASSERT_EQ(client_.write(at() + path, "v"), kOk);
    EXPECT_THAT(client_.heard(), ElementsAre(at() + path));
  }
  for (const char* path : {"/ab", "/b", ""}) ASSERT_EQ(client_.write(at() + path, "v"), kOk);
  EXPECT_THAT(client_.heard(), IsEmpty());
}

TEST_F(WatchEvent, D1_TheRootMatchesEveryNode) {
  listen("/");
  ASSERT_EQ(client_.write(at("/a/b"), "v"), kOk);
  ASSERT_EQ(client_.write("/", ""), kOk);
  EXPECT_THAT(client_.heard(), ElementsAre(at("/a/b"), "/"));
}

TEST_F(WatchEvent, D2_DepthCountsTheLevelsBelow) {
  ASSERT_EQ(client_.watch(at("/w"), "0", "0"), kOk);
  ASSERT_EQ(client_.watch(at("/w"), "1", "1"), kOk);
  ASSERT_EQ(client_.watch(at("/w"), "2", "2"), kOk);
  const auto tokens = [&](const char* path) {
    EXPECT_EQ(client_.write(at("/w") + path, "v"), kOk);
    std::string heard;
    for (const auto& event : client_.drain()) heard += event.token;
    return heard;
  };
  EXPECT_EQ(tokens(""), "012");
  EXPECT_EQ(tokens("/a"), "12");
  EXPECT_EQ(tokens("/a/b"), "2");
  EXPECT_EQ(tokens("/a/b/c"), "");
}

TEST_F(WatchEvent, D2_DepthOneOnTheRootMeansItsChildren) {
  ASSERT_EQ(client_.watch("/", "t", "1"), kOk);
  ASSERT_EQ(client_.write(at("/below"), "v"), kOk);
  EXPECT_THAT(client_.heard(), IsEmpty());
  ASSERT_EQ(client_.write(at(), "v"), kOk);
  EXPECT_THAT(client_.heard(), ElementsAre(at()));
}

TEST_F(WatchEvent, D3_K3_RelativeWatchesHearRelativePathsWhoeverSpeaks) {
  ASSERT_EQ(client_.watch("dev", "t"), kOk);
  Client other = connect();
  ASSERT_EQ(other.write("/local/domain/0/dev/vif/0", "v"), kOk);
  ASSERT_EQ(other.write("dev/vif/1", "v"), kOk);
  EXPECT_THAT(client_.heard(), ElementsAre("dev/vif/0", "dev/vif/1"));
  ASSERT_EQ(other.rm("/local/domain/0"), kOk);
  EXPECT_THAT(client_.heard(), ElementsAre("dev"));
}

TEST_F(WatchEvent, D4_EachMatchingWatchHasItsEvent) {
  listen(at());
  listen(at("/a"));
  ASSERT_EQ(client_.watch(at("/a"), "second"), kOk);
  ASSERT_EQ(client_.write(at("/a"), "v"), kOk);
  EXPECT_THAT(client_.drain(),
              UnorderedElementsAre(Event{at("/a"), at()}, Event{at("/a"), at("/a")},
                                   Event{at("/a"), "second"}));
}

TEST_F(WatchEvent, D4_ValuePermissionsAndCreationFire) {
  listen(at("/n"));
  ASSERT_EQ(client_.mkdir(at("/n")), kOk);
  EXPECT_THAT(client_.heard(), ElementsAre(at("/n")));
  ASSERT_EQ(client_.set_perms(at("/n"), "n0"), kOk);
  EXPECT_THAT(client_.heard(), ElementsAre(at("/n")));
  ASSERT_EQ(client_.write(at("/n"), "v"), kOk);
  EXPECT_THAT(client_.heard(), ElementsAre(at("/n")));
  EXPECT_EQ(client_.read(at("/n")), "v");
  EXPECT_THAT(client_.heard(), IsEmpty());
}

TEST_F(WatchEvent, D5_RecursiveRemoveFiresOncePerAncestor) {
  ASSERT_EQ(client_.write(at("/a/b/c"), "v"), kOk);
  ASSERT_EQ(client_.write(at("/a/d"), "v"), kOk);
  listen(at());
  listen(at("/a"));
  ASSERT_EQ(client_.rm(at("/a")), kOk);
  EXPECT_THAT(client_.drain(),
              UnorderedElementsAre(Event{at("/a"), at()}, Event{at("/a"), at("/a")}));
}

TEST_F(WatchEvent, D5_NodesOfTheSubtreeFireTheirOwnWatchesChildrenFirst) {
  ASSERT_EQ(client_.write(at("/a/b/c"), "v"), kOk);
  for (const char* path : {"/a", "/a/b", "/a/b/c"}) listen(at() + path);
  ASSERT_EQ(client_.rm(at("/a")), kOk);
  EXPECT_THAT(client_.drain(),
              ElementsAre(Event{at("/a/b/c"), at("/a/b/c")}, Event{at("/a/b"), at("/a/b")},
                          Event{at("/a"), at("/a")}));
}

TEST_F(WatchEvent, D5_DepthIsNoMatterForExactMatches) {
  ASSERT_EQ(client_.write(at("/a/b"), "v"), kOk);
  ASSERT_EQ(client_.watch(at("/a/b"), "t", "0"), kOk);
  ASSERT_EQ(client_.rm(at("/a")), kOk);
  EXPECT_THAT(client_.heard(), ElementsAre(at("/a/b")));
}

TEST_F(WatchEvent, D6_L7_WhatDidNotExistDoesNotFire) {
  ASSERT_EQ(client_.write(at("/a/b"), "v"), kOk);
  listen(at("/a/b/never"));
  listen(at("/a/other"));
  ASSERT_EQ(client_.rm(at("/a")), kOk);
  EXPECT_THAT(client_.heard(), IsEmpty());
}

TEST_F(WatchEvent, D10_ConnectionsInOrderOfCreationThenRegistration) {
  // One socket of each side is enough to see the order within a connection.
  listen(at("/a/b"));
  listen(at());
  listen(at("/a"));
  ASSERT_EQ(client_.write(at("/a/b"), "v"), kOk);
  EXPECT_THAT(client_.drain(), ElementsAre(Event{at("/a/b"), at("/a/b")}, Event{at("/a/b"), at()},
                                           Event{at("/a/b"), at("/a")}));
}

TEST_F(WatchEvent, D11_ACommitFiresOncePerNodeInOrderOfFirstAccess) {
  listen(at());
  const std::uint32_t tx = client_.start();
  ASSERT_EQ(client_.write(at("/a"), "1", tx), kOk);
  ASSERT_EQ(client_.write(at("/b"), "1", tx), kOk);
  ASSERT_EQ(client_.write(at("/a"), "2", tx), kOk);
  EXPECT_THAT(client_.heard(), IsEmpty());
  ASSERT_EQ(client_.commit(tx), kOk);
  EXPECT_THAT(client_.heard(), ElementsAre(at("/a"), at("/b")));
}

TEST_F(WatchEvent, D11_ARemovalInATransactionFiresTheRootFirst) {
  ASSERT_EQ(client_.write(at("/a/b/c"), "v"), kOk);
  for (const char* path : {"/a/b/c", "/a/b", "/a"}) listen(at() + path);
  const std::uint32_t tx = client_.start();
  ASSERT_EQ(client_.rm(at("/a"), tx), kOk);
  ASSERT_EQ(client_.commit(tx), kOk);
  EXPECT_THAT(client_.drain(), ElementsAre(Event{at("/a"), at("/a")}, Event{at("/a/b"), at("/a/b")},
                                           Event{at("/a/b/c"), at("/a/b/c")}));
}

TEST_F(WatchEvent, D12_MkdirOfAnExistingNodeAndImplicitParentsAreSilent) {
  ASSERT_EQ(client_.mkdir(at("/there")), kOk);
  listen(at());
  const std::uint32_t tx = client_.start();
  ASSERT_EQ(client_.mkdir(at("/there"), tx), kOk);
  ASSERT_EQ(client_.write(at("/new/deep/leaf"), "v", tx), kOk);
  ASSERT_EQ(client_.commit(tx), kOk);
  EXPECT_EQ(client_.mkdir(at("/there")), kOk);
  EXPECT_THAT(client_.heard(), ElementsAre(at("/new/deep/leaf")));
}

TEST_F(WatchEvent, D13_CreatedAndRemovedInOneTransactionIsSilent) {
  ASSERT_EQ(client_.mkdir(at()), kOk);
  listen(at("/temporary"));
  const std::uint32_t tx = client_.start();
  ASSERT_EQ(client_.write(at("/temporary"), "v", tx), kOk);
  ASSERT_EQ(client_.rm(at("/temporary"), tx), kOk);
  ASSERT_EQ(client_.commit(tx), kOk);
  EXPECT_THAT(client_.heard(), IsEmpty());
}

TEST_F(WatchEvent, D13_RemovedAndCreatedAgainFiresBoth) {
  ASSERT_EQ(client_.write(at("/a/b"), "v"), kOk);
  listen(at());
  const std::uint32_t tx = client_.start();
  ASSERT_EQ(client_.rm(at("/a"), tx), kOk);
  ASSERT_EQ(client_.write(at("/a/b"), "w", tx), kOk);
  ASSERT_EQ(client_.commit(tx), kOk);
  EXPECT_THAT(client_.heard(), UnorderedElementsAre(at("/a"), at("/a/b")));
}

TEST_F(WatchEvent, D13_AbortAndConflictFireNothing) {
  ASSERT_EQ(client_.write(at("/a"), "0"), kOk);
  listen(at());
  const std::uint32_t aborted = client_.start();
  ASSERT_EQ(client_.write(at("/b"), "1", aborted), kOk);
  ASSERT_EQ(client_.abort(aborted), kOk);
  const std::uint32_t refused = client_.start();
  ASSERT_EQ(client_.read(at("/a"), refused), "0");
  ASSERT_EQ(client_.write(at("/b"), "1", refused), kOk);
  Client other = connect();
  ASSERT_EQ(other.write(at("/a"), "1"), kOk);
  ASSERT_EQ(client_.commit(refused), "!EAGAIN");
  EXPECT_THAT(client_.heard(), ElementsAre(at("/a")));
}

TEST_F(WatchEvent, D14_IdenticalQueuedEventsMergeAndTheLastIsNeverLost) {
  listen(at());
  Client other = connect();
  std::string writes;
  for (std::uint32_t i = 0; i < 2000; ++i) {
    writes += encode({kWrite, i, 0, zstrings({at()}) + std::to_string(i)});
  }
  other.send_bytes(writes);
  for (int i = 0; i < 2000; ++i) (void)other.reply();
  const auto heard = client_.heard();
  EXPECT_GE(heard.size(), 1U);
  EXPECT_LE(heard.size(), 2000U);
  EXPECT_EQ(client_.read(at()), "1999");
  ASSERT_EQ(other.write(at(), "once more"), kOk);
  EXPECT_EQ(client_.heard().size(), 1U);
}

TEST_F(WatchEvent, D14_DifferentTokensAndPathsDoNotMerge) {
  for (int i = 0; i < 20; ++i) ASSERT_EQ(client_.watch(at(), std::to_string(i)), kOk);
  std::string writes;
  for (std::uint32_t i = 0; i < 10; ++i) {
    writes += encode({kWrite, i, 0, zstrings({at("/") + std::to_string(i)}) + "v"});
  }
  client_.send_bytes(writes);
  for (int i = 0; i < 10; ++i) (void)client_.reply();
  EXPECT_EQ(client_.drain().size(), 200U);
}

TEST_F(WatchEvent, D15_D16_PrivilegedWatchersAreNotExpired) {
  listen(at());
  Client other = connect();
  ASSERT_EQ(other.write(at(), "v"), kOk);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_THAT(client_.heard(), ElementsAre(at()));
}

TEST_F(WatchEvent, D17_NothingFiresForRefusedDomainRequests) {
  listen("@introduceDomain");
  listen("@releaseDomain");
  EXPECT_EQ(client_.ask(kIntroduce, {"5", "1", "1"}), "!EINVAL");
  EXPECT_EQ(client_.ask(kRelease, {"5"}), "!ENOENT");
  EXPECT_THAT(client_.heard(), IsEmpty());
}

TEST_F(WatchEvent, D18_K10_SpecialWatchesHaveTheirInitialEvent) {
  for (const char* path : {"@introduceDomain", "@releaseDomain", "@releaseDomain/5"}) {
    EXPECT_EQ(client_.ask(kWatch, {path, "domlist"}), kOk);
    EXPECT_THAT(client_.drain(), ElementsAre(Event{path, "domlist"}));
  }
  EXPECT_EQ(client_.ask(kWatch, {"@releaseDomain", "depth", "1"}), kOk);
  EXPECT_THAT(client_.drain(), ElementsAre(Event{"@releaseDomain", "depth"}));
}

TEST_F(WatchEvent, D20_WatchesDoNotSurviveARestart) {
  VxenstoredProcess other({.parent_dir = "/dev/shm"});
  Client before(other.socket_path());
  ASSERT_EQ(before.watch("/a", "t"), kOk);
  other.restart();
  Client after(other.socket_path());
  EXPECT_EQ(status(after, "watches"), "0");
  EXPECT_EQ(after.write("/a", "v"), kOk);
  EXPECT_THAT(after.heard(), IsEmpty());
}

}  // namespace
}  // namespace vxs::conformance
