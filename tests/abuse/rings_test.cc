// What a guest may do with its ring and with the bytes of a message.
#include <random>

#include "tests/abuse/fixture.hh"
#include "tests/fakexen/guest_modes.hh"

namespace vxs::abuse {
namespace {

using testing::AnyOf;

constexpr std::uint32_t kPathTypes[] = {kDirectory, kRead, kGetPerms, kMkdir, kRm};

class Rings : public Abuse {
 protected:
  void SetUp() override {
    Abuse::SetUp();
    add_guest(kBad);
  }
  FakeGuest& bad() { return guest(kBad); }

  /// A ring that works, whatever was done to it: the toolstack introduces the domain again.
  void revive() {
    ASSERT_EQ(introduce(bad()), kOk);
    bad().start_over();
    ASSERT_EQ(write(bad(), "alive", "yes"), kOk);
  }
};

TEST_F(Rings, J1_XSA38_AnyIndexFreezesOnlyItsOwnRing) {
  std::mt19937_64 random(1);
  long frozen = 0;
  beside([&] {
    fakexen::abuse(bad(), fakexen::Abuse::kIndices, random);
    if (bad().becomes(GuestPage::kError, 2, milliseconds(2))) ++frozen;
    fakexen::reconnect(bad(), milliseconds(20));
  });
  EXPECT_GT(frozen, 0) << "no index was ever refused";
  revive();
}

TEST_F(Rings, J2_XSA72_AReplyThatIsTooLongIsE2BIG) {
  ASSERT_EQ(mkdir(dom0(), "/list"), kOk);
  for (int i = 0; i < 450; ++i) {
    ASSERT_EQ(mkdir(dom0(), "/list/child-" + std::to_string(1000 + i)), kOk);
  }
  ASSERT_EQ(set_perms(dom0(), "/list", "r0"), kOk);
  beside([&] { EXPECT_EQ(ask(bad(), kDirectory, {"/list"}), "!E2BIG"); });
  EXPECT_GT(ask(bad(), kDirectoryPart, {"/list", "0"}).size(), 4000U);
  ASSERT_EQ(rm(dom0(), "/list"), kOk);
}

TEST_F(Rings, J8_XSA323_AnOverlongPathIsRefusedWhateverIsAsked) {
  std::string path = "a";
  while (path.size() < 2049) path += "/a";
  ASSERT_EQ(path.size(), 2049U);
  beside([&] {
    for (const std::uint32_t type : kPathTypes) EXPECT_EQ(ask(bad(), type, {path}), "!EINVAL");
    EXPECT_EQ(write(bad(), path, "x"), "!EINVAL");
    EXPECT_EQ(watch(bad(), path, "t"), "!EINVAL");
    EXPECT_EQ(set_perms(bad(), path, "n2"), "!EINVAL");
    EXPECT_EQ(ask(bad(), kDirectoryPart, {path, "0"}), "!EINVAL");
  });
  path.resize(2047);
  EXPECT_EQ(read(bad(), path), "!ENOENT") << "a shorter one is a path like others";
}

TEST_F(Rings, J9_XSA324_AnEventThatIsTooLongIsDroppedAndTheRingGoesOn) {
  const std::string path = "x/" + std::string(2000, 'n');
  const std::string token(3000, 't');
  ASSERT_EQ(mkdir(bad(), "x"), kOk);
  ASSERT_EQ(watch(bad(), "x", token), kOk);
  ASSERT_EQ(bad().drain().size(), 1U);
  beside([&] {
    EXPECT_EQ(write(bad(), path, "v"), kOk);
    EXPECT_EQ(rm(bad(), path), kOk);
  });
  EXPECT_TRUE(bad().drain().empty()) << "path, token and NULs are more than a message holds";
  ASSERT_EQ(write(bad(), "x/short", "v"), kOk);
  EXPECT_EQ(bad().drain().size(), 1U);
}

TEST_F(Rings, J10_XSA325_ABadRingIsFrozenAndItsEndIsStillTold) {
  WireClient toolstack(daemon().socket_path());
  ASSERT_EQ(watch(toolstack, "@releaseDomain", "gone"), kOk);
  ASSERT_EQ(toolstack.drain().size(), 1U);
  bad().send_some(std::string(16, '\xff'));
  EXPECT_TRUE(bad().becomes(GuestPage::kError, 3)) << "a message of 4 GiB";
  EXPECT_TRUE(toolstack.drain(milliseconds(20)).empty());
  EXPECT_EQ(ask(dom0(), kIsDomainIntroduced, {"2"}), std::string("T\0", 2));
  destroy(kBad);
  EXPECT_EQ(toolstack.drain(milliseconds(50)).size(), 1U);
}

TEST_F(Rings, J11_XSA330_ResetWatchesLeavesNothingBehind) {
  beside([&] {
    for (int i = 0; i < 100; ++i) {
      ASSERT_EQ(watch(bad(), "w/" + std::to_string(i), "t"), kOk);
    }
    bad().take_events();
    ASSERT_EQ(ask(bad(), kResetWatches, {""}), kOk);
  });
  EXPECT_EQ(status(dom0(), "watches"), 0);
  (void)bad().drain();
  ASSERT_EQ(write(bad(), "w/1", "v"), kOk);
  EXPECT_TRUE(bad().drain().empty());
}

TEST_F(Rings, J16_XSA416_RequestsCutOffAndBegunAnewLeaveNoMemory) {
  std::mt19937_64 random(16);
  const std::string request = encode({kWrite, 1, 0, zstrings({"key"}) + std::string(1500, 'v')});
  beside([&] {
    bad().send_some(std::string_view(request).substr(0, 1 + random() % 1024));
    fakexen::reconnect(bad(), milliseconds(1000));
    EXPECT_EQ(write(bad(), "key", "v"), kOk);
  });
  revive();
}

TEST_F(Rings, J18_XSA418_ATreeAThousandDeepIsMadeReadAndRemoved) {
  std::string path = "d";
  for (int depth = 1; depth < 999; ++depth) path += "/d";
  beside(
      [&] {
        ASSERT_EQ(write(bad(), path, "deep"), kOk);
        EXPECT_EQ(read(bad(), path), "deep");
        const std::uint32_t tx = start(bad());
        EXPECT_EQ(write(bad(), path, "deeper", tx), kOk);
        EXPECT_THAT(commit(bad(), tx), AnyOf(kOk, "!EAGAIN"));
        EXPECT_EQ(rm(bad(), "d"), kOk);
      },
      96 * kMiB);
  ASSERT_EQ(write(bad(), path, "deep"), kOk);  // and dies with it
}

TEST_F(Rings, J20_XSA420_NegativeAndHugeLengthsEndInAFrozenRingNotInALoop) {
  std::vector<std::uint32_t> lengths{0xffffffffU, 0x80000000U, 0x7fffffffU, 4097U, 0xfffffff0U};
  std::size_t turn = 0;
  beside([&] {
    std::string header = encode({kRead, 1, 0, ""});
    const std::uint32_t length = lengths[turn++ % lengths.size()];
    header.replace(12, 4, reinterpret_cast<const char*>(&length), 4);
    bad().send_some(header);
    EXPECT_TRUE(bad().becomes(GuestPage::kError, 3)) << length;
    EXPECT_TRUE(fakexen::reconnect(bad(), milliseconds(1000)));
  });
  revive();
}

TEST_F(Rings, J22_XSA425_SoftResetsAmongRequestsInFlightHurtNobody) {
  WireClient toolstack(daemon().socket_path());
  ASSERT_EQ(watch(toolstack, home(kBad), "t"), kOk);
  const std::string reads = [] {
    std::string bytes;
    for (int i = 0; i < 20; ++i) bytes += encode({kWrite, 1, 0, zstrings({"key"}) + "v"});
    return bytes;
  }();
  beside([&] {
    bad().send_some(reads);
    machine().soft_reset(kBad);
    bad().start_over();
    EXPECT_EQ(ask(toolstack, kRelease, {"2"}), kOk);
    ASSERT_EQ(mkdir(toolstack, home(kBad)), kOk);  // it went with its owner
    ASSERT_EQ(set_perms(toolstack, home(kBad), "n2"), kOk);
    EXPECT_EQ(ask(toolstack, kIntroduce, std::string_view(bad().introduction())), kOk);
    bad().start_over();
    EXPECT_EQ(write(bad(), "key", "v"), kOk);
    toolstack.take_events();
  });
}

TEST_F(Rings, J23_XSA481_LocalDomainWithASlashIsEINVAL) {
  beside([&] {
    for (const char* path : {"/local/domain/", "/local/domain//", "//", "a/"}) {
      for (const std::uint32_t type : kPathTypes) EXPECT_EQ(ask(bad(), type, {path}), "!EINVAL");
      EXPECT_EQ(write(bad(), path, "x"), "!EINVAL");
      EXPECT_EQ(watch(bad(), path, "t"), "!EINVAL");
    }
  });
}

TEST_F(Rings, J25_XSA484_ResetWatchesWithinATransactionEndsIt) {
  beside([&] {
    const std::uint32_t tx = start(bad());
    ASSERT_NE(tx, 0U);
    ASSERT_EQ(write(bad(), "in-transaction", "x", tx), kOk);
    EXPECT_EQ(ask(bad(), kResetWatches, {""}, tx), kOk);
    EXPECT_EQ(commit(bad(), tx), "!ENOENT");
  });
  EXPECT_EQ(read(bad(), "in-transaction"), "!ENOENT");
  EXPECT_EQ(status(dom0(), "transactions"), 0);
}

}  // namespace
}  // namespace vxs::abuse
