#include "protocol/arguments.hh"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "tests/protocol/bytes.hh"

namespace vxs::protocol {
namespace {

TEST(Arguments, B0_7_OneArgumentIsOneNulAtTheEnd) {
  EXPECT_EQ(one_argument(bytes("/x\0")), "/x");
  EXPECT_EQ(one_argument(bytes("\0")), "");
}

TEST(Arguments, B0_7_OneArgumentRefusesEmptyMissingAndSecondNul) {
  for (const std::string_view bad :
       {bytes(""), bytes("/x"), bytes("/x\0\0"), bytes("\0\0"), bytes("/x\0y"), bytes("/x\0y\0")}) {
    const auto result = one_argument(bad);
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error(), Error::kInval);
  }
}

TEST(Arguments, B2_WriteCutsAtTheFirstNulAndKeepsTheValueRaw) {
  const auto cut = split_first(bytes("/x\0a\0b\0\0"));
  ASSERT_TRUE(cut.has_value());
  EXPECT_EQ(cut->first, "/x");
  EXPECT_EQ(cut->rest, bytes("a\0b\0\0"));
  EXPECT_EQ(split_first(bytes("/x\0"))->rest, "");
  EXPECT_EQ(split_first(bytes("/x")).error(), Error::kInval);
  EXPECT_EQ(split_first("").error(), Error::kInval);
}

TEST(Arguments, B8_1_StringsAreCountedByTheirNuls) {
  EXPECT_EQ(count_strings(""), 0U);
  EXPECT_EQ(count_strings("abc"), 0U);
  EXPECT_EQ(count_strings(bytes("/x\0")), 1U);
  EXPECT_EQ(count_strings(bytes("/x\0n0")), 1U);
  EXPECT_EQ(count_strings(bytes("/x\0n0\0")), 2U);
  EXPECT_EQ(count_strings(bytes("\0\0\0")), 3U);
}

TEST(Arguments, B6_DirectoryPartNeedsExactlyTwoStrings) {
  EXPECT_EQ(split_strings<2>(bytes("/x\0")).count, 1U);
  EXPECT_EQ(split_strings<2>(bytes("/x\0"
                                   "0"))
                .count,
            1U);
  EXPECT_EQ(split_strings<2>(bytes("/x\0"
                                   "0\0"
                                   "1\0"))
                .count,
            3U);
  const auto good =
      split_strings<2>(bytes("/x\0"
                             "42\0"));
  EXPECT_EQ(good.count, 2U);
  EXPECT_EQ(good.at[0], "/x");
  EXPECT_EQ(good.at[1], "42");
}

TEST(Arguments, B9_WatchHasTwoOrThreeStringsAndFourAreSeen) {
  EXPECT_EQ(split_strings<3>(bytes("/x\0tok\0")).count, 2U);
  const auto three =
      split_strings<3>(bytes("/x\0tok\0"
                             "1\0"));
  EXPECT_EQ(three.count, 3U);
  EXPECT_EQ(three.at[2], "1");
  EXPECT_EQ(split_strings<3>(bytes("/x\0tok\0"
                                   "1\0z\0"))
                .count,
            4U);
}

TEST(Arguments, B9_TokenMayBeEmptyOrAnyBytes) {
  EXPECT_EQ(split_strings<3>(bytes("/x\0\0")).at[1], "");
  EXPECT_EQ(split_strings<3>(bytes("/x\0\xff\x01\n\0")).at[1], "\xff\x01\n");
}

TEST(Arguments, B0_7_BytesBehindTheLastNulAreNoString) {
  const auto strings = split_strings<3>(bytes("/x\0tok\0rest"));
  EXPECT_EQ(strings.count, 2U);
  EXPECT_EQ(strings.at[2], "");
}

TEST(Arguments, L17_IntroduceSeesMoreStringsThanItNeeds) {
  const auto strings =
      split_strings<3>(bytes("5\0"
                             "17\0"
                             "2\0more\0\0"));
  EXPECT_EQ(strings.count, 5U);
  EXPECT_EQ(strings.at[0], "5");
  EXPECT_EQ(strings.at[2], "2");
}

TEST(Arguments, B14_DomIdIsDecimalUpTo65535) {
  EXPECT_EQ(parse_domid("0", EmptyDomId::kReject), 0);
  EXPECT_EQ(parse_domid("32752", EmptyDomId::kReject), kDomIdSelf);
  EXPECT_EQ(parse_domid("65535", EmptyDomId::kReject), 65535);
  for (const std::string_view bad : {"65536", "99999999999999999999999", "18446744073709551616",
                                     "-1", "+1", " 1", "1 ", "0x1", "1a", "a", "-", "1.0"}) {
    EXPECT_EQ(parse_domid(bad, EmptyDomId::kReject), tl::unexpected(Error::kInval)) << bad;
    EXPECT_EQ(parse_domid(bad, EmptyDomId::kIsZero), tl::unexpected(Error::kInval)) << bad;
  }
}

TEST(Arguments, B14_DomIdRefusesAnEmbeddedNul) {
  EXPECT_FALSE(parse_domid(bytes("1\0"), EmptyDomId::kReject).has_value());
}

TEST(Arguments, B18_EmptyDomIdIsZeroOnlyWhereAskedFor) {
  EXPECT_EQ(parse_domid("", EmptyDomId::kIsZero), 0);
  EXPECT_EQ(parse_domid("", EmptyDomId::kReject).error(), Error::kInval);
}

TEST(Arguments, B18_LeadingZerosAreDropped) {
  EXPECT_EQ(parse_domid("007", EmptyDomId::kIsZero), 7);
  EXPECT_EQ(parse_domid(std::string(4000, '0') + "65535", EmptyDomId::kReject), 65535);
  EXPECT_FALSE(parse_domid("0000065536", EmptyDomId::kReject).has_value());
}

TEST(Arguments, L18_DecimalKeepsToItsMaximum) {
  constexpr auto kTop = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(parse_decimal("18446744073709551615", kTop), kTop);
  EXPECT_FALSE(parse_decimal("18446744073709551616", kTop).has_value());
  EXPECT_FALSE(parse_decimal("184467440737095516150", kTop).has_value());
  EXPECT_EQ(parse_decimal("7", 7), 7U);
  EXPECT_FALSE(parse_decimal("8", 7).has_value());
  EXPECT_EQ(parse_decimal("0", 0), 0U);
  EXPECT_FALSE(parse_decimal("1", 0).has_value());
}

TEST(Arguments, B6_OffsetIsReadLeniently) {
  EXPECT_EQ(parse_part_offset("0"), 0U);
  EXPECT_EQ(parse_part_offset("4096"), 4096U);
  EXPECT_EQ(parse_part_offset(" \t+12junk"), 12U);
  EXPECT_EQ(parse_part_offset("junk"), 0U);
  EXPECT_EQ(parse_part_offset(""), 0U);
  EXPECT_EQ(parse_part_offset("-0"), 0U);
  EXPECT_EQ(parse_part_offset("0x10"), 0U);
}

TEST(Arguments, B6_NegativeOrHugeOffsetIsBehindTheEnd) {
  EXPECT_EQ(parse_part_offset("-1"), std::numeric_limits<std::uint64_t>::max());
  EXPECT_GE(parse_part_offset("99999999999999999999999999"),
            std::uint64_t{std::numeric_limits<std::int64_t>::max()});
}

TEST(Arguments, B6_LenientNumbersEndAtTheLimitsOfTheirType) {
  constexpr auto kTop = std::numeric_limits<std::int64_t>::max();
  constexpr auto kBottom = std::numeric_limits<std::int64_t>::min();
  EXPECT_EQ(parse_lenient("9223372036854775807"), kTop);
  EXPECT_EQ(parse_lenient("9223372036854775808"), kTop);
  EXPECT_EQ(parse_lenient("-9223372036854775807"), -kTop);
  EXPECT_EQ(parse_lenient("-9223372036854775808"), kBottom);
  EXPECT_EQ(parse_lenient("-9223372036854775809"), kBottom);
  EXPECT_EQ(parse_lenient("--1"), 0);
  EXPECT_EQ(parse_lenient("+ 1"), 0);
}

TEST(Arguments, B9_DepthIsLenientAndNegativeIsEinval) {
  EXPECT_EQ(parse_watch_depth("0"), 0U);
  EXPECT_EQ(parse_watch_depth("1"), 1U);
  EXPECT_EQ(parse_watch_depth(" 3x"), 3U);
  EXPECT_EQ(parse_watch_depth("x"), 0U);
  EXPECT_EQ(parse_watch_depth("99999999999999"), kMaxWatchDepth);
  EXPECT_EQ(parse_watch_depth("-1"), tl::unexpected(Error::kInval));
  EXPECT_EQ(parse_watch_depth("-99999999999999999999"), tl::unexpected(Error::kInval));
  EXPECT_EQ(parse_watch_depth("-0"), 0U);
}

}  // namespace
}  // namespace vxs::protocol
