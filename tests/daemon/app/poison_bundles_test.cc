#include "daemon/app/poison_bundles.hh"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/support/temp_dir.hh"

namespace vxs::test {
namespace {

using daemon::PoisonBundles;
using daemon::PoisonedRequest;
using testing::HasSubstr;
using testing::Not;

PoisonedRequest request() {
  PoisonedRequest request;
  request.time_us = 1'763'832'000'000'000;  // 2025-11-22T17:20:00Z
  request.connection = 17;
  request.who = "connection 17 (pid 5)";
  request.ordinal = 4;
  request.header = {.type = 11, .req_id = 258, .tx_id = 3, .len = 4};
  request.payload = std::string_view("/a\0\x1b", 4);
  request.died_of = "a death of signal 6";
  request.version = "1.2.3";
  return request;
}

std::string read_all(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class Bundles : public testing::Test {
 protected:
  support::TempDir dir_;
  std::string where_ = dir_.path() + "/poison";
  PoisonBundles bundles_{where_};
};

TEST_F(Bundles, OneSaysWhoAskedWhatAndHowTheDaemonDied) {
  const auto path = bundles_.write(request());
  ASSERT_TRUE(path.has_value()) << path.error();
  EXPECT_EQ(*path, where_ + "/20251122T172000Z-17-4");
  const std::string text = read_all(*path);
  for (const char* part :
       {"time: 2025-11-22T17:20:00Z\n", "version: 1.2.3\n", "died-of: a death of signal 6\n",
        "connection: connection 17 (pid 5)\n", "ordinal: 4\n", "type: 11 WRITE\n", "req-id: 258\n",
        "tx-id: 3\n", "payload-bytes: 4\n"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
  EXPECT_THAT(text,
              HasSubstr("its payload:\n0000  2f 61 00 1b                                      "
                        "|/a..|\n"));
}

TEST_F(Bundles, OnlyTheOwnerMayReadThem) {
  const auto path = bundles_.write(request());
  ASSERT_TRUE(path.has_value()) << path.error();
  struct stat status {};
  ASSERT_EQ(::stat(path->c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  ASSERT_EQ(::stat(where_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700U);
}

TEST_F(Bundles, TheLastLinesOfTheTraceAreInIt) {
  const std::string trace = dir_.path() + "/trace";
  {
    std::ofstream file(trace);
    for (int i = 0; i < 5000; ++i) file << "line " << i << " of the trace\n";
  }
  PoisonedRequest one = request();
  one.trace_file = trace;
  const auto path = bundles_.write(one);
  ASSERT_TRUE(path.has_value()) << path.error();
  const std::string text = read_all(*path);
  EXPECT_THAT(text, HasSubstr("end of the trace:\nline "));
  EXPECT_THAT(text, HasSubstr("\nline 4999 of the trace\n"));
  EXPECT_THAT(text, Not(HasSubstr("line 100 of")));
}

TEST_F(Bundles, EachHasALimitAndSoDoesTheirNumber) {
  PoisonedRequest one = request();
  const std::string payload(4096, '\x01');
  one.payload = payload;
  const std::string trace(PoisonBundles::kMostBytes, 'x');
  EXPECT_EQ(daemon::poison_text(one, trace, "").size(), PoisonBundles::kMostBytes);
  for (std::uint64_t i = 0; i < 25; ++i) {
    one.ordinal = 100 + i;
    one.time_us += 1'000'000;
    ASSERT_TRUE(bundles_.write(one).has_value());
  }
  const auto kept = bundles_.kept();
  EXPECT_EQ(kept.count, PoisonBundles::kMostFiles);
  EXPECT_TRUE(kept.newest.ends_with("-17-124")) << kept.newest;
  for (const auto& entry : std::filesystem::directory_iterator(where_)) {
    EXPECT_THAT(entry.path().string(), Not(HasSubstr("-17-104")));
  }
}

TEST_F(Bundles, NothingIsWorseThanASentenceWhereTheyCannotBeWritten) {
  EXPECT_EQ(bundles_.kept().count, 0U);
  { std::ofstream file(where_); }
  const auto path = bundles_.write(request());
  ASSERT_FALSE(path.has_value());
  EXPECT_THAT(path.error(), HasSubstr(where_));
  EXPECT_EQ(bundles_.kept().count, 0U);
  const PoisonBundles nowhere("/nonexistent/poison");
  EXPECT_FALSE(nowhere.write(request()).has_value());
}

TEST_F(Bundles, AnExistingOneIsNotOverwritten) {
  ASSERT_TRUE(bundles_.write(request()).has_value());
  EXPECT_FALSE(bundles_.write(request()).has_value());
}

}  // namespace
}  // namespace vxs::test
