#include "protocol/ring_page.hh"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <thread>

namespace vxs::protocol {
namespace {

class RingPageTest : public testing::Test {
 protected:
  // Both indices of a direction, as a guest may have left them.
  void start_at(RingDirection direction, std::uint32_t cons, std::uint32_t prod) {
    const bool requests = direction == RingDirection::kRequests;
    page.store(requests ? kRingReqCons : kRingRspCons, cons);
    page.store(requests ? kRingReqProd : kRingRspProd, prod);
  }
  std::size_t produce(RingDirection direction, std::string_view bytes) {
    auto writer = RingWriter::look(page, direction);
    if (!writer) return 0;
    const std::size_t count = std::min<std::size_t>(bytes.size(), writer->room());
    writer->write(bytes.substr(0, count));
    writer->publish();
    return count;
  }
  std::string consume(RingDirection direction, std::size_t limit = kRingSize) {
    auto reader = RingReader::look(page, direction);
    if (!reader) return "bad index";
    std::string bytes(std::min<std::size_t>(limit, reader->available()), '?');
    reader->read(bytes);
    reader->publish();
    return bytes;
  }

  alignas(64) std::array<std::byte, kRingPageSize> memory{};
  RingPageView page{memory.data()};
};

std::string pattern(std::size_t size, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::string bytes(size, '\0');
  std::generate(bytes.begin(), bytes.end(), [&] { return static_cast<char>(random()); });
  return bytes;
}

TEST_F(RingPageTest, A15_WordsLieWhereTheInterfaceSays) {
  const auto at = [this](std::size_t offset) {
    return std::to_integer<int>(memory[offset]);  // little-endian hosts only, as Xen's are
  };
  page.set_features(0x0f);
  page.set_connection(1);
  page.set_error(3);
  page.set_evtchn_port(9);
  EXPECT_EQ(at(2064), 0x0f);
  EXPECT_EQ(at(2068), 1);
  EXPECT_EQ(at(2072), 3);
  EXPECT_EQ(at(2076), 9);
  EXPECT_EQ(page.features(), 15U);
  EXPECT_EQ(page.connection(), 1U);
  EXPECT_EQ(page.error(), 3U);
  EXPECT_EQ(page.evtchn_port(), 9U);

  produce(RingDirection::kRequests, "ab");
  produce(RingDirection::kReplies, "xyz");
  EXPECT_EQ(at(0), 'a');
  EXPECT_EQ(at(1024), 'x');
  EXPECT_EQ(at(2048), 0);
  EXPECT_EQ(at(2052), 2);
  EXPECT_EQ(at(2056), 0);
  EXPECT_EQ(at(2060), 3);
  consume(RingDirection::kRequests, 1);
  consume(RingDirection::kReplies, 2);
  EXPECT_EQ(at(2048), 1);
  EXPECT_EQ(at(2056), 2);
}

TEST_F(RingPageTest, F2_ZeroingTouchesTheFourIndicesOnly) {
  for (auto& byte : memory) byte = std::byte{0xa5};
  page.zero_indices();
  for (std::size_t i = 0; i < memory.size(); ++i) {
    const bool index = i >= 2048 && i < 2064;
    ASSERT_EQ(memory[i], index ? std::byte{0} : std::byte{0xa5}) << i;
  }
}

TEST_F(RingPageTest, A15_IndicesMayStartAnywhereAndWrapAt2To32) {
  for (const auto direction : {RingDirection::kRequests, RingDirection::kReplies}) {
    for (const std::uint32_t begin :
         {0U, 1U, 7U, 1023U, 1024U, 0x7fffffffU, 0xfffffc00U, 0xfffffffaU, 0xffffffffU}) {
      start_at(direction, begin, begin);
      for (const std::size_t size : {1U, 3U, 8U, 15U, 16U, 17U, 511U, 1023U, 1024U}) {
        const std::string bytes = pattern(size, begin + static_cast<unsigned>(size));
        ASSERT_EQ(produce(direction, bytes), size);
        ASSERT_EQ(consume(direction), bytes) << begin << " " << size;
      }
    }
  }
}

TEST_F(RingPageTest, A16_MoreThanARingBetweenTheIndicesIsRefused) {
  for (const std::uint32_t cons : {0U, 5U, 0xffffff00U}) {
    start_at(RingDirection::kRequests, cons, cons + 1024);
    EXPECT_EQ(RingReader::look(page, RingDirection::kRequests)->available(), 1024U);
    EXPECT_EQ(RingWriter::look(page, RingDirection::kRequests)->room(), 0U);
    for (const std::uint32_t distance : {1025U, 2048U, 0x80000000U, 0xffffffffU}) {
      start_at(RingDirection::kRequests, cons, cons + distance);
      EXPECT_FALSE(RingReader::look(page, RingDirection::kRequests)) << distance;
      EXPECT_FALSE(RingWriter::look(page, RingDirection::kRequests)) << distance;
      EXPECT_TRUE(RingReader::look(page, RingDirection::kReplies)) << "the other ring";
    }
  }
}

TEST_F(RingPageTest, A16_NothingIsTakenOrShownBeforeItIsPublished) {
  auto writer = RingWriter::look(page, RingDirection::kReplies);
  writer->write("hello");
  EXPECT_EQ(RingReader::look(page, RingDirection::kReplies)->available(), 0U);
  writer->publish();
  auto reader = RingReader::look(page, RingDirection::kReplies);
  ASSERT_EQ(reader->available(), 5U);
  std::string peeked(3, '?');
  reader->peek(peeked);
  EXPECT_EQ(peeked, "hel");
  std::string read(5, '?');
  reader->read(read);
  EXPECT_EQ(read, "hello");
  EXPECT_EQ(RingWriter::look(page, RingDirection::kReplies)->room(), 1019U);
  reader->publish();
  EXPECT_EQ(RingWriter::look(page, RingDirection::kReplies)->room(), 1024U);
}

TEST_F(RingPageTest, A16_ALookLoadsEachIndexOnce) {
  start_at(RingDirection::kRequests, 0, 10);
  auto reader = RingReader::look(page, RingDirection::kRequests);
  start_at(RingDirection::kRequests, 0x40000000, 0xc0000000);  // the guest changes its mind
  EXPECT_EQ(reader->available(), 10U);
  std::string bytes(4, '?');
  reader->read(bytes);
  reader->publish();
  EXPECT_EQ(page.load(kRingReqCons), 4U) << "what we publish is our own count";
}

TEST_F(RingPageTest, A16_MoreThanThereIsIsNeitherReadNorWritten) {
  // Contracts forbid it; the page and what lies behind it stay whole all the same.
  produce(RingDirection::kRequests, "abc");
  auto reader = RingReader::look(page, RingDirection::kRequests);
  std::string bytes(10, '?');
  reader->read(bytes);
  EXPECT_EQ(bytes, "abc???????");
  EXPECT_EQ(reader->available(), 0U);
  auto writer = RingWriter::look(page, RingDirection::kReplies);
  writer->write(pattern(5000));
  EXPECT_EQ(writer->room(), 0U);
  EXPECT_EQ(page.load(kRingReqProd), 3U);
}

// Producer and consumer at once, the stream whole: barriers as the interface demands.
TEST_F(RingPageTest, A16_AStreamFromAnotherThreadArrivesWhole) {
  const std::string sent = pattern(300'000);
  start_at(RingDirection::kRequests, 0xffffff80, 0xffffff80);
  std::thread guest([&] {
    std::mt19937 random(2);
    std::string_view left = sent;
    while (!left.empty()) {
      const std::size_t piece = std::min<std::size_t>(left.size(), 1 + random() % 700);
      left.remove_prefix(produce(RingDirection::kRequests, left.substr(0, piece)));
      std::this_thread::yield();
    }
  });
  std::string received;
  while (received.size() < sent.size()) {
    received += consume(RingDirection::kRequests);
    std::this_thread::yield();
  }
  guest.join();
  EXPECT_TRUE(received == sent);
}

}  // namespace
}  // namespace vxs::protocol
