// What a C daemon is started with (H5, H7).
#include "daemon/swap/give_back.hh"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/process/descriptor.hh"

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

TEST(ReadsVersion2, H8_WhatDaemonsWithItSayIsLookedForInTheFile) {
  const std::string says = "Migration stream version not supported.";
  const auto reads = [](const std::string& content) {
    const process::Descriptor file(::memfd_create("program", MFD_CLOEXEC));
    EXPECT_EQ(::write(file.get(), content.data(), content.size()),
              static_cast<ssize_t>(content.size()));
    return reads_version_2(file.get());
  };
  EXPECT_TRUE(reads("ELF" + says + '\0'));
  for (const std::size_t front : {65'000U, 65'520U, 65'535U, 65'536U, 200'000U}) {
    EXPECT_TRUE(reads(std::string(front, 'x') + says)) << front;
  }
  EXPECT_FALSE(reads(says.substr(1)));
  EXPECT_FALSE(reads(""));
  EXPECT_FALSE(reads_version_2(-1));
  const process::Descriptor packaged(
      ::open("/usr/lib/xen-4.17/bin/xenstored", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(packaged);
  EXPECT_FALSE(reads_version_2(packaged.get()));
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
