// What sockets cannot reach: callers that are not privileged, and the events they may hear.
#include <gmock/gmock.h>

#include "tests/daemon/core/core_fixture.hh"

namespace vxs::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class Guest : public CoreTest {
 protected:
  void set_perms(const std::string& path, std::initializer_list<std::string_view> entries) {
    std::string payload = zstrings({path});
    for (const auto entry : entries) payload += zstrings({entry});
    ASSERT_EQ(call(dom0, wire::kSetPerms, payload), "OK");
  }
  void put(const std::string& path, std::initializer_list<std::string_view> entries,
           const std::string& value = "v") {
    ASSERT_EQ(write(dom0, path, value), "OK");
    set_perms(path, entries);
  }
  void watch(daemon::Connection& connection, const std::string& path) {
    ASSERT_EQ(call(connection, wire::kWatch, zstrings({path, "t"})), "OK");
    (void)take(connection);
  }

  daemon::Connection& dom0 = connect();
  daemon::Connection& guest = connect(5);
};

TEST_F(Guest, Dispatch_B0_3_PrivilegedTypesAreEaccesBeforeAnythingIsLookedAt) {
  for (const auto type :
       {wire::kControl, wire::kIntroduce, wire::kRelease, wire::kResume, wire::kIsDomainIntroduced,
        wire::kSetTarget, wire::kSetFeature, wire::kGetQuota, wire::kSetQuota}) {
    EXPECT_EQ(call(guest, type, "junk"), "EACCES") << type;
    EXPECT_EQ(call(guest, type, "", 99), "EACCES") << type;  // before the transaction (B0.1)
  }
  EXPECT_EQ(call(guest, wire::kGetFeature, ""), "15");
  EXPECT_EQ(call(guest, wire::kGetFeature, zstrings({"5"})), "EACCES");
  EXPECT_EQ(call(guest, wire::kGetFeature, zstrings({""})), "EACCES");  // B19
  EXPECT_EQ(call(guest, wire::kGetDomainPath, zstrings({"7"})), "/local/domain/7");
}

TEST_F(Guest, Dispatch_B0_1_UnknownTypesAreEnosysForGuestsToo) {
  for (const std::uint32_t type : {15U, 16U, 20U, 27U, 65535U}) {
    EXPECT_EQ(call(guest, type, ""), "ENOSYS");
  }
}

// Bug: each of a guest's watches had the permissions looked up anew.
TEST_F(Guest, Bug_D8_PermissionIsAskedOncePerConnectionHoweverManyWatchesItHas) {
  put("/a", {"n0", "r5"});
  put("/a/secret", {"n0"});
  auto& other = connect(6);
  for (int i = 0; i < 50; ++i) {
    for (const auto* path : {"/", "/a/secret"}) {
      for (auto* who : {&guest, &other}) {
        ASSERT_EQ(call(*who, wire::kWatch, zstrings({path, std::to_string(i)})), "OK");
      }
    }
  }
  const auto asked = [&](const auto& action) {
    const auto before = server.watches().questions();
    for (auto* who : {&guest, &other}) (void)take(*who);
    action();
    return server.watches().questions() - before;
  };
  EXPECT_EQ(asked([&] { EXPECT_EQ(write(dom0, "/a", "1"), "OK"); }), 2U);
  EXPECT_EQ(take(guest).size(), 50U);
  EXPECT_THAT(take(other), IsEmpty());
  EXPECT_EQ(asked([&] { EXPECT_EQ(call(dom0, wire::kRm, zstrings({"/a"})), "OK"); }), 4U);
  EXPECT_EQ(take(guest).size(), 100U) << "of what is below by the parent's list";
  EXPECT_THAT(take(other), IsEmpty());
}

TEST_F(Guest, Path_C4_RelativePathsAreBelowTheGuestsOwn) {
  put("/local/domain/5", {"n5"});
  EXPECT_EQ(write(guest, "data/x", "1"), "OK");
  EXPECT_EQ(read(dom0, "/local/domain/5/data/x"), "1");
  EXPECT_EQ(read(guest, "data/x"), "1");
}

TEST_F(Guest, Path_C5_GuestsMayUse2048BytesBesidesTheirHome) {
  put("/local/domain/5", {"n5"});
  set_perms("/", {"b0"});
  const auto of_length = [](const std::string& start, std::size_t rest) {
    std::string path = start;
    while (rest > 0) {
      const std::size_t name = rest > 200 ? 199 : rest;
      path += std::string(name, 'x');
      rest -= name;
      if (rest > 0) {
        path += '/';
        --rest;
      }
    }
    return path;
  };
  const std::string home = "/local/domain/5/";
  EXPECT_EQ(write(guest, of_length(home, 2048), "1"), "OK");
  EXPECT_EQ(write(guest, of_length(home, 2049), "1"), "EINVAL");
  EXPECT_EQ(write(guest, of_length("/", 2047), "1"), "OK");
  EXPECT_EQ(write(guest, of_length("/", 2048), "1"), "EINVAL");
  EXPECT_EQ(call(guest, wire::kWatch, zstrings({of_length(home, 2049), "t"})), "EINVAL");
  EXPECT_EQ(write(dom0, of_length("/", 3071), "1"), "OK");
  EXPECT_EQ(write(dom0, of_length("/", 3072), "1"), "EINVAL");
}

TEST_F(Guest, Perms_C14_ErrorDependsOnTheNearestAncestor) {
  put("/hidden", {"n0"});
  put("/hidden/node", {"n0"});
  put("/open", {"n0", "r5"});
  put("/open/node", {"n0"});
  EXPECT_EQ(read(guest, "/hidden/node"), "EACCES");
  EXPECT_EQ(read(guest, "/hidden/none"), "EACCES");
  EXPECT_EQ(read(guest, "/open/none"), "ENOENT");
  EXPECT_EQ(read(guest, "/open/node"), "EACCES");
  EXPECT_EQ(read(guest, "/open/node/none"), "EACCES");
  EXPECT_EQ(write(guest, "/open/none", "1"), "EACCES");
  EXPECT_EQ(call(guest, wire::kRm, zstrings({"/open/none"})), "EACCES");  // B4
}

TEST_F(Guest, Perms_C9_FirstMatchWinsAndOwnerHasAll) {
  put("/a", {"b0", "n5", "b5"});
  EXPECT_EQ(read(guest, "/a"), "EACCES");
  auto& other = connect(6);
  EXPECT_EQ(read(other, "/a"), "v");  // the default of the first entry
  EXPECT_EQ(write(other, "/a", "w"), "OK");
  put("/b", {"n5"});
  EXPECT_EQ(read(guest, "/b"), "v");  // C17: the letter never restricts the owner
  EXPECT_EQ(write(guest, "/b", "w"), "OK");
}

TEST_F(Guest, Perms_C9_TargetsRightsCount) {
  put("/a", {"n8"});
  auto& stubdom = connect(9, 8);
  EXPECT_EQ(read(stubdom, "/a"), "v");
  EXPECT_EQ(call(stubdom, wire::kSetPerms, zstrings({"/a", "n8", "r9"})), "OK");  // C12
  EXPECT_EQ(write(stubdom, "/a/made", "1"), "OK");
  EXPECT_EQ(call(dom0, wire::kGetPerms, zstrings({"/a/made"})), std::string("n9\0r9", 5));
}

TEST_F(Guest, Perms_C10_GuestOwnsWhatItCreatesDom0LeavesTheOwner) {
  put("/a", {"n5", "r7"});
  EXPECT_EQ(write(dom0, "/a/by0", "1"), "OK");
  EXPECT_EQ(call(dom0, wire::kGetPerms, zstrings({"/a/by0"})), std::string("n5\0r7", 5));
  put("/b", {"n0", "b5"});
  EXPECT_EQ(write(guest, "/b/by5", "1"), "OK");
  EXPECT_EQ(call(dom0, wire::kGetPerms, zstrings({"/b/by5"})), std::string("n5\0b5", 5));
}

TEST_F(Guest, Perms_B8_OwnershipRules) {
  put("/mine", {"n5"});
  put("/his", {"n6", "b5"});
  EXPECT_EQ(call(guest, wire::kSetPerms, zstrings({"/mine", "n5", "r6"})), "OK");
  EXPECT_EQ(call(guest, wire::kSetPerms, zstrings({"/mine", "n6"})), "EPERM");
  EXPECT_EQ(call(guest, wire::kSetPerms, zstrings({"/his", "n6"})), "EACCES");
}

TEST_F(Guest, Perms_B8_DomidAnyMeansEverybodyButNeverTheOwner) {
  put("/a", {"n0", "r32757"});
  EXPECT_EQ(read(guest, "/a"), "v");
  EXPECT_EQ(read(connect(77), "/a"), "v");
  EXPECT_EQ(write(guest, "/a", "w"), "EACCES");
  EXPECT_EQ(call(dom0, wire::kSetPerms, zstrings({"/a", "r32757"})), "EINVAL");
}

TEST_F(Guest, Perms_B8_4_EntryOfAnUnknownDomainIsStaleAndNeverMatches) {
  put("/a", {"n0", "r40000"});
  EXPECT_EQ(call(dom0, wire::kGetPerms, zstrings({"/a"})), std::string("n0\0r40000", 9));  // B7
  EXPECT_EQ(read(connect(40000), "/a"), "EACCES");
  EXPECT_EQ(call(dom0, wire::kSetPerms, zstrings({"/a", "n40000"})), "ENOENT");
}

TEST_F(Guest, Rm_B4_RootAndNeighbours) {
  EXPECT_EQ(call(guest, wire::kRm, zstrings({"/"})), "EACCES");
  EXPECT_EQ(call(dom0, wire::kRm, zstrings({"/"})), "EINVAL");
  put("/a", {"n5"});
  put("/a/his", {"n6"});
  EXPECT_EQ(call(guest, wire::kRm, zstrings({"/a"})), "OK");  // children of others go too
  EXPECT_EQ(read(dom0, "/a/his"), "ENOENT");
}

TEST_F(Guest, Watch_D8_EventsOnlyForWhatMayBeRead) {
  put("/secret", {"n0"});
  put("/public", {"n0", "r5"});
  watch(guest, "/");
  EXPECT_EQ(write(dom0, "/secret", "1"), "OK");
  EXPECT_EQ(write(dom0, "/secret/below", "1"), "OK");
  EXPECT_THAT(take(guest), IsEmpty());
  EXPECT_EQ(write(dom0, "/public", "1"), "OK");
  EXPECT_THAT(take(guest), ElementsAre("event /public t"));
}

TEST_F(Guest, Watch_D9_ReadOnTheParentIsEnough) {
  put("/pub", {"n0", "r5"});
  watch(guest, "/pub");
  put("/pub/priv", {"n0"});
  EXPECT_THAT(take(guest), ElementsAre("event /pub/priv t"));
  EXPECT_EQ(write(dom0, "/pub/priv/deep", "1"), "OK");  // its parent is not readable
  EXPECT_THAT(take(guest), IsEmpty());
}

TEST_F(Guest, Watch_D7_WhoCouldReadBeforeHearsTheChangeOfPerms) {
  put("/dir", {"n0"});
  put("/dir/a", {"n0", "r5"});
  watch(guest, "/dir/a");
  set_perms("/dir/a", {"n0"});
  EXPECT_THAT(take(guest), ElementsAre("event /dir/a t"));
  EXPECT_EQ(write(dom0, "/dir/a", "1"), "OK");
  EXPECT_THAT(take(guest), IsEmpty());
}

TEST_F(Guest, Watch_D7_RemovalIsJudgedByThePermsTheNodeHad) {
  put("/dir", {"n0"});
  put("/dir/a", {"n0", "r5"});
  put("/dir/b", {"n0"});
  watch(guest, "/dir/a");
  watch(guest, "/dir/b");
  EXPECT_EQ(call(dom0, wire::kRm, zstrings({"/dir"})), "OK");
  EXPECT_THAT(take(guest), ElementsAre("event /dir/a t"));
}

TEST_F(Guest, Watch_D13_InATransactionTheParentIsNotAskedAboutARemoval) {
  put("/pub", {"n0", "r5"});
  put("/pub/priv", {"n0"});
  put("/pub/open", {"n0", "r5"});
  watch(guest, "/pub");
  const auto id = start(dom0);
  EXPECT_EQ(call(dom0, wire::kRm, zstrings({"/pub/priv"}), id), "OK");
  EXPECT_EQ(call(dom0, wire::kRm, zstrings({"/pub/open"}), id), "OK");
  EXPECT_EQ(end(dom0, id), "OK");
  EXPECT_THAT(take(guest), ElementsAre("event /pub/open t"));
}

TEST_F(Guest, Watch_B9_InitialEventAsksNobodysPermission) {
  put("/secret", {"n0"});
  begin(guest, wire::kWatch, zstrings({"/secret", "tok"}));
  EXPECT_THAT(take(guest), ElementsAre("OK", "event /secret tok"));
  begin(guest, wire::kWatch, zstrings({"device", "rel"}));
  EXPECT_THAT(take(guest), ElementsAre("OK", "event device rel"));
}

TEST_F(Guest, Watch_D3_RelativeWatchHearsRelativePaths) {
  put("/local/domain/5", {"n5"});
  ASSERT_EQ(call(guest, wire::kWatch, zstrings({"device", "rel"})), "OK");
  (void)take(guest);
  EXPECT_EQ(write(dom0, "/local/domain/5/device/vif", "1"), "OK");
  EXPECT_THAT(take(guest), ElementsAre("event device/vif rel"));
}

TEST_F(Guest, Watch_D14_IdenticalQueuedEventsMerge) {
  put("/a", {"n0", "r5"});
  watch(guest, "/a");
  for (int i = 0; i < 200; ++i) EXPECT_EQ(write(dom0, "/a", std::to_string(i)), "OK");
  EXPECT_THAT(take(guest), ElementsAre("event /a t"));
  EXPECT_EQ(write(dom0, "/a", "once more"), "OK");
  EXPECT_THAT(take(guest), ElementsAre("event /a t"));
}

TEST_F(Guest, Watch_D14_SpecialEventsAreExempt) {
  auto& watcher = connect();
  ASSERT_EQ(call(watcher, wire::kWatch, zstrings({"@releaseDomain", "t"})), "OK");
  (void)take(watcher);
  daemon::Watch& registered = watcher.watches.begin()->second;
  server.send_event(registered, "@releaseDomain", 0);
  server.send_event(registered, "@releaseDomain", 0);
  EXPECT_THAT(take(watcher), ElementsAre("event @releaseDomain t", "event @releaseDomain t"));
}

TEST_F(Guest, Watch_D19_SetPermsOfASpecialNodeFiresNothingAndOtherNamesAreEnoent) {
  watch(guest, "@releaseDomain");
  set_perms("@releaseDomain", {"n0", "r5"});
  EXPECT_THAT(take(guest), IsEmpty());
  EXPECT_EQ(call(dom0, wire::kSetPerms, zstrings({"@foo", "n0"})), "ENOENT");
  EXPECT_EQ(call(guest, wire::kGetPerms, zstrings({"@introduceDomain"})), "EACCES");
}

TEST_F(Guest, ResetWatches_J25_InsideATransactionEndsItAndDoesNotCrash) {
  put("/a", {"n5"});
  const auto id = start(guest);
  EXPECT_EQ(write(guest, "/a", "1", id), "OK");
  watch(guest, "/a");
  EXPECT_EQ(call(guest, wire::kResetWatches, std::string(1, '\0'), id), "OK");  // XSA-484
  EXPECT_EQ(read(guest, "/a", id), "ENOENT");
  EXPECT_EQ(end(guest, id), "ENOENT");
  EXPECT_EQ(server.branch_count(), 0U);
  EXPECT_EQ(server.watches().size(), 0U);
  EXPECT_EQ(write(dom0, "/a", "2"), "OK");
  EXPECT_THAT(take(guest), IsEmpty());
  EXPECT_EQ(read(guest, "/a"), "2");
}

TEST_F(Guest, Transactions_B12_AreTheConnectionsOwn) {
  const auto id = start(guest);
  auto& same_domain = connect(5);
  EXPECT_EQ(read(same_domain, "/a", id), "ENOENT");
  EXPECT_EQ(call(guest, wire::kTransactionStart, zstrings({""}), id), "EBUSY");
  EXPECT_EQ(call(guest, wire::kTransactionStart, zstrings({""}), id + 7), "ENOENT");
  server.remove_connection(same_domain);
  EXPECT_EQ(server.branch_count(), 1U);
}

TEST_F(Guest, Events_A14_AConnectionThatReadsNoneIsClosedAndLogged) {
  watch(dom0, "/big");
  auto& idle = connect();
  const std::string token(3000, 't');
  ASSERT_EQ(call(idle, wire::kWatch, zstrings({"/big", token})), "OK");
  for (int i = 0; i < 6000 && !idle.doomed; ++i) {
    EXPECT_EQ(write(dom0, "/big/n" + std::to_string(i), ""), "OK");
  }
  EXPECT_TRUE(idle.doomed);
  EXPECT_FALSE(server.ready_for(idle));
  EXPECT_LE(idle.outbox.unsent_event_bytes(), (16U << 20) + 4096);
  EXPECT_EQ(observer.warnings.size(), 1U);
  EXPECT_FALSE(dom0.doomed);
}

TEST_F(Guest, Watch_J9_EventThatFitsNoMessageIsDropped) {
  const std::string token(4080, 't');
  ASSERT_EQ(call(guest, wire::kWatch, zstrings({"/a", token})), "OK");
  (void)take(guest);
  put("/a", {"n0", "r5"});
  (void)take(guest);
  EXPECT_EQ(write(dom0, "/a/" + std::string(30, 'x'), "1"), "OK");  // XSA-324
  EXPECT_THAT(take(guest), IsEmpty());
  EXPECT_FALSE(guest.doomed);
}

}  // namespace
}  // namespace vxs::test
