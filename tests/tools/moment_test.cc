#include "store/history_reader/moment.hh"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

namespace vxs::store::reader {
namespace {

constexpr std::int64_t kNow = 1'700'000'000'250'000;  // 2023-11-14T22:13:20.25Z

class MomentTest : public testing::Test {
 protected:
  void SetUp() override {
    setenv("TZ", "UTC-1", 1);  // an hour east
    tzset();
  }
  void TearDown() override {
    unsetenv("TZ");
    tzset();
  }
  static std::int64_t time_of(std::string_view text) {
    const auto moment = parse_moment(text, kNow);
    return moment && moment->kind == Moment::Kind::kTime ? moment->time_us : -1;
  }
};

TEST_F(MomentTest, DigitsAreASeq) {
  const auto moment = parse_moment("1234", kNow);
  ASSERT_TRUE(moment);
  EXPECT_EQ(moment->kind, Moment::Kind::kSeq);
  EXPECT_EQ(moment->seq, 1234u);
  EXPECT_EQ(parse_moment("seq:18446744073709551615", kNow)->seq, ~Seq{0});
}

TEST_F(MomentTest, HexadecimalDigitsAreACommit) {
  const auto moment = parse_moment("1a2b3c4", kNow);
  ASSERT_TRUE(moment);
  EXPECT_EQ(moment->kind, Moment::Kind::kCommit);
  EXPECT_EQ(moment->commit, "1a2b3c4");
  EXPECT_EQ(parse_moment(std::string(40, '1'), kNow)->kind, Moment::Kind::kCommit);
  EXPECT_FALSE(parse_moment("1a2b3c", kNow));
  EXPECT_FALSE(parse_moment(std::string(41, 'a'), kNow));
}

TEST_F(MomentTest, AgesCountBack) {
  EXPECT_EQ(time_of("-5m"), kNow - 300'000'000);
  EXPECT_EQ(time_of("-2h30m"), kNow - 9'000'000'000);
  EXPECT_EQ(time_of("-1w"), kNow - 7 * 86'400'000'000);
  for (const char* bad : {"-", "-5", "-m", "-5x", "-5m3", "-99999999999999999999s", "--5m"}) {
    EXPECT_FALSE(parse_moment(bad, kNow)) << bad;
  }
}

TEST_F(MomentTest, TimesAreLocalUnlessAZoneIsGiven) {
  EXPECT_EQ(time_of("2023-11-14T23:13:20.25"), kNow);
  EXPECT_EQ(time_of("2023-11-14 23:13:20.250"), kNow);
  EXPECT_EQ(time_of("2023-11-14T22:13:20.25Z"), kNow);
  EXPECT_EQ(time_of("2023-11-14T20:13:20.25-02:00"), kNow);
  EXPECT_EQ(time_of("2023-11-14"), kNow - (23 * 3600 + 13 * 60 + 20) * 1'000'000LL - 250'000);
  EXPECT_EQ(time_of("23:13:20.25"), kNow);
  EXPECT_EQ(time_of("23:13"), kNow - 20'250'000);
  EXPECT_EQ(time_of("@1700000000.25"), kNow);
}

TEST_F(MomentTest, NonsenseIsAUsageErrorThatListsTheForms) {
  for (const char* bad : {"", "yesterday", "2023-02-30", "2023-13-01", "25:00", "12:60", "@", "@1.",
                          "2023-11-14T22:13:20+1", "2023-11-14T22:13:20Zx", "1.5", "seq:"}) {
    const auto moment = parse_moment(bad, kNow);
    ASSERT_FALSE(moment) << bad;
    EXPECT_EQ(moment.error().kind, ReadError::Kind::kUsage);
    EXPECT_NE(moment.error().message.find("-5m"), std::string::npos);
  }
}

TEST_F(MomentTest, TimesArePrintedLocalAndInUtc) {
  EXPECT_EQ(format_local_time(kNow), "2023-11-14 23:13:20.250");
  EXPECT_EQ(format_local_time(1'700'000'000'000'000), "2023-11-14 23:13:20");
  EXPECT_EQ(format_utc_time(kNow), "2023-11-14T22:13:20.250000Z");
}

}  // namespace
}  // namespace vxs::store::reader
