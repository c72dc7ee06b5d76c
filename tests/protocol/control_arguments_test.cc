#include "protocol/control_arguments.hh"

#include <gtest/gtest.h>

#include <string>

#include "tests/protocol/bytes.hh"

namespace vxs::protocol {
namespace {

void expect_invalid(std::string_view payload) {
  const auto result = ControlArguments::parse(payload);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error(), Error::kInval);
}

TEST(ControlArguments, H1_CommandAloneHasNoArguments) {
  const auto control = ControlArguments::parse(bytes("help\0"));
  ASSERT_TRUE(control.has_value());
  EXPECT_EQ(control->command(), "help");
  EXPECT_TRUE(control->arguments().empty());
}

TEST(ControlArguments, H1_ArgumentsComeInOrderAndMayBeEmpty) {
  const auto control = ControlArguments::parse(bytes("quota\0set\0\0nodes\0"));
  ASSERT_TRUE(control.has_value());
  EXPECT_EQ(control->command(), "quota");
  ASSERT_EQ(control->arguments().size(), 3U);
  EXPECT_EQ(control->arguments()[0], "set");
  EXPECT_EQ(control->arguments()[1], "");
  EXPECT_EQ(control->arguments()[2], "nodes");
}

TEST(ControlArguments, H1_MissingNulIsEinval) {
  expect_invalid("");
  expect_invalid("help");
}

TEST(ControlArguments, H1_EmptyCommandIsEinval) {
  expect_invalid(bytes("\0"));
  expect_invalid(bytes("\0help\0"));
}

TEST(ControlArguments, H1_BytesAfterTheLastNulAreNoArgument) {
  EXPECT_TRUE(ControlArguments::parse(bytes("help\0junk"))->arguments().empty());
}

TEST(ControlArguments, H1_SixteenArgumentsPassAndSeventeenDoNot) {
  std::string payload("print\0", 6);
  for (std::size_t i = 0; i < kMaxControlArguments; ++i) payload.append(bytes("a\0"));
  EXPECT_EQ(ControlArguments::parse(payload)->arguments().size(), kMaxControlArguments);
  expect_invalid(payload.append(bytes("a\0")));
  expect_invalid(std::string(4096, '\0').replace(0, 1, "x"));
}

}  // namespace
}  // namespace vxs::protocol
