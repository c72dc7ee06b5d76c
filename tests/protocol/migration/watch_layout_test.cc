// H11: three forms of one record, told apart.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "protocol/migration/watch_layout.hh"
#include "tests/protocol/migration/samples.hh"

namespace vxs::protocol::migration::test {
namespace {

constexpr std::size_t padded(std::size_t size) { return (size + 7) & ~std::size_t{7}; }

struct WatchText {
  std::string path;
  std::string token;
  std::uint16_t depth = 0;
};

template <typename Number>
void append(std::string& out, Number value) {
  const auto bytes = number_bytes(value, kNativeOrder);
  out.append(bytes.data(), bytes.size());
}

/// A record of the form given, header and all, with what a daemon of that form counts as its
/// length.
std::string record_of(const WatchText& watch, WatchLayout layout) {
  const std::size_t strings = watch.path.size() + 1 + watch.token.size() + 1;
  const std::size_t offset = layout == WatchLayout::kSpecified ? 12
                             : layout == WatchLayout::kCut     ? 8
                                                               : 10;
  std::string out;
  append(out, static_cast<std::uint32_t>(RecordType::kWatchExtended));
  // xenstored 4.22 counts 12 bytes and writes 8.
  const std::size_t counted = layout == WatchLayout::kCut ? 12 : offset;
  append(out, static_cast<std::uint32_t>(padded(counted + strings)));
  append(out, std::uint32_t{1});
  append(out, static_cast<std::uint16_t>(watch.path.size() + 1));
  append(out, static_cast<std::uint16_t>(watch.token.size() + 1));
  if (offset >= 10) append(out, watch.depth);
  if (offset >= 12) append(out, std::uint16_t{0});
  out += watch.path + '\0' + watch.token + '\0';
  out.resize(padded(out.size()));
  return out;
}

/// A stream of such a record, with records before and behind it that show whether it kept its
/// place.
std::string stream_of(const WatchText& watch, WatchLayout layout) {
  std::string out;
  StreamWriter writer(out, Version::k2);
  EXPECT_TRUE(writer.put(Connection{.id = 1, .spec = SocketSpec{.fd = 3}}));
  out += record_of(watch, layout);
  EXPECT_TRUE(writer.put(Watch{.connection = 1, .path = "/behind", .token = "b"}));
  EXPECT_TRUE(writer.put(End{}));
  return out;
}

void expect_read(const WatchText& watch, WatchLayout layout) {
  std::vector<Watch> watches;
  const std::string stream = stream_of(watch, layout);
  const auto whole = each_record(stream, [&](const Record& record) {
    if (const auto* one = std::get_if<Watch>(&record)) watches.push_back(*one);
  });
  RC_ASSERT(whole.has_value());
  RC_ASSERT(watches.size() == 2);
  RC_ASSERT(watches[0].path == watch.path);
  RC_ASSERT(watches[0].token == watch.token);
  RC_ASSERT(watches[0].layout == layout);
  const bool has_depth = layout != WatchLayout::kCut && watch.depth != kUnlimitedDepth;
  RC_ASSERT(watches[0].depth == (has_depth ? std::optional(watch.depth) : std::nullopt));
  RC_ASSERT(watches[1].path == "/behind");
}

/// Short ones mostly: those are where the forms could be mistaken for each other.
rc::Gen<WatchText> any_watch() {
  const auto path = rc::gen::map(
      rc::gen::container<std::string>(rc::gen::element('a', '/', '@', '-', 'Z', '0')),
      [](const std::string& text) {
        return is_stream_watch_path(text) ? text : "/" + std::string(text.size() % 5, 'x');
      });
  const auto token = rc::gen::container<std::string>(
      rc::gen::oneOf(rc::gen::element('a', '/', '\1', '\xff'), rc::gen::nonZero<char>()));
  const auto depth = rc::gen::oneOf(
      rc::gen::element<std::uint16_t>(0, 1, 0x2f, 0x2f2f, 0x612f, 0x2f61, 0x40, 0xffff),
      rc::gen::arbitrary<std::uint16_t>());
  return rc::gen::map(
      rc::gen::tuple(rc::gen::resize(8, path), rc::gen::resize(6, token), depth),
      [](const auto& parts) {
        return WatchText{std::get<0>(parts), std::get<1>(parts), std::get<2>(parts)};
      });
}

RC_GTEST_PROP(WatchLayoutTest, H11_TheSpecifiedFormIsNeverTakenForAnother, ()) {
  expect_read(*any_watch(), WatchLayout::kSpecified);
}

RC_GTEST_PROP(WatchLayoutTest, H11_WhatXenstored422WritesIsReadAndKeepsItsPlace, ()) {
  expect_read(*any_watch(), WatchLayout::kCut);
}

RC_GTEST_PROP(WatchLayoutTest, H11_WhatXenstored422WouldReadIsRead, ()) {
  expect_read(*any_watch(), WatchLayout::kUnpadded);
}

// All paths and tokens of up to three letters, and the depths that look like them.
TEST(WatchLayoutTest, H11_NoShortRecordFitsTwoForms) {
  std::vector<std::string> words{""};
  for (std::size_t i = 0; words.size() < 1 + 3 + 9 + 27; ++i) {
    for (const char c : {'/', 'a', '@'}) words.push_back(words[i] + c);
  }
  std::size_t read = 0;
  for (const std::string& path : words) {
    if (!is_stream_watch_path(path)) continue;
    for (const std::string& token : words) {
      for (const unsigned number :
           {0x0000U, 0x002fU, 0x2f2fU, 0x0061U, 0x612fU, 0x2f61U, 0x4040U}) {
        const auto depth = static_cast<std::uint16_t>(number);
        for (const auto layout :
             {WatchLayout::kSpecified, WatchLayout::kCut, WatchLayout::kUnpadded}) {
          const std::string stream = stream_of({path, token, depth}, layout);
          bool found = false;
          const auto whole = each_record(stream, [&](const Record& record) {
            const auto* one = std::get_if<Watch>(&record);
            found = found || (one != nullptr && one->path == path && one->token == token &&
                              one->layout == layout);
          });
          ASSERT_TRUE(whole && found) << path << " " << token << " " << depth << "\n"
                                      << describe_stream(stream);
          ++read;
        }
      }
    }
  }
  EXPECT_GT(read, 10'000U);
}

TEST(WatchLayoutTest, H11_PaddingThatIsNotZeroIsIgnored) {
  std::string stream = stream_of({"/a", "t", 3}, WatchLayout::kSpecified);
  const std::size_t at = stream.find(std::string("/a\0t\0", 5));
  ASSERT_NE(at, std::string::npos);
  stream[at - 1] = '\x55';
  EXPECT_NE(describe_stream(stream).find("/a token=t depth=3"), std::string::npos)
      << describe_stream(stream);
}

TEST(WatchLayoutTest, H11_StringsThatAreNowhereAreAnError) {
  std::string stream = stream_of({"/abc", "t", 3}, WatchLayout::kSpecified);
  const std::size_t at = stream.find("/abc");
  ASSERT_NE(at, std::string::npos);
  stream[at] = '\0';
  const auto whole = each_record(stream, [](const Record&) {});
  ASSERT_FALSE(whole);
  EXPECT_EQ(whole.error().fault, Fault::kPath);
  EXPECT_EQ(whole.error().record, 2U);
}

}  // namespace
}  // namespace vxs::protocol::migration::test
