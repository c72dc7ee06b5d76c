#include "protocol/path_glob.hh"

#include <gtest/gtest.h>

#include <string>

namespace vxs::protocol {
namespace {

TEST(PathGlob, OnlyAbsolutePathsWithStarsAreOnes) {
  for (const char* good :
       {"/", "/a", "/a/*", "/*", "/**", "/a/**/b", "/vm/*/rtc/time-*", "/a@b_C-9"})
    EXPECT_TRUE(is_path_glob(good)) << good;
  for (const char* bad : {"", "a", "*", "//", "/a/", "/a//b", "/a**", "/***", "/a.b", "/a b",
                          "/[a]", "/a?", "@releaseDomain", "/a\n"})
    EXPECT_FALSE(is_path_glob(bad)) << bad;
  EXPECT_TRUE(is_path_glob("/" + std::string(3071, 'a')));
  EXPECT_FALSE(is_path_glob("/" + std::string(3072, 'a')));
}

TEST(PathGlob, AStarStaysWithinItsName) {
  EXPECT_TRUE(path_glob_matches("/vm/*/secret", "/vm/1/secret"));
  EXPECT_FALSE(path_glob_matches("/vm/*/secret", "/vm/secret"));
  EXPECT_FALSE(path_glob_matches("/vm/*/secret", "/vm/1/2/secret"));
  EXPECT_FALSE(path_glob_matches("/vm/*", "/vm"));
  EXPECT_FALSE(path_glob_matches("/vm/*", "/vm/1/2"));
  EXPECT_TRUE(path_glob_matches("/a*b*c", "/abxbc"));
  EXPECT_TRUE(path_glob_matches("/a*", "/a"));
  EXPECT_FALSE(path_glob_matches("/a*b*c", "/abxbcd"));
  EXPECT_FALSE(path_glob_matches("/a", "/ab"));
  EXPECT_FALSE(path_glob_matches("/ab", "/a"));
}

TEST(PathGlob, TwoStarsStandForAnyNumberOfNames) {
  EXPECT_TRUE(path_glob_matches("/a/**", "/a"));
  EXPECT_TRUE(path_glob_matches("/a/**", "/a/b/c"));
  EXPECT_FALSE(path_glob_matches("/a/**", "/ab"));
  EXPECT_TRUE(path_glob_matches("/**/pw", "/pw"));
  EXPECT_TRUE(path_glob_matches("/**/pw", "/a/pw/b/pw"));
  EXPECT_FALSE(path_glob_matches("/**/pw", "/a/pw/b"));
  EXPECT_TRUE(path_glob_matches("/**/a/*/b/**", "/a/a/x/b"));
  EXPECT_TRUE(path_glob_matches("/**", "/"));
  EXPECT_TRUE(path_glob_matches("/", "/"));
  EXPECT_FALSE(path_glob_matches("/", "/a"));
  EXPECT_FALSE(path_glob_matches("/*", "/"));
  EXPECT_FALSE(path_glob_matches("/**", "@releaseDomain"));
}

TEST(PathGlob, AWorstCaseEndsSoon) {
  std::string glob;
  for (int i = 0; i < 500; ++i) glob += "/**/a";
  std::string path;
  for (int i = 0; i < 1500; ++i) path += "/a";
  EXPECT_TRUE(path_glob_matches(glob, path));
  EXPECT_FALSE(path_glob_matches(glob + "/b", path));
}

}  // namespace
}  // namespace vxs::protocol
