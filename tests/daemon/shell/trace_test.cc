// The trace file: the C daemon's line format, switches, reopening, failing writes.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "daemon/logging/trace_file.hh"
#include "tests/support/temp_dir.hh"

namespace vxs::logging {
namespace {

using protocol::Error;
using ::testing::HasSubstr;

const void* pointer(std::uintptr_t value) { return reinterpret_cast<const void*>(value); }

/// 2026-11-22 07:16:05 in the zone of the process.
std::time_t moment() {
  std::tm local{};
  local.tm_year = 126;
  local.tm_mon = 10;
  local.tm_mday = 22;
  local.tm_hour = 7;
  local.tm_min = 16;
  local.tm_sec = 5;
  local.tm_isdst = -1;
  return std::mktime(&local);
}

TEST(TraceFormat, I10_MessageLine) {
  EXPECT_EQ(trace_io_line(TraceDirection::kIn, pointer(0x55d0), 7, "WRITE",
                          std::string_view("/a\0b", 4), moment()),
            "io: IN 0x55d0 (d7) 20261122 07:16:05 WRITE (/a b)\n");
  EXPECT_EQ(trace_io_line(TraceDirection::kOut, pointer(0x1), 0, "READ", "", moment()),
            "io: OUT 0x1 (d0) 20261122 07:16:05 READ ()\n");
}

TEST(TraceFormat, I10_DirectionsOfPartialWrites) {
  const auto begin = [](TraceDirection direction) {
    const std::string line = trace_io_line(direction, pointer(1), 0, "READ", "", moment());
    return line.substr(0, line.find(" 0x"));
  };
  EXPECT_EQ(begin(TraceDirection::kOutStart), "io: OUT(START)");
  EXPECT_EQ(begin(TraceDirection::kOutEnd), "io: OUT(END)");
  EXPECT_EQ(begin(TraceDirection::kOutError), "io: OUT(ERR)");
}

TEST(TraceFormat, I10_GuestCannotWriteLinesOfItsOwn) {
  const std::string line =
      trace_io_line(TraceDirection::kIn, pointer(1), 5, "WRITE",
                    std::string_view("/a\0x\n***\nio: \x1b[2J\xff\0", 19), moment());
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  EXPECT_THAT(line, HasSubstr("(/a x\\n***\\nio: \\x1b[2J\\xff"));
}

TEST(TraceFormat, I10_ObjectAndTextLines) {
  EXPECT_EQ(trace_object_line(true, "watch", pointer(0x2a)), "obj: CREATE watch 0x2a\n");
  EXPECT_EQ(trace_object_line(false, "connection", pointer(0x2a)),
            "obj: DESTROY connection 0x2a\n");
  EXPECT_EQ(trace_text_line(TraceSwitch::kWrl, "dom 5\nlimited"), "wrl: dom 5\\nlimited\n");
  EXPECT_EQ(trace_text_line(TraceSwitch::kAcc, "x"), "acc: x\n");
  EXPECT_EQ(trace_text_line(TraceSwitch::kTdb, "x"), "tdb: x\n");
}

class Trace : public ::testing::Test {
 protected:
  [[nodiscard]] std::string in(const std::string& name) const { return dir_.path() + "/" + name; }
  [[nodiscard]] std::string content(const std::string& name) const {
    std::ifstream stream(in(name));
    std::ostringstream text;
    text << stream.rdbuf();
    return text.str();
  }

  support::TempDir dir_;
  TraceFile trace_{dir_.path() + "/logs"};
};

TEST_F(Trace, IsOffUntilAFileIsNamed) {
  for (const TraceSwitch which : kTraceSwitches) EXPECT_FALSE(trace_.wants(which));
  trace_.created("watch", pointer(1));  // harmless
  EXPECT_FALSE(trace_.is_open());
  EXPECT_EQ(trace_.lost_lines(), 0U);
}

TEST_F(Trace, I10_OpensPrivateAppendingWithAMark) {
  { std::ofstream(in("t")) << "old\n"; }
  ASSERT_TRUE(trace_.set_file(in("t")).has_value());
  trace_.created("connection", pointer(0x10));
  trace_.io(TraceDirection::kIn, pointer(0x10), 0, "READ", "/", moment());
  EXPECT_EQ(content("t"),
            "old\n\n***\nobj: CREATE connection 0x10\n"
            "io: IN 0x10 (d0) 20261122 07:16:05 READ (/)\n");
  ASSERT_TRUE(trace_.set_file(in("new")).has_value());
  struct stat status {};
  ASSERT_EQ(::stat(in("new").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
}

TEST_F(Trace, I12_H2_RelativeNamesAreUnderTheLogDirectory) {
  ASSERT_TRUE(trace_.set_file("guest.log").has_value());
  EXPECT_EQ(trace_.file(), in("logs/guest.log"));
  EXPECT_EQ(content("logs/guest.log"), "\n***\n");
}

TEST_F(Trace, I10_DefaultSwitchesAreObjAndIo) {
  ASSERT_TRUE(trace_.set_file(in("t")).has_value());
  EXPECT_TRUE(trace_.wants(TraceSwitch::kObj));
  EXPECT_TRUE(trace_.wants(TraceSwitch::kIo));
  EXPECT_FALSE(trace_.wants(TraceSwitch::kWrl));
  EXPECT_FALSE(trace_.wants(TraceSwitch::kAcc));
  EXPECT_FALSE(trace_.wants(TraceSwitch::kTdb));
  EXPECT_EQ(trace_.settings_text(),
            "Log switch settings:\nobj: on\nio: on\nwrl: off\nacc: off\ntdb: off\n");
}

TEST_F(Trace, H2_LogTurnsSwitchesOnAndOff) {
  ASSERT_TRUE(trace_.control("+wrl").has_value());  // also while no file is open
  ASSERT_TRUE(trace_.set_file(in("t")).has_value());
  ASSERT_TRUE(trace_.control("-obj").has_value());
  trace_.created("watch", pointer(1));
  trace_.text(TraceSwitch::kWrl, "slow");
  trace_.text(TraceSwitch::kAcc, "not wanted");
  EXPECT_EQ(content("t"), "\n***\nwrl: slow\n");
  EXPECT_EQ(trace_.settings_text(),
            "Log switch settings:\nobj: off\nio: on\nwrl: on\nacc: off\ntdb: off\n");
}

TEST_F(Trace, H2_BadSwitchesAreInvalid) {
  for (const char* bad : {"", "io", "+", "+tea", "-tea", "On", "+io "}) {
    EXPECT_EQ(trace_.control(bad), tl::make_unexpected(Error::kInval)) << bad;
  }
  EXPECT_EQ(trace_.control("on"), tl::make_unexpected(Error::kInval));  // no file was ever named
}

TEST_F(Trace, H2_LogOffClosesAndOnReopens) {
  ASSERT_TRUE(trace_.set_file(in("t")).has_value());
  ASSERT_TRUE(trace_.control("off").has_value());
  EXPECT_FALSE(trace_.is_open());
  EXPECT_FALSE(trace_.wants(TraceSwitch::kIo));
  trace_.created("watch", pointer(1));
  ASSERT_TRUE(trace_.control("on").has_value());
  EXPECT_EQ(content("t"), "\n***\n\n***\n");
}

TEST_F(Trace, I9_ReopenFollowsARotatedFile) {
  ASSERT_TRUE(trace_.set_file(in("t")).has_value());
  ASSERT_EQ(::rename(in("t").c_str(), in("t.1").c_str()), 0);
  trace_.created("watch", pointer(1));
  ASSERT_TRUE(trace_.reopen().has_value());
  trace_.created("watch", pointer(2));
  EXPECT_EQ(content("t.1"), "\n***\nobj: CREATE watch 0x1\n");
  EXPECT_EQ(content("t"), "\n***\nobj: CREATE watch 0x2\n");
}

TEST_F(Trace, I9_ReopenLeavesAClosedTraceClosed) {
  ASSERT_TRUE(trace_.reopen().has_value());
  EXPECT_FALSE(trace_.is_open());
  ASSERT_TRUE(trace_.set_file(in("t")).has_value());
  ASSERT_TRUE(trace_.control("off").has_value());
  ASSERT_TRUE(trace_.reopen().has_value());
  EXPECT_FALSE(trace_.is_open());
}

TEST_F(Trace, H2_LogfileThatCannotBeOpenedTurnsTracingOffWithItsError) {
  ASSERT_TRUE(trace_.set_file(in("t")).has_value());
  EXPECT_EQ(trace_.set_file(in("nowhere/t")), tl::make_unexpected(Error::kNoent));
  EXPECT_FALSE(trace_.is_open());
  EXPECT_FALSE(trace_.wants(TraceSwitch::kIo));
  EXPECT_EQ(trace_.set_file(""), tl::make_unexpected(Error::kInval));
  EXPECT_EQ(trace_.set_file(std::string_view("a\0b", 3)), tl::make_unexpected(Error::kInval));
}

TEST_F(Trace, WriteErrorsAreCountedAndOtherwiseIgnored) {
  ASSERT_TRUE(trace_.set_file("/dev/full").has_value());
  const std::uint64_t before = trace_.lost_lines();
  trace_.created("watch", pointer(1));
  EXPECT_EQ(trace_.lost_lines(), before + 1);
  EXPECT_TRUE(trace_.is_open());
}

TEST_F(Trace, FifoWithoutAReaderDoesNotBlock) {
  ASSERT_EQ(::mkfifo(in("fifo").c_str(), 0600), 0);
  EXPECT_FALSE(trace_.set_file(in("fifo")).has_value());
}

TEST_F(Trace, H2_MemreportGoesToTheTraceIfOneIsOpen) {
  EXPECT_EQ(trace_.append("report\n"), tl::make_unexpected(Error::kInval));
  ASSERT_TRUE(trace_.set_file(in("t")).has_value());
  ASSERT_TRUE(trace_.append("report\n").has_value());
  EXPECT_EQ(content("t"), "\n***\nreport\n");
}

}  // namespace
}  // namespace vxs::logging
