#include "protocol/permissions.hh"

#include <gtest/gtest.h>

#include <string>

#include "tests/protocol/bytes.hh"

namespace vxs::protocol {
namespace {

using Entries = std::vector<PermEntry>;

void expect_invalid(std::string_view text) {
  const auto result = parse_perm_entries(text);
  ASSERT_FALSE(result.has_value()) << text;
  EXPECT_EQ(result.error(), Error::kInval);
}

TEST(Permissions, B7_LettersAreNRWBAndInverse) {
  EXPECT_EQ(access_letter(Access::kNone), 'n');
  EXPECT_EQ(access_letter(Access::kRead), 'r');
  EXPECT_EQ(access_letter(Access::kWrite), 'w');
  EXPECT_EQ(access_letter(Access::kBoth), 'b');
  int letters = 0;
  for (int c = 0; c < 256; ++c) {
    const auto access = access_from_letter(static_cast<char>(c));
    if (!access) continue;
    ++letters;
    EXPECT_EQ(access_letter(*access), static_cast<char>(c));
  }
  EXPECT_EQ(letters, 4);
}

TEST(Permissions, B7_WireFormIsLetterDomIdNul) {
  std::string out = "before";
  append_perm_entries(Entries{{.domid = 0, .access = Access::kNone, .incarnation = 0},
                              {.domid = 65535, .access = Access::kBoth, .incarnation = 0}},
                      out);
  EXPECT_EQ(out, bytes("beforen0\0b65535\0"));
}

TEST(Permissions, B7_StaleEntriesArePrintedLikeTheOthers) {
  std::string out;
  append_perm_entries(
      Entries{{.domid = 7, .access = Access::kRead, .incarnation = kIncarnationStale}}, out);
  EXPECT_EQ(out, bytes("r7\0"));
}

TEST(Permissions, B8_1_BytesAfterTheLastNulAreIgnored) {
  EXPECT_EQ(parse_perm_entries(bytes("n0\0r5\0!!")),
            (Entries{{.domid = 0, .access = Access::kNone, .incarnation = 0},
                     {.domid = 5, .access = Access::kRead, .incarnation = 0}}));
}

TEST(Permissions, B8_1_NoEntryIsAnError) {
  expect_invalid("");
  expect_invalid("n0");
}

TEST(Permissions, B8_3_NumbersAreDecimalOrHexadecimal) {
  const auto entries =
      parse_perm_entries(bytes("n0x10\0r0XfF\0w0xffff\0b65535\0r0\0r0x0000000000000000ffff\0"));
  ASSERT_TRUE(entries.has_value());
  ASSERT_EQ(entries->size(), 6U);
  const DomId expected[] = {16, 255, 65535, 65535, 0, 65535};
  for (std::size_t i = 0; i < entries->size(); ++i) EXPECT_EQ((*entries)[i].domid, expected[i]);
}

TEST(Permissions, B8_3_IncompleteAndForeignNumbersAreRefused) {
  for (const std::string_view bad :
       {bytes("\0"), bytes("n\0"), bytes("n0x\0"), bytes("n0xg\0"), bytes("n0x10g\0"),
        bytes("n5x\0"), bytes("n 5\0"), bytes("n5 \0"), bytes("n+5\0"), bytes("x5\0"),
        bytes("N5\0"), bytes("5\0"), bytes("rw5\0"), bytes("n0x-1\0"), bytes("n0x+1\0"),
        bytes("n0x 1\0"), bytes("n1.\0")}) {
    expect_invalid(bad);
  }
}

TEST(Permissions, B8_3_NegativeAndTooLargeNumbersAreRefused) {
  for (const std::string_view bad :
       {bytes("n-1\0"), bytes("n-0\0"), bytes("n65536\0"), bytes("n0x10000\0"),
        bytes("n4294967296\0"), bytes("n18446744073709551616\0"),
        bytes("n0xffffffffffffffffff\0")}) {
    expect_invalid(bad);
  }
}

TEST(Permissions, B8_3_NumbersThatCWouldReadAsOctalAreRefused) {
  for (const std::string_view bad : {bytes("n010\0"), bytes("n00\0"), bytes("n007\0")}) {
    expect_invalid(bad);
  }
}

TEST(Permissions, B8_3_OneBadEntrySpoilsTheList) {
  expect_invalid(bytes("n0\0r5\0x6\0"));
  expect_invalid(bytes("n0\0\0r5\0"));
}

TEST(Permissions, B8_DuplicatesStayInOrder) {
  const auto entries = parse_perm_entries(bytes("n5\0r5\0b5\0"));
  ASSERT_TRUE(entries.has_value());
  EXPECT_EQ(*entries, (Entries{{.domid = 5, .access = Access::kNone, .incarnation = 0},
                               {.domid = 5, .access = Access::kRead, .incarnation = 0},
                               {.domid = 5, .access = Access::kBoth, .incarnation = 0}}));
}

TEST(Permissions, B8_DomIdAnyGrantsButNeverOwns) {
  const auto entries = parse_perm_entries(bytes("n0\0r32757\0"));
  ASSERT_TRUE(entries.has_value());
  EXPECT_EQ(entries->back().domid, kDomIdAny);
  expect_invalid(bytes("n32757\0"));
  expect_invalid(bytes("b0x7ff5\0r0\0"));
}

TEST(Permissions, B8_APayloadFullOfEntriesParses) {
  std::string text;
  for (int i = 0; i < 1365; ++i) text.append(bytes("n1\0"));
  EXPECT_EQ(parse_perm_entries(text)->size(), 1365U);
}

}  // namespace
}  // namespace vxs::protocol
