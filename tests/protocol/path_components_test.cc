#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "protocol/path.hh"

namespace vxs::protocol {
namespace {

std::vector<std::string_view> components(std::string_view path) {
  std::vector<std::string_view> all;
  for (const std::string_view name : PathComponents(path)) all.push_back(name);
  return all;
}

using Names = std::vector<std::string_view>;

TEST(PathComponents, GiveEachNameOnceInOrder) {
  EXPECT_EQ(components("/"), Names{});
  EXPECT_EQ(components("/a"), Names{"a"});
  EXPECT_EQ(components("/a/bc/a"), (Names{"a", "bc", "a"}));
  EXPECT_EQ(components("@releaseDomain"), Names{"@releaseDomain"});
  EXPECT_EQ(components("@releaseDomain/5"), (Names{"@releaseDomain", "5"}));
}

TEST(PathComponents, ViewsPointIntoThePath) {
  const std::string path = "/local/domain";
  EXPECT_EQ(PathComponents(path).begin()->data(), path.data() + 1);
}

TEST(PathComponents, ThousandComponentsAreThousand) {
  std::string path;
  for (int i = 0; i < 1000; ++i) path += "/x";
  EXPECT_EQ(components(path).size(), 1000U);
}

TEST(Parent, OfEveryKindOfPath) {
  EXPECT_EQ(parent_path("/a/b"), "/a");
  EXPECT_EQ(parent_path("/a"), "/");
  EXPECT_EQ(parent_path("/"), "");
}

TEST(Parent, D19_OfASpecialNodeIsTheRoot) {
  EXPECT_EQ(parent_path("@releaseDomain"), "/");
  EXPECT_EQ(parent_path("@releaseDomain/5"), "@releaseDomain");
}

TEST(BaseName, IsTheLastComponent) {
  EXPECT_EQ(base_name("/a/b"), "b");
  EXPECT_EQ(base_name("/a"), "a");
  EXPECT_EQ(base_name("/"), "");
  EXPECT_EQ(base_name("@releaseDomain"), "@releaseDomain");
}

}  // namespace
}  // namespace vxs::protocol
