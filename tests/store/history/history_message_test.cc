#include <gtest/gtest.h>

#include "store/history/commit_message.hh"

namespace vxs::store {
namespace {

TEST(HistoryMessage, ValuesAreBareQuotedOrCut) {
  EXPECT_EQ(shown_value(""), "\"\"");
  EXPECT_EQ(shown_value("4"), "4");
  EXPECT_EQ(shown_value("/local/domain/0"), "/local/domain/0");
  EXPECT_EQ(shown_value("two words"), "\"two words\"");
  EXPECT_EQ(shown_value("\x1b[31m\n"), "\"\\x1b[31m\\n\"");
  EXPECT_EQ(shown_value(std::string(40, 'a')), std::string(32, 'a') + "…");
}

}  // namespace
}  // namespace vxs::store
