#include "store/history_reader/meta.hh"

#include <gtest/gtest.h>

namespace vxs::store::reader {
namespace {

TEST(MetaTest, ReadsALineOfTheFormat) {
  const auto line = parse_meta_line("state 118.5 n5#1,r0,b7#stale");
  ASSERT_TRUE(line);
  EXPECT_EQ(line->git_name, "state");
  EXPECT_EQ(line->created, (CreationOrder{118, 5}));
  ASSERT_EQ(line->perms.size(), 3u);
  EXPECT_EQ(line->perms[0], (protocol::PermEntry{5, protocol::Access::kNone, 1}));
  EXPECT_EQ(line->perms[1], (protocol::PermEntry{0, protocol::Access::kRead, 0}));
  EXPECT_EQ(line->perms[2], (protocol::PermEntry{7, protocol::Access::kBoth, kIncarnationStale}));
  EXPECT_EQ(format_perms(line->perms), "n5#1,r0,b7#stale");
}

TEST(MetaTest, ReadsAttributesAndIgnoresUnknownOnes) {
  const auto line = parse_meta_line(". 1.0 n0 future=7 fan layout=1 name=fan x=y");
  ASSERT_TRUE(line);
  EXPECT_TRUE(line->fanned_out);
  EXPECT_EQ(line->full_name, "fan x=y");
  EXPECT_FALSE(parse_meta_line("a 1.0 n0 name=fan")->fanned_out);
}

TEST(MetaTest, RefusesWhatBreaksTheFormat) {
  for (const char* bad :
       {"", "a", "a 1.0", "a 1 n0", "a x.0 n0", "a 1.0 q0", "a 1.0 n", "a 1.0 n0,", "a 1.0 n65536",
        "a 1.0 n0#", "a 1.0 n0#x", "a 1.0 n-1", " 1.0 n0"}) {
    EXPECT_FALSE(parse_meta_line(bad)) << bad;
  }
}

TEST(MetaTest, FindsTheLineOfANameAndNotOfItsPrefix) {
  const std::string file = ". 1.0 n0\nstate2 1.1 n0\nstate 1.2 n5\n";
  EXPECT_EQ(find_meta_line(file, "state"), "state 1.2 n5");
  EXPECT_EQ(find_meta_line(file, "."), ". 1.0 n0");
  EXPECT_EQ(find_meta_line(file, "stat"), "");
  EXPECT_EQ(find_meta_line("", "x"), "");
}

}  // namespace
}  // namespace vxs::store::reader
