// One stream of a slot: what is published, what is not, and where it lies.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/daemon/wire_area/support.hh"

namespace vxs::daemon::test {
namespace {

class WireBytesTest : public testing::Test {
 protected:
  WireBytes& output() { return slot_->output(); }
  void publish(std::uint64_t out_end) {
    auto progress = slot_->progress();
    progress.out_begin = slot_->sent();
    progress.out_end = out_end;
    slot_->publish(progress);
  }
  void append(std::string_view bytes) { ASSERT_TRUE(output().append(bytes)); }
  void append_published(std::string_view bytes) {
    append(bytes);
    publish(output().end());
  }
  void restart() {
    area_ = test::restart(std::move(area_));
    slot_ = find_slot(*area_, 1);
    ASSERT_NE(slot_, nullptr);
  }
  std::string sendable() { return std::string(slot_->sendable()); }

  std::unique_ptr<WireArea> area_ = make_area();
  WireSlot* slot_ = &test::open_slot(*area_, 1);
};

TEST_F(WireBytesTest, WhatIsAppendedIsLostWithTheProcessUntilItIsPublished) {
  append_published("one");
  append("two");
  EXPECT_EQ(output().view(), "onetwo");
  EXPECT_EQ(sendable(), "one");
  restart();
  EXPECT_EQ(output().view(), "one");
  EXPECT_EQ(sendable(), "one");
}

TEST_F(WireBytesTest, APartOfWhatWasAppendedCanBePublished) {
  append("one");
  const auto end = output().end();
  append("two");
  publish(end);
  EXPECT_EQ(sendable(), "one");
  publish(output().end());
  EXPECT_EQ(sendable(), "onetwo");
}

TEST_F(WireBytesTest, TruncateDropsTheUnpublishedEnd) {
  append_published("one");
  append("two");
  output().truncate(output().published_end());
  append("three");
  publish(output().end());
  restart();
  EXPECT_EQ(sendable(), "onethree");
}

TEST_F(WireBytesTest, RewriteChangesPublishedBytesAtOnce) {
  append_published("keep,drop,rest,");
  ASSERT_TRUE(output().rewrite(5, output().view(10, 15), 10));
  EXPECT_EQ(output().view(), "keep,rest,");
  restart();
  EXPECT_EQ(sendable(), "keep,rest,");
  append_published("more");
  EXPECT_EQ(sendable(), "keep,rest,more");
}

TEST_F(WireBytesTest, RewriteLeavesUnpublishedWhatIsBehindThePublishedEnd) {
  append_published("keep,drop,");
  append("later");
  ASSERT_TRUE(output().rewrite(5, output().view(10, 15), 5));
  EXPECT_EQ(output().view(), "keep,later");
  EXPECT_EQ(sendable(), "keep,");
  restart();
  EXPECT_EQ(output().view(), "keep,");
}

TEST_F(WireBytesTest, AnUnpublishedEndIsRewrittenWithoutTouchingWhatIsPublished) {
  append_published("keep,");
  append("drop,later");
  ASSERT_TRUE(output().rewrite(5, output().view(10, 15), 5));
  EXPECT_EQ(output().view(), "keep,later");
  EXPECT_EQ(sendable(), "keep,");
  ASSERT_TRUE(output().rewrite(5, "a longer one than before", 5 + 8));
  EXPECT_EQ(output().view(), "keep,a longer one than before");
  EXPECT_EQ(sendable(), "keep,a longer");
}

TEST_F(WireBytesTest, RefusesMoreThanTheLimitAndChangesNothing) {
  append_published(pattern(1, kSmall.output_limit - 1));
  EXPECT_TRUE(output().append("x"));
  EXPECT_FALSE(output().append("x"));
  EXPECT_FALSE(output().rewrite(10, pattern(2, kSmall.output_limit - 9), 10));
  EXPECT_EQ(output().size(), kSmall.output_limit);
  restart();
  EXPECT_EQ(sendable(), pattern(1, kSmall.output_limit - 1));
}

TEST_F(WireBytesTest, AFullStreamCanBeRewrittenWhereverItLies) {
  const std::string content = pattern(1, kSmall.output_limit);
  append_published(content);
  std::string expected = content;
  for (int i = 0; i < 10; ++i) {
    expected.erase(0, 1000);
    ASSERT_TRUE(
        output().rewrite(output().begin(), output().view().substr(1000), output().end() - 1000));
    ASSERT_EQ(output().view(), expected);
    restart();
    ASSERT_EQ(sendable(), expected);
  }
}

// fallocate() fails where the descriptor is not that of a memfd.
TEST_F(WireBytesTest, WithoutMemoryAppendAndRewriteSaySoAndChangeNothing) {
  append_published("one");
  const process::Descriptor kept(::dup(area_->fd()));
  const process::Descriptor other(::open("/dev/null", O_RDWR | O_CLOEXEC));
  ASSERT_GE(::dup2(other.get(), area_->fd()), 0);
  const std::string large = pattern(1, 100'000);
  EXPECT_FALSE(output().append(large));
  EXPECT_FALSE(output().rewrite(0, large, 3));
  const auto slot = area_->open_slot({.connection = 2, .peer = {}});
  ASSERT_FALSE(slot.has_value());
  EXPECT_EQ(slot.error(), ENOMEM);
  EXPECT_EQ(output().view(), "one");
  EXPECT_TRUE(output().append("two")) << "there is room in the page it has";
  ASSERT_GE(::dup2(kept.get(), area_->fd()), 0);
  EXPECT_TRUE(output().append(large));
  EXPECT_EQ(output().view(), "onetwo" + large);
}

TEST_F(WireBytesTest, ASlowReaderCostsMemoryForWhatIsUnsentOnly) {
  const std::uint64_t before = pages_of(area_->fd());
  Pair pair = make_pair();
  std::string received;
  std::string appended;
  std::uint64_t most = 0;
  for (std::uint64_t i = 0; i < 4000; ++i) {
    const std::string frame = pattern(i, 1 + i * 37 % 3000);
    append_published(frame);
    appended += frame;
    while (output().size() > 200'000) {
      received += read_all(pair.peer.get());
      ASSERT_TRUE(slot_->send(pair.ours.get()).has_value());
      publish(output().end());
    }
    most = std::max(most, pages_of(area_->fd()) - before);
    if (i % 97 == 0) restart();
  }
  EXPECT_GT(appended.size(), 5'000'000U);
  EXPECT_LT(most, 800'000 / wire_layout::kPage);
  while (slot_->send(pair.ours.get()).value_or(0) > 0) received += read_all(pair.peer.get());
  EXPECT_EQ(received, appended);
}

TEST_F(WireBytesTest, ABurstGivesItsMemoryBackWhenItIsOut) {
  const std::uint64_t before = pages_of(area_->fd());
  append_published(pattern(1, 900'000));
  EXPECT_GT(pages_of(area_->fd()), before + 200);
  slot_->discard_sendable();
  output().forget_dead();
  EXPECT_LE(pages_of(area_->fd()), before + 16);
  append_published("still good");
  restart();
  EXPECT_EQ(sendable(), "still good");
}

TEST_F(WireBytesTest, ABurstOfThePredecessorGivesItsMemoryBackToo) {
  const std::uint64_t before = pages_of(area_->fd());
  append_published(pattern(1, 900'000));
  restart();
  slot_->discard_sendable();
  output().forget_dead();
  EXPECT_LE(pages_of(area_->fd()), before + 16);
}

TEST_F(WireBytesTest, WhatIsAllSentIsForgottenByTheNextAppend) {
  append_published("one");
  slot_->discard_sendable();
  EXPECT_EQ(output().view(), "one") << "who keeps books of it may want to look";
  append("two");
  EXPECT_EQ(output().view(), "two");
  EXPECT_EQ(output().begin(), 3U);
  restart();
  EXPECT_EQ(output().view(), "") << "not published, and written over what was sent";
  EXPECT_EQ(output().end(), 3U);
}

TEST_F(WireBytesTest, AClearedLogIsEmptyAndGivesItsMemoryBack) {
  const std::uint64_t before = pages_of(area_->fd());
  ASSERT_TRUE(slot_->log().append(pattern(1, 200'000)));
  auto progress = slot_->progress();
  progress.log_end = slot_->log().end();
  slot_->publish(progress);
  restart();
  EXPECT_EQ(slot_->log().view(), pattern(1, 200'000));
  progress = slot_->progress();
  progress.log_begin = progress.log_end;
  slot_->publish(progress);
  EXPECT_EQ(slot_->log().view(), "");
  EXPECT_LE(pages_of(area_->fd()), before + 16);
  ASSERT_TRUE(slot_->log().append("next"));
  progress = slot_->progress();
  progress.log_end = slot_->log().end();
  slot_->publish(progress);
  restart();
  EXPECT_EQ(slot_->log().view(), "next");
}

}  // namespace
}  // namespace vxs::daemon::test
