// B8 and what of chapters C and G a privileged socket can see.
#include "tests/conformance/fixture.hh"

namespace vxs::conformance {
namespace {

using namespace std::string_literals;

class SetPerms : public Conformance {
 protected:
  void SetUp() override { ASSERT_EQ(client_.mkdir(at("/n")), kOk); }
  std::string set(std::string_view entries) { return client_.set_perms(at("/n"), entries); }
  std::string got() { return client_.perms(at("/n")); }

  Client client_ = connect();
};

TEST_F(SetPerms, B8_1_NeedsTwoNulsAndIgnoresWhatComesAfterTheLast) {
  EXPECT_EQ(client_.ask(kSetPerms, ""), "!EINVAL");
  EXPECT_EQ(client_.ask(kSetPerms, {at("/n")}), "!EINVAL");
  EXPECT_EQ(client_.ask(kSetPerms, at("/n") + "\0n0"s), "!EINVAL");
  EXPECT_EQ(client_.ask(kSetPerms, at("/n") + "\0r5\0w6"s), kOk);
  EXPECT_EQ(got(), "r5");
}

TEST_F(SetPerms, B8_2_SocketsHaveNoLimitOfEntries) {
  std::string many = "n0";
  for (int i = 1; i < 600; ++i) many += " r" + std::to_string(i);
  EXPECT_EQ(set(many), kOk);
  EXPECT_EQ(got(), many);
}

TEST_F(SetPerms, B8_3_BadEntriesAreEinvalAndChangeNothing) {
  for (const char* bad : {"x0", "n", "0", "n0x", "n-1", "n65536", "n 5", "n+5", "N5", "n0 q1",
                          "n0 r", "n0 r99999999999999999999"}) {
    EXPECT_EQ(set(bad), "!EINVAL") << bad;
    EXPECT_EQ(got(), "n0") << bad;
  }
  EXPECT_EQ(client_.ask(kSetPerms, {at("/n"), ""}), "!EINVAL");
  EXPECT_EQ(client_.ask(kSetPerms, {at("/n"), "n0", ""}), "!EINVAL");
}

TEST_F(SetPerms, B8_3_NumbersMayBeHexadecimal) {
  EXPECT_EQ(set("n0 r0x10 w0xFF"), kOk);
  EXPECT_EQ(got(), "n0 r16 w255");
}

TEST_F(SetPerms, B8_4_J17_UnknownDomainsAreKeptButCannotOwn) {
  EXPECT_EQ(set("n0 r40000"), kOk);
  EXPECT_EQ(got(), "n0 r40000");
  EXPECT_EQ(set("n40000"), "!ENOENT");
  EXPECT_EQ(set("n32752"), "!ENOENT");
  EXPECT_EQ(set("n32751"), kOk) << "the last ordinary domain";
}

TEST_F(SetPerms, B8_5_NothingIsCreated) {
  EXPECT_EQ(client_.set_perms(at("/missing"), "n0"), "!ENOENT");
  EXPECT_EQ(client_.read(at("/missing")), "!ENOENT");
  EXPECT_EQ(client_.set_perms("/bad//path", "n0"), "!EINVAL");
}

TEST_F(SetPerms, B8_ArgumentsAreLookedAtBeforeThePathAndTheNode) {
  EXPECT_EQ(client_.set_perms("/bad//path", "n40000"), "!ENOENT");
  EXPECT_EQ(client_.set_perms("/bad//path", "q1"), "!EINVAL");
}

TEST_F(SetPerms, B8_6_C17_OwnerMayBeGivenToAGuestAndBack) {
  EXPECT_EQ(set("w5 r6"), kOk);
  EXPECT_EQ(client_.write(at("/n"), "v"), kOk);
  EXPECT_EQ(set("n0"), kOk);
  EXPECT_EQ(got(), "n0");
}

TEST_F(SetPerms, B8_DuplicatesAreKept) {
  EXPECT_EQ(set("n0 r5 w5 n5"), kOk);
  EXPECT_EQ(got(), "n0 r5 w5 n5");
}

TEST_F(SetPerms, B8_J26_DomidAnyOverASocketDoesNotKillTheDaemon) {
  EXPECT_EQ(set("n0 r32757"), kOk);
  EXPECT_EQ(got(), "n0 r32757");
  EXPECT_EQ(client_.write(at("/n/below"), "v"), kOk);
  EXPECT_EQ(client_.perms(at("/n/below")), "n0 r32757");
}

TEST_F(SetPerms, B8_DomidAnyNeverOwns) {
  EXPECT_EQ(set("n32757"), "!EINVAL");
  EXPECT_EQ(set("n32757 r0"), "!EINVAL");
  EXPECT_EQ(got(), "n0");
}

TEST_F(SetPerms, B8_J13_TheRootIsANodeLikeAnyOther) {
  EXPECT_EQ(client_.set_perms("/", "n0 r3"), kOk);
  EXPECT_EQ(client_.perms("/"), "n0 r3");
  EXPECT_EQ(client_.set_perms("/", "n0"), kOk);
}

TEST_F(SetPerms, B8_D19_SpecialNodesTakePermissionsAndOthersDoNotExist) {
  EXPECT_EQ(client_.set_perms("@introduceDomain", "n0 r5"), kOk);
  EXPECT_EQ(client_.perms("@introduceDomain"), "n0 r5");
  EXPECT_EQ(client_.set_perms("@introduceDomain", "n0"), kOk);
  EXPECT_EQ(client_.set_perms("@foo", "n0"), "!ENOENT");
}

TEST_F(SetPerms, C10_APrivilegedCreatorBelowAGuestsNodeLeavesItTheOwner) {
  ASSERT_EQ(set("n5 r6"), kOk);
  ASSERT_EQ(client_.write(at("/n/a/b"), "v"), kOk);
  EXPECT_EQ(client_.perms(at("/n/a")), "n5 r6");
  EXPECT_EQ(client_.perms(at("/n/a/b")), "n5 r6");
}

TEST_F(SetPerms, K7_DomainsXenWouldKnowCanOwnBeforeTheyAreIntroduced) {
  for (const char* path : {"/local/domain/7", "/vm/uuid7", "/libxl/7"}) {
    EXPECT_EQ(client_.rm(path), "!ENOENT") << "no parent either";
    EXPECT_EQ(client_.write(path, ""), kOk);
    EXPECT_EQ(client_.set_perms(path, "n0 r7"), kOk);
  }
  ASSERT_EQ(client_.write("/local/domain/7/control/shutdown", ""), kOk);
  EXPECT_EQ(client_.set_perms("/local/domain/7/control/shutdown", "n7"), kOk);
  EXPECT_EQ(client_.perms("/local/domain/7/control/shutdown"), "n7");
}

TEST_F(SetPerms, G1_G4_SocketsAndGiftsToGuestsAreNotRefusedForQuota) {
  for (int i = 0; i < 1100; ++i) {
    const std::string path = at("/n/") + std::to_string(i);
    ASSERT_EQ(client_.write(path, ""), kOk);
    ASSERT_EQ(client_.set_perms(path, "n11"), kOk) << i;
  }
  EXPECT_EQ(client_.write(at("/n/1"), std::string(4000, 'v')), kOk);
  EXPECT_THAT(client_.control({"quota", "11"}), HasSubstr("    1100 (max "));
}

TEST_F(SetPerms, G10_J5_NodesAreCountedRightThroughAbortsAndRemovals) {
  const auto counted = [&](const std::string& number) {
    const std::string text = client_.control({"quota", "12"});
    return text.find(": " + std::string(8 - number.size(), ' ') + number + " (max") !=
           std::string::npos;
  };
  EXPECT_TRUE(counted("0"));
  ASSERT_EQ(set("n12"), kOk);
  EXPECT_TRUE(counted("1"));
  const std::uint32_t tx = client_.start();
  ASSERT_EQ(client_.write(at("/n/a/b"), "", tx), kOk);
  ASSERT_EQ(client_.abort(tx), kOk);
  EXPECT_TRUE(counted("1"));
  ASSERT_EQ(client_.write(at("/n/a/b"), ""), kOk);
  EXPECT_TRUE(counted("3"));
  ASSERT_EQ(client_.rm(at("/n/a")), kOk);
  EXPECT_TRUE(counted("1"));
  ASSERT_EQ(set("n0"), kOk);
  EXPECT_TRUE(counted("0"));
}

}  // namespace
}  // namespace vxs::conformance
