// Streams kept as files (golden/README.md): bytes written by hand, and a dump of the packaged
// xenstored.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "protocol/escape.hh"
#include "tests/protocol/migration/samples.hh"

namespace vxs::protocol::migration::test {
namespace {

void expect_says(const std::string& stream, const Sample& sample) {
  const auto reader = StreamReader::open(stream);
  ASSERT_TRUE(reader) << describe(reader.error());
  EXPECT_EQ(reader->version(), sample.version);
  std::size_t at = 0;
  const auto whole = each_record(stream, [&](const Record& record) {
    ASSERT_LT(at, sample.records.size());
    EXPECT_TRUE(record == sample.records[at]) << "record " << at + 1 << "\n"
                                              << describe_stream(stream);
    ++at;
  });
  EXPECT_TRUE(whole) << describe(whole.error());
  EXPECT_EQ(at, sample.records.size());
}

TEST(GoldenStream, H8_Version1SaysWhatTheDocumentSays) {
  expect_says(golden_bytes("version-1.hex"), sample_version_1());
}

TEST(GoldenStream, H8_Version2SaysWhatTheDocumentSays) {
  expect_says(golden_bytes("version-2.hex"), sample_version_2());
}

TEST(GoldenStream, H8_TheOtherByteOrderSaysTheSame) {
  expect_says(golden_bytes("version-2-big.hex"), sample_version_2());
}

TEST(GoldenStream, H8_Version1IsWrittenByteByByte) {
  EXPECT_EQ(escaped(encode(sample_version_1(), ByteOrder::kLittle)),
            escaped(golden_bytes("version-1.hex")));
}

TEST(GoldenStream, H11_L15_Version2IsWrittenByteByByte) {
  EXPECT_EQ(escaped(encode(sample_version_2(), ByteOrder::kLittle)),
            escaped(golden_bytes("version-2.hex")));
  EXPECT_EQ(escaped(encode(sample_version_2(), ByteOrder::kBig)),
            escaped(golden_bytes("version-2-big.hex")));
}

TEST(GoldenStream, H9_WhatTheStockDaemonWroteIsRead) {
  const std::string text = describe_stream(golden_bytes("xenstored-4.17.bin"));
  const char* const accept = std::getenv("VXS_ACCEPT");
  if (accept != nullptr && std::string_view(accept) == "1") {
    std::ofstream(VXS_STREAM_GOLDEN_DIR "/xenstored-4.17.txt", std::ios::binary) << text;
  }
  EXPECT_EQ(text, golden_bytes("xenstored-4.17.txt"));
}

// Record by record the same bytes: padding, lengths and order are the C daemon's.
TEST(GoldenStream, H10_WhatTheStockDaemonWroteIsWrittenAgainByteByByte) {
  const std::string stream = golden_bytes("xenstored-4.17.bin");
  std::string again;
  StreamWriter writer(again, Version::k1, ByteOrder::kLittle);
  ASSERT_TRUE(each_record(stream, [&](const Record& record) { ASSERT_TRUE(writer.put(record)); }));
  EXPECT_EQ(escaped(again), escaped(stream));
}

TEST(GoldenStream, H11_InVersion1AWatchIsWrittenWithoutItsDepth) {
  std::string out;
  StreamWriter writer(out, Version::k1);
  ASSERT_TRUE(writer.put(Watch{.connection = 1, .path = "/a", .token = "t", .depth = 2}));
  ASSERT_TRUE(writer.put(End{}));
  EXPECT_EQ(describe_stream(out), "WATCH_DATA connection=1 /a token=t\nEND\n");
}

TEST(GoldenStream, H10_InVersion1FeaturesAreWrittenAsZero) {
  std::string out;
  StreamWriter writer(out, Version::k1, ByteOrder::kLittle);
  ASSERT_TRUE(writer.put(Domain{.domid = 1, .features = 0xffffffff}));
  EXPECT_EQ(escaped(out.substr(kStreamHeaderBytes + kRecordHeaderBytes)),
            "\\x01\\0\\0\\0\\0\\0\\0\\0");
}

}  // namespace
}  // namespace vxs::protocol::migration::test
