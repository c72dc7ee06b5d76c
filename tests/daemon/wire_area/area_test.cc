// The area: its slots come and go, a successor takes it up, and a poison request is recognised.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "tests/daemon/wire_area/support.hh"

namespace vxs::daemon::test {
namespace {

using testing::HasSubstr;

TEST(WireArea, ItsWordsOutliveTheProcess) {
  auto area = make_area();
  EXPECT_EQ(area->published_seq(), 0U);
  EXPECT_EQ(area->restarts(), 0U);
  area->set_published_seq(42);
  area->set_tag(0x1234);
  area = restart(std::move(area));
  area = restart(std::move(area));
  EXPECT_EQ(area->published_seq(), 42U);
  EXPECT_EQ(area->tag(), 0x1234U);
  EXPECT_EQ(area->restarts(), 2U);
  EXPECT_EQ(area->open_count(), 0U);
  EXPECT_EQ(area->slot_count(), kSmall.slots);
}

TEST(WireArea, TheDefaultSizeCanBeHad) {
  auto area = make_area({});
  EXPECT_LT(pages_of(area->fd()), 20U);
  open_slot(*area, 1);
  area = restart(std::move(area));
  EXPECT_NE(find_slot(*area, 1), nullptr);
  EXPECT_LT(pages_of(area->fd()), 25U) << "adoption touches no free slot";
}

TEST(WireArea, WithoutAFreeSlotNoConnectionIsKept) {
  auto area = make_area();
  for (ConnectionId id = 1; id <= kSmall.slots; ++id) open_slot(*area, id);
  const auto refused = area->open_slot({.connection = 99, .peer = {}});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error(), ENOSPC);
  EXPECT_EQ(area->open_slots().size(), kSmall.slots);
  area->close_slot(*find_slot(*area, 3));
  EXPECT_EQ(area->open_count(), kSmall.slots - 1);
  open_slot(*area, 99);
  area = restart(std::move(area));
  EXPECT_EQ(area->open_count(), kSmall.slots);
  EXPECT_EQ(find_slot(*area, 3), nullptr);
  EXPECT_NE(find_slot(*area, 99), nullptr);
}

TEST(WireArea, ASlotBeginsEmptyWhateverItsPredecessorLeft) {
  auto area = make_area();
  Pair pair = make_pair();
  WireSlot& first = open_slot(*area, 1);
  write_all(pair.peer.get(), "half a requ");
  ASSERT_TRUE(first.receive(pair.ours.get()).has_value());
  ASSERT_TRUE(first.output().append(pattern(1, 100'000)));
  ASSERT_TRUE(first.log().append("log"));
  auto progress = first.progress();
  progress.handled = 9;
  progress.out_end = first.output().end();
  progress.log_end = first.log().end();
  first.publish(progress);
  first.set_next_tx(5);
  area->close_slot(first);
  for (const bool restarted : {false, true}) {
    WireSlot& next = open_slot(*area, restarted ? 3 : 2);
    EXPECT_EQ(next.input(next.progress().in_begin), "");
    EXPECT_EQ(next.output().view(), "");
    EXPECT_EQ(next.log().view(), "");
    EXPECT_EQ(next.progress().handled, 0U);
    EXPECT_EQ(next.next_tx(), 0U);
    area->close_slot(next);
    area = restart(std::move(area));
  }
}

TEST(WireArea, ClosedConnectionsGiveTheirMemoryBack) {
  auto area = make_area({.slots = 100, .output_limit = 1 << 20, .log_limit = 1 << 20});
  const std::uint64_t before = pages_of(area->fd());
  for (ConnectionId id = 1; id <= 100; ++id) {
    WireSlot& slot = open_slot(*area, id);
    ASSERT_TRUE(slot.output().append(pattern(id, 300'000)));
    ASSERT_TRUE(slot.log().append(pattern(id, 50'000)));
  }
  EXPECT_GT(pages_of(area->fd()), before + 8000);
  for (WireSlot* slot : area->open_slots()) area->close_slot(*slot);
  EXPECT_LE(pages_of(area->fd()), before + 32 * 6) << "but for a few, kept for the next ones";
  area = restart(std::move(area));
  EXPECT_LE(pages_of(area->fd()), before);
}

TEST(WireArea, ClientsThatComeAndGoCostNoMemory) {
  auto area = make_area();
  std::uint64_t after_first = 0;
  for (ConnectionId id = 1; id <= 2000; ++id) {
    WireSlot& slot = open_slot(*area, id);
    ASSERT_TRUE(slot.output().append("a reply"));
    area->close_slot(slot);
    if (id == 1) after_first = pages_of(area->fd());
    if (id % 500 == 0) area = restart(std::move(area));
  }
  EXPECT_LE(pages_of(area->fd()), after_first);
}

// --- poison ------------------------------------------------------------------------

class WirePoison : public testing::Test {
 protected:
  void die() { area_ = restart(std::move(area_)); }
  WireSlot& slot() { return *find_slot(*area_, 5); }
  void publish_handled(std::uint64_t ordinal) {
    auto progress = slot().progress();
    progress.handled = ordinal;
    slot().publish(progress);
  }
  void SetUp() override {
    open_slot(*area_, 4);
    open_slot(*area_, 5);
  }
  std::unique_ptr<WireArea> area_ = make_area();
};

TEST_F(WirePoison, DeathsInOneRequestAreCounted) {
  publish_handled(7);
  for (unsigned deaths = 1; deaths <= 20; ++deaths) {
    area_->begin_request(slot(), 8);
    die();
    ASSERT_TRUE(area_->crash().has_value());
    EXPECT_EQ(area_->crash()->slot, slot().index());
    EXPECT_EQ(area_->crash()->ordinal, 8U);
    EXPECT_EQ(area_->crash()->count, std::min(deaths, 15U));
  }
}

TEST_F(WirePoison, DeathsOutsideOfRequestsAreNot) {
  area_->begin_request(slot(), 1);
  area_->end_request();
  die();
  EXPECT_FALSE(area_->crash().has_value());
  area_->begin_request(slot(), 1);
  publish_handled(1);
  die();
  EXPECT_FALSE(area_->crash().has_value()) << "its reply is in the output: it is not run again";
}

TEST_F(WirePoison, ADeathInRecoveryCountsNothing) {
  area_->begin_request(slot(), 1);
  for (int i = 0; i < 5; ++i) {
    die();
    EXPECT_EQ(area_->crash()->count, 1U);
  }
}

TEST_F(WirePoison, AnotherRequestBeginsAtOne) {
  area_->begin_request(slot(), 1);
  die();
  area_->begin_request(slot(), 2);
  die();
  EXPECT_EQ(area_->crash()->ordinal, 2U);
  EXPECT_EQ(area_->crash()->count, 1U);
  area_->begin_request(*find_slot(*area_, 4), 2);
  die();
  EXPECT_EQ(area_->crash()->slot, find_slot(*area_, 4)->index());
  EXPECT_EQ(area_->crash()->count, 1U);
}

TEST_F(WirePoison, AClosedConnectionsRequestIsForgotten) {
  area_->begin_request(slot(), 1);
  die();
  area_->close_slot(slot());
  EXPECT_FALSE(area_->crash().has_value());
  die();
  EXPECT_FALSE(area_->crash().has_value());
}

TEST_F(WirePoison, OrdinalsMayPassTheirFortyBits) {
  const std::uint64_t last = (std::uint64_t{3} << 40) - 1;
  publish_handled(last);
  area_->begin_request(slot(), last + 1);
  die();
  ASSERT_TRUE(area_->crash().has_value());
  EXPECT_EQ(area_->crash()->ordinal, last + 1);
}

// --- what is no area -----------------------------------------------------------------

std::string why_not(int fd) {
  const auto area = WireArea::adopt(process::Descriptor(::dup(fd)));
  return area ? "" : area.error();
}

TEST(WireAreaAdopt, RefusesWhatCouldShrinkUnderIt) {
  const process::Descriptor file(::open("/dev/zero", O_RDWR | O_CLOEXEC));
  EXPECT_THAT(why_not(file.get()), HasSubstr("not a sealed memfd"));
  const process::Descriptor open(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_THAT(why_not(open.get()), HasSubstr("not a sealed memfd"));
  EXPECT_THAT(why_not(-1), HasSubstr("not a sealed memfd"));
}

TEST(WireAreaAdopt, RefusesAnotherMemfd) {
  const process::Descriptor other(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(::fcntl(other.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
  EXPECT_NE(why_not(other.get()), "");
}

TEST(WireAreaAdopt, RefusesADamagedHeader) {
  const auto area = make_area();
  const RawArea raw(area->fd());
  const auto good = raw.header();
  EXPECT_EQ(why_not(area->fd()), "");
  raw.header().magic ^= 1;
  EXPECT_THAT(why_not(area->fd()), HasSubstr("not a wire area"));
  raw.header() = good;
  raw.header().version = wire_layout::kVersion + 1;
  EXPECT_THAT(why_not(area->fd()), HasSubstr("another layout"));
  raw.header() = good;
  raw.header().slots += 1;
  EXPECT_THAT(why_not(area->fd()), HasSubstr("damaged header"));
  raw.header().checksum = wire_layout::checksum(raw.header());
  EXPECT_THAT(why_not(area->fd()), HasSubstr("another size"));
  raw.header() = good;
  EXPECT_EQ(why_not(area->fd()), "");
}

}  // namespace
}  // namespace vxs::daemon::test
