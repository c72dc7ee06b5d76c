// The bytes of one exchange of every message type, kept in golden/<name>.bin
// with a readable twin in golden/<name>.txt, so that no release can change the
// wire by accident. VXS_ACCEPT=1 rewrites both: commit only what you meant.
// The files are little-endian, as every machine Xen runs on today.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "protocol/escape.hh"
#include "protocol/wire.hh"
#include "tests/protocol/bytes.hh"

namespace vxs::protocol {
namespace {

struct SampleFrame {
  MessageType type;
  std::uint32_t req_id;
  std::uint32_t tx_id;
  std::string_view payload;
};

/// One golden file.
struct Exchange {
  MessageType type;
  std::vector<SampleFrame> frames;
};

Exchange call(MessageType type, std::string_view request, std::string_view reply,
              std::uint32_t tx_id = 0) {
  return {type, {{type, 0x01020304, tx_id, request}, {type, 0x01020304, tx_id, reply}}};
}

std::vector<Exchange> exchanges() {
  using enum MessageType;
  const std::string_view ok = bytes("OK\0");
  return {
      call(kControl,
           bytes("quota\0set\0nodes\0"
                 "2000\0"),
           ok),
      call(kDirectory, bytes("/tool\0"), bytes("xenstored\0vxs\0")),
      call(kRead, bytes("/x\0"), bytes("raw \xff value\0with NUL"), 7),
      call(kGetPerms, bytes("@releaseDomain\0"), bytes("n0\0r32757\0")),
      call(kWatch,
           bytes("device\0token\0"
                 "2\0"),
           ok),
      call(kUnwatch, bytes("device\0\0"), ok),
      call(kTransactionStart, bytes("\0"), bytes("4294967295\0")),
      call(kTransactionEnd, bytes("T\0"), ok, 0xffffffff),
      call(kIntroduce,
           bytes("5\0"
                 "1044476\0"
                 "2\0"),
           ok),
      call(kRelease, bytes("5\0"), ok),
      call(kGetDomainPath, bytes("007\0"), bytes("/local/domain/7\0")),
      call(kWrite, bytes("/x\0value"), ok, 1),
      call(kMkdir, bytes("/x/y\0"), ok),
      call(kRm, bytes("/x\0"), ok),
      call(kSetPerms, bytes("/x\0n5\0r0x7\0"), ok),
      {kWatchEvent, {{kWatchEvent, 0, 0, bytes("device/vif/0/state\0token\0")}}},
      {kError, {{kRead, 9, 3, bytes("/missing\0")}, {kError, 9, 3, bytes("ENOENT\0")}}},
      call(kIsDomainIntroduced, bytes("32752\0"), bytes("T\0")),
      call(kResume, bytes("5\0"), ok),
      call(kSetTarget,
           bytes("6\0"
                 "5\0"),
           ok),
      call(kResetWatches, bytes("\0"), ok),
      call(kDirectoryPart,
           bytes("/x\0"
                 "0\0"),
           bytes("42\0a\0b\0\0")),
      call(kGetFeature, bytes(""), bytes("14\0")),
      call(kSetFeature,
           bytes("5\0"
                 "6\0"),
           ok),
      call(kGetQuota, bytes("5\0nodes\0"), bytes("1000\0")),
      call(kSetQuota,
           bytes("5\0nodes\0"
                 "0\0"),
           ok),
  };
}

std::string file_name(MessageType type) {
  std::string name(message_name(type));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name;
}

std::string encode(const Exchange& exchange) {
  std::string out;
  for (const SampleFrame& frame : exchange.frames) {
    EXPECT_TRUE(append_frame(out, frame.type, frame.req_id, frame.tx_id, frame.payload));
  }
  return out;
}

/// The readable twin, written from decoded bytes: it shows what a peer reads.
std::string describe(std::string_view encoded) {
  std::string out;
  while (!encoded.empty()) {
    const DecodeResult frame = decode_frame(encoded);
    if (frame.status != DecodeStatus::kFrame) return out + "no frame\n";
    out.append(message_name(frame.header.type));
    out += " type=" + std::to_string(frame.header.type);
    out += " req=" + std::to_string(frame.header.req_id);
    out += " tx=" + std::to_string(frame.header.tx_id);
    out += " len=" + std::to_string(frame.header.len) + " payload=";
    append_escaped(out, frame.payload);
    out += '\n';
    encoded.remove_prefix(frame.consumed);
  }
  return out;
}

std::string load(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void store(const std::filesystem::path& file, std::string_view content) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out.write(content.data(), static_cast<std::streamsize>(content.size()));
  ASSERT_TRUE(out.flush()) << file;
}

const std::filesystem::path kGolden = VXS_GOLDEN_DIR;

bool is_accepting() {
  const char* const accept = std::getenv("VXS_ACCEPT");
  return accept != nullptr && std::string_view(accept) == "1";
}

TEST(GoldenFrames, A5_EveryMessageTypeKeepsItsBytes) {
  if (std::endian::native != std::endian::little) GTEST_SKIP() << "files are little-endian";
  for (const Exchange& exchange : exchanges()) {
    const std::string name = file_name(exchange.type);
    SCOPED_TRACE(name);
    const std::string encoded = encode(exchange);
    if (is_accepting()) {
      store(kGolden / (name + ".bin"), encoded);
      store(kGolden / (name + ".txt"), describe(encoded));
    }
    const std::string golden = load(kGolden / (name + ".bin"));
    EXPECT_EQ(escaped(encoded), escaped(golden));
    EXPECT_EQ(describe(golden), load(kGolden / (name + ".txt")));
  }
}

TEST(GoldenFrames, A5_EveryTypeWithANameHasAFile) {
  std::set<std::string> expected;
  for (std::uint32_t type = 0; type < kMessageTypeEnd; ++type) {
    if (message_name(type) == "UNKNOWN") continue;
    expected.insert(file_name(static_cast<MessageType>(type)) + ".bin");
    expected.insert(file_name(static_cast<MessageType>(type)) + ".txt");
  }
  std::set<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(kGolden)) {
    found.insert(entry.path().filename());
  }
  EXPECT_EQ(found, expected);
}

}  // namespace
}  // namespace vxs::protocol
