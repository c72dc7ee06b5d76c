#include "daemon/app/update_note.hh"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

namespace vxs::daemon {
namespace {

UpdateNote sample() {
  return {.stage = UpdateNote::Stage::kPrepared,
          .connection = 7,
          .ordinal = 12,
          .seq = 1000,
          .tree_hash = 0x0123456789ABCDEF,
          .system_hash = 42,
          .stopped_us = 123456789,
          .version = "1.2.3",
          .text = ""};
}

TEST(UpdateNote, IsReadAsItWasWritten) {
  const auto fd = sample().write();
  ASSERT_TRUE(fd);
  const auto read = UpdateNote::read(fd.get());
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->stage, UpdateNote::Stage::kPrepared);
  EXPECT_EQ(read->connection, 7U);
  EXPECT_EQ(read->ordinal, 12U);
  EXPECT_EQ(read->seq, 1000U);
  EXPECT_EQ(read->tree_hash, 0x0123456789ABCDEFU);
  EXPECT_EQ(read->system_hash, 42U);
  EXPECT_EQ(read->stopped_us, 123456789);
  EXPECT_EQ(read->version, "1.2.3");
  EXPECT_EQ(read->text, "");
}

TEST(UpdateNote, TheNewProgramsReasonCountsUntilItTookOver) {
  auto note = sample();
  const auto fd = note.write();
  UpdateNote::tell(fd.get(), std::string(5000, 'x'));
  EXPECT_EQ(UpdateNote::read(fd.get())->text, std::string(895, 'x')) << "long ones are cut";
  note.stage = UpdateNote::Stage::kTakenOver;
  note.text = "OK";
  ASSERT_TRUE(note.write_to(fd.get()));
  UpdateNote::tell(fd.get(), "too late");
  EXPECT_EQ(UpdateNote::read(fd.get())->text, "OK");
}

TEST(UpdateNote, OtherFilesAreNone) {
  EXPECT_FALSE(UpdateNote::read(-1).has_value());
  const process::Descriptor empty(::memfd_create("empty", MFD_CLOEXEC));
  EXPECT_FALSE(UpdateNote::read(empty.get()).has_value());
  const auto fd = sample().write();
  const std::uint32_t stage = 9;
  ASSERT_EQ(::pwrite(fd.get(), &stage, sizeof stage, 12), 4);
  EXPECT_FALSE(UpdateNote::read(fd.get()).has_value());
}

}  // namespace
}  // namespace vxs::daemon
