// Which watches a path concerns, rule by rule.
#include "daemon/watch/watch_index.hh"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace vxs::daemon {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class WatchIndexTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::vector<std::uint64_t> matches(std::string_view path) const {
    std::vector<std::uint64_t> ids;
    index_.match(path, [&ids](std::uint64_t id) { ids.push_back(id); });
    return ids;
  }
  [[nodiscard]] std::vector<std::uint64_t> exact(std::string_view path) const {
    std::vector<std::uint64_t> ids;
    index_.match_exact(path, [&ids](std::uint64_t id) { ids.push_back(id); });
    return ids;
  }
  [[nodiscard]] std::vector<std::string> below(std::string_view path, bool children_first) const {
    std::vector<std::string> found;
    index_.match_subtree_exact(path, children_first,
                               [&found](std::uint64_t id, std::string_view watched) {
                                 found.push_back(std::to_string(id) + std::string(watched));
                               });
    return found;
  }

  BasicWatchIndex<std::uint64_t> index_;
};

TEST_F(WatchIndexTest, D1_MatchesTheWatchedPathAndAllBelowAtComponentBoundaries) {
  index_.add("/a/b", {}, 1);
  EXPECT_THAT(matches("/a/b"), ElementsAre(1));
  EXPECT_THAT(matches("/a/b/c/d"), ElementsAre(1));
  EXPECT_THAT(matches("/a"), IsEmpty());
  EXPECT_THAT(matches("/"), IsEmpty());
  EXPECT_THAT(matches("/a/bc"), IsEmpty());
  EXPECT_THAT(matches("/a/c"), IsEmpty());
  EXPECT_THAT(matches("/x/a/b"), IsEmpty());
  EXPECT_THAT(matches(""), IsEmpty());
}

TEST_F(WatchIndexTest, D1_TheRootMatchesEveryAbsolutePathAndNoSpecialOne) {
  index_.add("/", {}, 1);
  EXPECT_THAT(matches("/"), ElementsAre(1));
  EXPECT_THAT(matches("/a/b/c"), ElementsAre(1));
  EXPECT_THAT(matches("@releaseDomain"), IsEmpty());
}

TEST_F(WatchIndexTest, D2_DepthCountsTheLevelsBelowThatStillMatch) {
  index_.add("/a", 0, 1);
  index_.add("/a", 1, 2);
  index_.add("/a", 2, 3);
  index_.add("/a", {}, 4);
  index_.add("/a", ~std::uint32_t{0}, 5);
  EXPECT_THAT(matches("/a"), UnorderedElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(matches("/a/b"), UnorderedElementsAre(2, 3, 4, 5));
  EXPECT_THAT(matches("/a/b/c"), UnorderedElementsAre(3, 4, 5));
  EXPECT_THAT(matches("/a/b/c/d"), UnorderedElementsAre(4, 5));
}

TEST_F(WatchIndexTest, D2_DepthOneOnTheRootMatchesItsChildrenOnly) {
  index_.add("/", 1, 1);
  index_.add("/", 0, 2);
  EXPECT_THAT(matches("/"), UnorderedElementsAre(1, 2));
  EXPECT_THAT(matches("/a"), ElementsAre(1));
  EXPECT_THAT(matches("/a/b"), IsEmpty());
}

TEST_F(WatchIndexTest, ExactMatchesLeaveOutTheWatchesAbove) {
  index_.add("/a", {}, 1);
  index_.add("/a/b", 0, 2);
  EXPECT_THAT(exact("/a/b"), ElementsAre(2));
  EXPECT_THAT(exact("/a"), ElementsAre(1));
  EXPECT_THAT(exact("/a/b/c"), IsEmpty());
  EXPECT_THAT(exact("/"), IsEmpty());
}

TEST_F(WatchIndexTest, D5_SubtreeMeetsWatchesStrictlyBelowWhateverTheirDepth) {
  index_.add("/", {}, 1);
  index_.add("/a", {}, 2);
  index_.add("/a/b", 0, 3);
  index_.add("/a/b/c", 5, 4);
  index_.add("/a/bb", {}, 5);
  index_.add("/ab", {}, 6);
  EXPECT_THAT(below("/a", true), ElementsAre("4/a/b/c", "3/a/b", "5/a/bb"));
  EXPECT_THAT(below("/a/b", true), ElementsAre("4/a/b/c"));
  EXPECT_THAT(below("/a/b/c", true), IsEmpty());
  EXPECT_THAT(below("/a/x", true), IsEmpty());
  EXPECT_THAT(below("/", true), ElementsAre("4/a/b/c", "3/a/b", "5/a/bb", "2/a", "6/ab"));
}

TEST_F(WatchIndexTest, D11_SubtreeOfATransactionMeetsParentsFirst) {
  for (const auto& [path, id] :
       {std::pair{"/a/b/c", 1}, {"/a/b", 2}, {"/a/z/y/x", 3}, {"/a/b-", 4}}) {
    index_.add(path, {}, static_cast<std::uint64_t>(id));
  }
  EXPECT_THAT(below("/a", false), ElementsAre("2/a/b", "1/a/b/c", "4/a/b-", "3/a/z/y/x"));
  EXPECT_THAT(below("/a", true), ElementsAre("1/a/b/c", "2/a/b", "4/a/b-", "3/a/z/y/x"));
}

TEST_F(WatchIndexTest, D5_SubtreeOfAPathWithinAnEdgeOfTheTrie) {
  index_.add("/a/b/c/d", {}, 1);
  EXPECT_THAT(below("/a", true), ElementsAre("1/a/b/c/d"));
  EXPECT_THAT(below("/a/b/c", true), ElementsAre("1/a/b/c/d"));
  EXPECT_THAT(below("/a/b/c/d", true), IsEmpty());
  EXPECT_THAT(below("/a/b/cc", true), IsEmpty());
  EXPECT_THAT(below("/a/b/", true), IsEmpty());
}

TEST_F(WatchIndexTest, D5_SubtreeOrderDoesNotDependOnTheOrderOfRegistration) {
  std::vector<std::string> paths{"/d/1", "/d/1/a", "/d/10", "/d/2/x/y", "/d/2", "/d/0"};
  const auto found = [&paths] {
    BasicWatchIndex<std::uint64_t> index;
    for (const std::string& path : paths) index.add(path, {}, 7);
    std::vector<std::string> order;
    index.match_subtree_exact("/", true, [&order](std::uint64_t, std::string_view watched) {
      order.emplace_back(watched);
    });
    return order;
  };
  const std::vector<std::string> first = found();
  EXPECT_THAT(first, ElementsAre("/d/0", "/d/1/a", "/d/1", "/d/10", "/d/2/x/y", "/d/2"));
  std::ranges::sort(paths);
  do {
    ASSERT_EQ(found(), first);
  } while (std::ranges::next_permutation(paths).found);
}

TEST_F(WatchIndexTest, D18_BareSpecialEventsGoToWatchesWithoutDepth) {
  index_.add("@releaseDomain", {}, 1);
  index_.add("@releaseDomain", 0, 2);
  index_.add("@releaseDomain", 1, 3);
  index_.add("@releaseDomain/5", {}, 4);
  index_.add("@introduceDomain", {}, 5);
  EXPECT_THAT(matches("@releaseDomain"), ElementsAre(1));
  EXPECT_THAT(exact("@releaseDomain"), ElementsAre(1));
  EXPECT_THAT(matches("@introduceDomain"), ElementsAre(5));
  EXPECT_THAT(matches("@other"), IsEmpty());
}

TEST_F(WatchIndexTest, D18_PerDomainEventsGoToWatchesWithDepthAndToThatDomainsOwn) {
  index_.add("@releaseDomain", {}, 1);
  index_.add("@releaseDomain", 0, 2);
  index_.add("@releaseDomain", 1, 3);
  index_.add("@releaseDomain", 2, 4);
  index_.add("@releaseDomain/5", {}, 5);
  index_.add("@releaseDomain/55", {}, 6);
  index_.add("@introduceDomain/5", {}, 7);
  EXPECT_THAT(matches("@releaseDomain/5"), UnorderedElementsAre(3, 4, 5));
  EXPECT_THAT(matches("@releaseDomain/6"), UnorderedElementsAre(3, 4));
  EXPECT_THAT(matches("@introduceDomain/5"), ElementsAre(7));
}

TEST_F(WatchIndexTest, RemovedWatchesMatchNoMoreAndLeaveNoMemory) {
  const std::size_t empty = index_.bytes();
  EXPECT_FALSE(index_.remove("/a", 1));
  index_.add("/a/b/c", {}, 1);
  index_.add("/a/b/c", {}, 2);
  index_.add("/a/b", {}, 1);
  index_.add("/", {}, 1);
  index_.add("@releaseDomain/5", {}, 1);
  EXPECT_EQ(index_.size(), 5U);
  EXPECT_GT(index_.bytes(), empty);
  EXPECT_FALSE(index_.remove("/a", 1));  // a place in the trie, not a watch
  EXPECT_FALSE(index_.remove("/a/b/c", 3));
  EXPECT_TRUE(index_.remove("/a/b/c", 1));
  EXPECT_FALSE(index_.remove("/a/b/c", 1));
  EXPECT_THAT(matches("/a/b/c"), UnorderedElementsAre(1, 1, 2));
  EXPECT_TRUE(index_.remove("/a/b", 1));
  EXPECT_TRUE(index_.remove("/a/b/c", 2));
  EXPECT_TRUE(index_.remove("/", 1));
  EXPECT_TRUE(index_.remove("@releaseDomain/5", 1));
  EXPECT_EQ(index_.size(), 0U);
  EXPECT_EQ(index_.bytes(), empty);
}

TEST_F(WatchIndexTest, AWatchOnADeepPathTakesMemoryForItsPathOnly) {
  std::string path;
  for (int i = 0; i < 1'500; ++i) path += "/x";
  const std::size_t empty = index_.bytes();
  index_.add(path, {}, 1);
  EXPECT_LT(index_.bytes() - empty, path.size() + 300);
  EXPECT_THAT(matches(path), ElementsAre(1));
  EXPECT_THAT(matches(path + "/y"), ElementsAre(1));
  EXPECT_THAT(matches(path.substr(0, path.size() - 2)), IsEmpty());
  // Forks within it are split and joined again.
  for (std::size_t length = 2; length < path.size(); length += 2) {
    index_.add(path.substr(0, length), {}, length);
  }
  EXPECT_EQ(matches(path).size(), 1'500U);
  EXPECT_EQ(below("/x", true).size(), 1'499U);
  for (std::size_t length = 2; length < path.size(); length += 2) {
    ASSERT_TRUE(index_.remove(path.substr(0, length), length));
  }
  EXPECT_THAT(matches(path), ElementsAre(1));
  EXPECT_LT(index_.bytes() - empty, path.size() + 50'000);  // the grown hash table
}

TEST(WatchTrie, HoldsNoMoreNodesThanTwiceTheWatchedPaths) {
  WatchTrie trie;
  for (std::uint64_t i = 0; i < 1'000; ++i) {
    trie.add("/local/domain/" + std::to_string(i % 100) + "/device/" + std::to_string(i), {}, i);
  }
  EXPECT_LE(trie.node_count(), 2'000U);
  for (std::uint64_t i = 0; i < 1'000; ++i) {
    ASSERT_TRUE(trie.remove(
        "/local/domain/" + std::to_string(i % 100) + "/device/" + std::to_string(i), i));
  }
  EXPECT_EQ(trie.node_count(), 0U);
}

}  // namespace
}  // namespace vxs::daemon
