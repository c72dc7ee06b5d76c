// What a C daemon is started with (H5, H7).
#include "daemon/swap/give_back.hh"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vxs::swap {
namespace {

using testing::ElementsAre;

TEST(StockCommand, H7_WithoutSettingsThereIsOnlyTheOptionOfALiveUpdate) {
  EXPECT_THAT(stock_command(config::Config(), false, "/x/xenstored", {}),
              ElementsAre("/x/xenstored", "-U"));
}

TEST(StockCommand, I1_WhatDiffersFromTheDefaultsIsSaidInItsWords) {
  config::Config config;
  config.pid_file = "/run/pid";
  config.keep_orphans = true;
  config.watch_event_timeout = std::chrono::seconds(5);
  config.quotas[config::Quota::kNodes] = 7;
  config.quotas[config::Quota::kOutstanding] = 8;
  config.quotas[config::Quota::kSoftMemory] = 9;
  EXPECT_THAT(
      stock_command(config, true, "/x/xenstored", {}),
      ElementsAre("/x/xenstored", "-N", "--pid-file", "/run/pid", "-K", "-w", "watch-event=5", "-E",
                  "7", "-Q", "outstanding=8", "-q", "memory=9", "-U"));
}

TEST(StockCommand, H4_ACommandLineOfTheOperatorsReplacesAllOfIt) {
  config::Config config;
  config.pid_file = "/run/pid";
  EXPECT_THAT(stock_command(config, true, "/x/xenstored", " -E  5\t-K "),
              ElementsAre("/x/xenstored", "-E", "5", "-K", "-U"));
  EXPECT_THAT(stock_command(config, true, "/x/xenstored", "-U -K"),
              ElementsAre("/x/xenstored", "-U", "-K"));
}

TEST(AnswerOk, H5_TheRequestLeavesTheInputAndItsAnswerIsTheLastOutput) {
  const protocol::Header request{.type = 0, .req_id = 6, .tx_id = 0, .len = 3};
  store::migration::LiveConnection live{.id = 1, .output = "before"};
  ASSERT_TRUE(protocol::append_frame(live.input, protocol::MessageType::kControl, 6, 0, "abc"));
  live.input += "half";
  answer_ok(request, live);
  EXPECT_EQ(live.input, "half");
  std::string expected = "before";
  ASSERT_TRUE(protocol::append_frame(expected, protocol::MessageType::kControl, 6, 0,
                                     std::string_view("OK\0", 3)));
  EXPECT_EQ(live.output, expected);
}

}  // namespace
}  // namespace vxs::swap
