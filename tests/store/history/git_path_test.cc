#include "store/history/git_path.hh"

#include <gtest/gtest.h>

namespace vxs::store {
namespace {

bool from_start(std::string_view, std::string_view directory) {
  return is_fanned_from_start(directory);
}

TEST(GitPath, OutsideFanOutItIsTheXenstorePathWithoutTheSlash) {
  EXPECT_EQ(git_path("/", from_start), "");
  EXPECT_EQ(git_path("/tool", from_start), "tool");
  EXPECT_EQ(git_path("/tool/xenstored/x@y", from_start), "tool/xenstored/x@y");
}

TEST(GitPath, NumbersHaveBucketsOfAHundred) {
  EXPECT_EQ(git_path("/local/domain/5", from_start), "local/domain/~0xx/5");
  EXPECT_EQ(git_path("/local/domain/99", from_start), "local/domain/~0xx/99");
  EXPECT_EQ(git_path("/local/domain/100", from_start), "local/domain/~1xx/100");
  EXPECT_EQ(git_path("/local/domain/1234/device", from_start), "local/domain/~12xx/1234/device");
  EXPECT_EQ(git_path("/local/domain/0/backend/vif/7/0/state", from_start),
            "local/domain/~0xx/0/backend/vif/~0xx/7/0/state");
}

TEST(GitPath, OtherNamesHaveBucketsByTheirSha256) {
  // printf %s 00 | sha256sum begins with f1, printf %s abc with ba.
  EXPECT_EQ(git_path("/vm/00", from_start), "vm/~f1/00");
  EXPECT_EQ(git_path("/vm/abc", from_start), "vm/~ba/abc");
}

TEST(GitPath, LongNamesAreHashed) {
  const std::string name(201, 'a');
  const std::string hashed = git_name(name);
  EXPECT_EQ(hashed.size(), 66U);
  EXPECT_TRUE(is_hashed_name(hashed));
  EXPECT_FALSE(is_bucket_name(hashed));
  EXPECT_EQ(git_path("/x/" + name, from_start), "x/" + hashed);
  EXPECT_EQ(git_path("/vm/" + name, from_start), "vm/~" + hashed.substr(2, 2) + "/" + hashed);
  EXPECT_EQ(git_name(std::string(200, 'a')), std::string(200, 'a'));
}

TEST(GitPath, SpecialNodesHaveAPlaceOfTheirOwn) {
  EXPECT_EQ(git_path("@releaseDomain", from_start), ".special/releaseDomain");
}

TEST(GitPath, FannedFromTheStart) {
  for (const char* path :
       {"/local/domain", "/vm", "/local/domain/0/backend/vif", "/local/domain/17/backend/qdisk"}) {
    EXPECT_TRUE(is_fanned_from_start(path)) << path;
  }
  for (const char* path :
       {"/", "/local", "/vm/x", "/local/domain/0", "/local/domain/0/backend",
        "/local/domain/0/backend/vif/7", "/local/domain/x/backend/vif", "/local/domains"}) {
    EXPECT_FALSE(is_fanned_from_start(path)) << path;
  }
}

TEST(GitPath, BucketNamesAreRecognised) {
  for (const char* name : {"~0xx", "~12xx", "~1234567xx", "~3f"}) EXPECT_TRUE(is_bucket_name(name));
  for (const char* name : {"~xx", "~01xx", "~3F", "~", "12xx", "~h", "~3f0"}) {
    EXPECT_FALSE(is_bucket_name(name)) << name;
  }
}

}  // namespace
}  // namespace vxs::store
