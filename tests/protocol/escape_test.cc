#include "protocol/escape.hh"

#include <gtest/gtest.h>

#include "tests/protocol/bytes.hh"

namespace vxs::protocol {
namespace {

TEST(Escape, PrintableAsciiStays) {
  std::string printable;
  for (char c = ' '; c <= '~'; ++c) {
    if (c != '\\') printable += c;
  }
  EXPECT_EQ(printable.size(), 94U);
  EXPECT_EQ(escaped(printable), printable);
}

TEST(Escape, NamedEscapesAndBackslash) {
  EXPECT_EQ(escaped(bytes("a\nb\tc\rd\0e\\f")), R"(a\nb\tc\rd\0e\\f)");
}

TEST(Escape, TerminalAndBidiBytesDoNotSurvive) {
  EXPECT_EQ(escaped("\x1b[31m"), R"(\x1b[31m)");
  EXPECT_EQ(escaped("\xe2\x80\xae"), R"(\xe2\x80\xae)");  // right-to-left override
  EXPECT_EQ(escaped("\x7f\x80\x9b\xff"), R"(\x7f\x80\x9b\xff)");
}

TEST(Escape, EveryByteComesOutPrintableAndComesBack) {
  for (int c = 0; c < 256; ++c) {
    const std::string one(1, static_cast<char>(c));
    const std::string shown = escaped(one);
    EXPECT_LE(shown.size(), 4U);
    for (const char out : shown) EXPECT_TRUE(out >= ' ' && out <= '~') << c;
    EXPECT_EQ(unescape(shown), one) << c;
  }
}

TEST(Escape, DigitsBehindAnEscapeAreNotPartOfIt) {
  const std::string_view nul_and_digits = bytes(
      "\0"
      "12\x01"
      "23");
  EXPECT_EQ(escaped(nul_and_digits), R"(\012\x0123)");
  EXPECT_EQ(unescape(R"(\012\x0123)"), nul_and_digits);
}

TEST(Escape, AppendsBehindWhatIsThere) {
  std::string out = "x=";
  append_escaped(out, "a\n");
  append_escaped(out, "b");
  EXPECT_EQ(out, R"(x=a\nb)");
}

TEST(Escape, UnescapeRefusesWhatEscapeNeverWrites) {
  for (const std::string_view bad :
       {bytes(R"(\)"), bytes(R"(a\q)"), bytes(R"(\x)"), bytes(R"(\x1)"), bytes(R"(\xg0)"),
        bytes(R"(\x0g)"), bytes("a\nb"), bytes("\x1b"), bytes("\0"), bytes("\xff")}) {
    EXPECT_FALSE(unescape(bad).has_value()) << escaped(bad);
  }
}

TEST(Escape, UnescapeTakesUpperCaseDigitsToo) { EXPECT_EQ(unescape(R"(\xFf)"), "\xff"); }

}  // namespace
}  // namespace vxs::protocol
