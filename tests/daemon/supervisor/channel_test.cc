// The messages between supervisor and daemon.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "daemon/supervisor/channel.hh"

namespace vxs::supervisor {
namespace {

class ChannelTest : public ::testing::Test {
 protected:
  ChannelTest() {
    auto pair = Channel::make_pair();
    here_ = Channel(std::move(pair->first));
    there_ = Channel(std::move(pair->second));
  }
  static int none(const std::string&) { return -1; }
  Channel here_;
  Channel there_;
  Message message_;
};

TEST_F(ChannelTest, CarriesEverythingAMessageHas) {
  const process::Descriptor file(::memfd_create("file", MFD_CLOEXEC));
  ASSERT_EQ(::write(file.get(), "x", 1), 1);
  here_.queue(Message{.type = MessageType::kKeep,
                      .flags = 3,
                      .value = ~std::uint64_t{0},
                      .more = 5,
                      .name = std::string(kNameMax, 'n')});
  EXPECT_FALSE(here_.send_pending([&](const std::string&) { return file.get(); }));
  ASSERT_EQ(there_.receive(message_), Channel::Received::kMessage);
  EXPECT_EQ(message_.type, MessageType::kKeep);
  EXPECT_EQ(message_.flags, 3);
  EXPECT_EQ(message_.value, ~std::uint64_t{0});
  EXPECT_EQ(message_.more, 5U);
  EXPECT_EQ(message_.name, std::string(kNameMax, 'n'));
  char byte = 0;
  EXPECT_EQ(::pread(message_.fd.get(), &byte, 1, 0), 1);
  EXPECT_EQ(there_.receive(message_), Channel::Received::kNothing);
}

TEST_F(ChannelTest, DoesNotSendWhatWasReleasedWhileItWaited) {
  here_.queue(Message{.type = MessageType::kKept, .name = "gone"});
  here_.queue(Message{.type = MessageType::kStart, .value = 1});
  EXPECT_FALSE(here_.send_pending(none));
  ASSERT_EQ(there_.receive(message_), Channel::Received::kMessage);
  EXPECT_EQ(message_.type, MessageType::kStart);
}

TEST_F(ChannelTest, QueuesWhatTheSocketDoesNotTakeInOrder) {
  constexpr std::uint64_t kMany = 5000;
  for (std::uint64_t i = 0; i < kMany; ++i) {
    here_.queue(Message{.type = MessageType::kAlive, .value = i});
  }
  ASSERT_TRUE(here_.send_pending(none));
  for (std::uint64_t i = 0; i < kMany; ++i) {
    if (there_.receive(message_) == Channel::Received::kNothing) {
      (void)here_.send_pending(none);
      ASSERT_EQ(there_.receive(message_), Channel::Received::kMessage);
    }
    ASSERT_EQ(message_.value, i);
  }
  EXPECT_FALSE(here_.has_pending());
}

// The kernel reports the reset before what is queued.
TEST_F(ChannelTest, ReadsWhatTheOtherEndSentBeforeItDiedWithSomethingUnread) {
  here_.queue(Message{.type = MessageType::kStart});
  (void)here_.send_pending(none);
  there_.queue(Message{.type = MessageType::kRelease, .name = "last"});
  (void)there_.send_pending(none);
  there_ = Channel();
  here_.queue(Message{.type = MessageType::kStart});
  EXPECT_FALSE(here_.send_pending(none));
  ASSERT_EQ(here_.receive(message_), Channel::Received::kMessage);
  EXPECT_EQ(message_.name, "last");
  EXPECT_EQ(here_.receive(message_), Channel::Received::kClosed);
}

TEST_F(ChannelTest, SaysSoIfThereIsNoRoomForADescriptor) {
  const process::Descriptor file(::memfd_create("file", MFD_CLOEXEC));
  here_.queue(Message{.type = MessageType::kAccepted, .name = "client-1"});
  (void)here_.send_pending([&](const std::string&) { return file.get(); });
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  const rlimit none{0, before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &none);
  const auto received = there_.receive(message_);
  ::setrlimit(RLIMIT_NOFILE, &before);
  ASSERT_EQ(received, Channel::Received::kMessage);
  EXPECT_EQ(message_.name, "client-1");
  EXPECT_FALSE(message_.fd);
}

TEST_F(ChannelTest, SkipsWhatALaterVersionAdds) {
  struct {
    std::uint16_t version = 2, type = 77, flags = 0, name_size = 3;
    std::uint64_t value = 8, more = 0;
    char name_and_later[11] = "abc-later!";
  } packet;
  ASSERT_GT(::send(here_.fd(), &packet, sizeof(packet), 0), 0);
  ASSERT_EQ(there_.receive(message_), Channel::Received::kMessage);
  EXPECT_EQ(message_.type, static_cast<MessageType>(77));
  EXPECT_EQ(message_.name, "abc");
}

TEST_F(ChannelTest, TakesNothingThatIsNoMessage) {
  ASSERT_EQ(::send(here_.fd(), "short", 5, 0), 5);
  EXPECT_EQ(there_.receive(message_), Channel::Received::kStrange);
  here_.queue(Message{.type = MessageType::kKept, .name = "a:b"});
  (void)here_.send_pending([](const std::string&) { return STDIN_FILENO; });
  EXPECT_EQ(there_.receive(message_), Channel::Received::kStrange);
  std::uint16_t long_name[12] = {1, 19, 0, 1};
  ASSERT_GT(::send(here_.fd(), long_name, sizeof(long_name), 0), 0);
  EXPECT_EQ(there_.receive(message_), Channel::Received::kStrange);
}

TEST(MessageNames, AreWhatSystemdTakes) {
  EXPECT_TRUE(is_valid_name("client-18446744073709551615"));
  EXPECT_TRUE(is_valid_name("wire-area.2_x"));
  for (const std::string name : {"", "a:b", "a b", "a\n", "a/b"}) {
    EXPECT_FALSE(is_valid_name(name)) << name;
  }
  EXPECT_FALSE(is_valid_name(std::string(kNameMax + 1, 'n')));
}

TEST(MessageNames, HaveTheNumberOfAClient) {
  EXPECT_EQ(client_name(17), "client-17");
  EXPECT_EQ(client_number(client_name(~std::uint64_t{0})), ~std::uint64_t{0});
  for (const std::string name : {"", "listen", "client-", "client-x", "client-1x", "client--1",
                                 "client-18446744073709551616"}) {
    EXPECT_EQ(client_number(name), std::nullopt) << name;
  }
}

}  // namespace
}  // namespace vxs::supervisor
