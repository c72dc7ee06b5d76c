#include "protocol/wire.hh"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string>

#include "tests/protocol/bytes.hh"

namespace vxs::protocol {
namespace {

std::string frame(std::uint32_t len, std::string_view payload) {
  const auto header = encode_header({.type = 2, .req_id = 7, .tx_id = 9, .len = len});
  return std::string(header.data(), header.size()).append(payload);
}

TEST(Wire, A5_HeaderIsFourNativeWordsInOrder) {
  const auto encoded = encode_header({.type = 1, .req_id = 0xa0b0c0d0, .tx_id = 3, .len = 4});
  std::array<std::uint32_t, 4> words{};
  static_assert(sizeof(words) == sizeof(encoded));
  std::memcpy(words.data(), encoded.data(), sizeof(words));
  EXPECT_EQ(words, (std::array<std::uint32_t, 4>{1, 0xa0b0c0d0, 3, 4}));
}

TEST(Wire, A5_AppendedFrameCarriesIdsVerbatim) {
  std::string out = "before";
  ASSERT_TRUE(append_frame(out, MessageType::kError, 0xffffffff, 0x80000000, bytes("ENOENT\0")));
  const DecodeResult result = decode_frame(std::string_view(out).substr(6));
  ASSERT_EQ(result.status, DecodeStatus::kFrame);
  EXPECT_EQ(result.header,
            (Header{.type = 16, .req_id = 0xffffffff, .tx_id = 0x80000000, .len = 7}));
  EXPECT_EQ(result.payload, bytes("ENOENT\0"));
  EXPECT_EQ(result.consumed, out.size() - 6);
  EXPECT_TRUE(out.starts_with("before"));
}

TEST(Wire, A6_Payload4096IsLegalAnd4097IsTooLong) {
  const std::string most(kMaxPayload, 'x');
  const std::string legal = frame(4096, most);
  EXPECT_EQ(decode_frame(legal).status, DecodeStatus::kFrame);
  EXPECT_EQ(decode_frame(legal).payload, most);
  EXPECT_EQ(decode_frame(frame(4097, most + "x")).status, DecodeStatus::kTooLong);
}

TEST(Wire, A7_TooLongIsKnownFromTheHeaderAlone) {
  for (const std::uint32_t len : {4097U, 0x7fffffffU, 0x80000000U, 0xffffffffU}) {
    const DecodeResult result = decode_frame(frame(len, ""));
    EXPECT_EQ(result.status, DecodeStatus::kTooLong) << len;
    EXPECT_EQ(result.header.len, len);
    EXPECT_EQ(result.header.req_id, 7U);
    EXPECT_TRUE(result.payload.empty());
    EXPECT_EQ(result.consumed, 0U);
  }
}

TEST(Wire, A6_NothingButTheLengthIsChecked) {
  std::string bytes_in = frame(0, "");
  const std::uint32_t strange = 0xdeadbeef;
  std::memcpy(bytes_in.data(), &strange, sizeof(strange));
  const DecodeResult result = decode_frame(bytes_in);
  EXPECT_EQ(result.status, DecodeStatus::kFrame);
  EXPECT_EQ(result.header.type, strange);
}

TEST(Wire, A9_EmptyPayloadIsAFrameAtOnce) {
  const std::string whole = frame(0, "");
  const DecodeResult result = decode_frame(whole);
  ASSERT_EQ(result.status, DecodeStatus::kFrame);
  EXPECT_TRUE(result.payload.empty());
  EXPECT_EQ(result.consumed, kHeaderSize);
}

TEST(Wire, A10_EveryCutOfAFrameSaysHowMuchIsMissing) {
  const std::string whole = frame(3, "abc");
  for (std::size_t have = 0; have < whole.size(); ++have) {
    const DecodeResult result = decode_frame(std::string_view(whole).substr(0, have));
    EXPECT_EQ(result.status, DecodeStatus::kNeedMore) << have;
    EXPECT_EQ(result.missing, (have < kHeaderSize ? kHeaderSize : whole.size()) - have);
    EXPECT_EQ(result.consumed, 0U);
  }
}

TEST(Wire, A10_BytesBehindAFrameAreLeftAlone) {
  const std::string whole = frame(3, "abc") + frame(1, "d");
  const DecodeResult first = decode_frame(whole);
  ASSERT_EQ(first.status, DecodeStatus::kFrame);
  EXPECT_EQ(first.payload, "abc");
  const DecodeResult second = decode_frame(std::string_view(whole).substr(first.consumed));
  ASSERT_EQ(second.status, DecodeStatus::kFrame);
  EXPECT_EQ(second.payload, "d");
  EXPECT_EQ(first.consumed + second.consumed, whole.size());
}

TEST(Wire, B0_6_OverlongReplyIsRefusedAndAppendsNothing) {
  std::string out = "before";
  EXPECT_FALSE(append_frame(out, MessageType::kRead, 1, 0, std::string(kMaxPayload + 1, 'x')));
  EXPECT_EQ(out, "before");
  EXPECT_TRUE(append_frame(out, MessageType::kRead, 1, 0, std::string(kMaxPayload, 'x')));
}

TEST(Wire, B0_1_OnlyTypesWithAHandlerAreRequests) {
  for (std::uint32_t type = 0; type < 70000; ++type) {
    const bool expected = type < 27 && type != 15 && type != 16 && type != 20;
    EXPECT_EQ(is_request_type(type), expected) << type;
  }
  EXPECT_FALSE(is_request_type(0xffffffff));
}

TEST(Wire, I10_TypesHaveTheirTraceNames) {
  const char* const names[] = {"CONTROL",
                               "DIRECTORY",
                               "READ",
                               "GET_PERMS",
                               "WATCH",
                               "UNWATCH",
                               "TRANSACTION_START",
                               "TRANSACTION_END",
                               "INTRODUCE",
                               "RELEASE",
                               "GET_DOMAIN_PATH",
                               "WRITE",
                               "MKDIR",
                               "RM",
                               "SET_PERMS",
                               "WATCH_EVENT",
                               "ERROR",
                               "IS_DOMAIN_INTRODUCED",
                               "RESUME",
                               "SET_TARGET",
                               "UNKNOWN",
                               "RESET_WATCHES",
                               "DIRECTORY_PART",
                               "GET_FEATURE",
                               "SET_FEATURE",
                               "GET_QUOTA",
                               "SET_QUOTA",
                               "UNKNOWN"};
  std::uint32_t type = 0;
  for (const char* const name : names) EXPECT_EQ(message_name(type++), name);
  EXPECT_EQ(message_name(0xffffffffU), "UNKNOWN");
  EXPECT_EQ(message_name(MessageType::kSetQuota), "SET_QUOTA");
  EXPECT_EQ(message_name(MessageType::kDirectoryPart), "DIRECTORY_PART");
}

}  // namespace
}  // namespace vxs::protocol
