// Domains that come, die and come again, and rights that must not outlive them.
#include "tests/abuse/fixture.hh"

namespace vxs::abuse {
namespace {

using testing::AnyOf;
using testing::IsEmpty;

class Life : public Abuse {
 protected:
  /// The guest dies and another of its domid takes its place; without its nodes.
  FakeGuest& reborn(std::uint32_t domid) {
    destroy(domid);
    rm(dom0(), home(domid));
    return add_guest(domid);
  }
  /// A node of dom0 with these permissions.
  void secret(const std::string& path, const std::string& perms) {
    ASSERT_EQ(write(dom0(), path, "secret"), kOk);
    ASSERT_EQ(set_perms(dom0(), path, perms), kOk);
  }
};

TEST_F(Life, J4_XSA233_AGuestAndItsStubDomainMayDieAtOneMoment) {
  constexpr std::uint32_t kStub = 3;
  beside([&] {
    add_guest(kBad);
    add_guest(kStub);
    ASSERT_EQ(ask(toolstack(), kSetTarget, {"3", "2"}), kOk);
    EXPECT_EQ(write(guest(kStub), home(kBad, "/by-stub"), "v"), kOk);
    guest(kStub).send_some(encode({kRead, 1, 0, zstrings({home(kBad, "/by-stub")})}));
    destroy({kBad, kStub});
    rm(toolstack(), home(kBad));
    rm(toolstack(), home(kStub));
  });
}

TEST_F(Life, J6_XSA115_WatchesTellOnlyWhatMayBeRead) {
  FakeGuest& bad = add_guest(kBad);
  secret("/secret", "n0");
  secret("/secret/key", "n0");
  secret("/open", "r0");
  for (const char* path : {"/", "/secret", "/secret/key", "@introduceDomain"}) {
    ASSERT_EQ(watch(bad, path, "t"), kOk) << path;
  }
  (void)bad.drain();
  beside([&] {
    write(toolstack(), "/secret/key", "other");
    write(toolstack(), "/secret/new", "other");
    rm(toolstack(), "/secret/new");
  });
  EXPECT_THAT(bad.drain(), IsEmpty());
  ASSERT_EQ(write(dom0(), "/open", "seen"), kOk);
  EXPECT_EQ(bad.drain().size(), 1U) << "the watch does work";
  // Within a transaction its own view decides nothing about events.
  const std::uint32_t tx = start(bad);
  EXPECT_THAT(ask(bad, kWatch, {"/secret/key", "in-tx"}, tx), AnyOf(kOk, "!EINVAL", "!EBUSY"));
  (void)bad.drain();
  ASSERT_EQ(write(dom0(), "/secret/key", "other"), kOk);
  EXPECT_THAT(bad.drain(), IsEmpty());
  commit(bad, tx);
  // Nor may a guest ask who is there, or hear of it.
  EXPECT_EQ(ask(bad, kIsDomainIntroduced, {"1"}), "!EACCES");
  add_guest(7);
  EXPECT_THAT(bad.drain(), IsEmpty());
  // A create that fails is not counted.
  const long nodes = status(dom0(), "nodes");
  EXPECT_EQ(mkdir(bad, "/secret/mine"), "!EACCES");
  EXPECT_EQ(status(dom0(), "nodes"), nodes);
  ASSERT_EQ(rm(dom0(), "/secret"), kOk);
  ASSERT_EQ(rm(dom0(), "/open"), kOk);
}

TEST_F(Life, J7_XSA322_ANewDomainOfAnOldDomidInheritsNoRights) {
  add_guest(kBad);
  secret("/for-2", "n0 b2");
  secret("/of-2", "n2");
  ASSERT_EQ(set_perms(dom0(), "@introduceDomain", "n0 r2"), kOk);
  ASSERT_EQ(read(guest(kBad), "/for-2"), "secret");
  FakeGuest& heir = reborn(kBad);
  EXPECT_EQ(read(heir, "/for-2"), "!EACCES");
  EXPECT_EQ(write(heir, "/for-2", "x"), "!EACCES");
  EXPECT_THAT(read(heir, "/of-2"), AnyOf("!EACCES", "!ENOENT"));
  ASSERT_EQ(watch(heir, "@introduceDomain", "t"), kOk);
  ASSERT_EQ(heir.drain().size(), 1U);
  add_guest(7);
  EXPECT_THAT(heir.drain(), IsEmpty()) << "the special node's entry was the dead domain's";
  ASSERT_EQ(rm(dom0(), "/for-2"), kOk);
}

TEST_F(Life, J7_XSA322_ARestartOfTheDaemonDoesNotMakeTheHeirTheOwner) {
  add_guest(kBad);
  secret("/for-2", "n0 b2");
  daemon().kill9();
  machine().destroy(kBad);
  ASSERT_TRUE(machine().gone(kBad));
  machine().create_domain(kBad);
  daemon().restart();
  reconnect_dom0();
  FakeGuest heir(machine().machine(), kBad);
  rm(dom0(), home(kBad));
  make_home(kBad);
  ASSERT_EQ(introduce(heir), kOk);
  heir.start_over();
  EXPECT_EQ(read(heir, "/for-2"), "!EACCES");
  ASSERT_EQ(rm(dom0(), "/for-2"), kOk);
}

TEST_F(Life, J15_XSA414_415_AFailedCreateLeavesNothingInATransaction) {
  FakeGuest& bad = add_guest(kBad);
  secret("/locked", "n0");
  const long nodes = status(dom0(), "nodes");
  beside([&] {
    const std::uint32_t tx = start(bad);
    ASSERT_NE(tx, 0U);
    EXPECT_EQ(write(bad, "/locked/a/b/c", "x", tx), "!EACCES");
    // Larger than a node may be: each of the ancestors would have been made before.
    EXPECT_EQ(write(bad, "a/b/c/d", std::string(3000, 'x'), tx), "!ENOSPC");
    EXPECT_EQ(read(bad, "a", tx), "!ENOENT");
    EXPECT_THAT(commit(bad, tx), AnyOf(kOk, "!ENOMEM", "!EAGAIN"));
    EXPECT_EQ(read(bad, "a"), "!ENOENT");
    EXPECT_EQ(write(bad, "a/b/c/d", std::string(3000, 'x')), "!ENOSPC");
    EXPECT_EQ(read(bad, "a"), "!ENOENT");
  });
  EXPECT_EQ(status(dom0(), "nodes"), nodes);
  ASSERT_EQ(rm(dom0(), "/locked"), kOk);
}

TEST_F(Life, J17_XSA417_ADomainThatComesLaterGetsNoRightsGivenBefore) {
  secret("/early", "n0 b2");
  EXPECT_EQ(ask(dom0(), kGetPerms, {"/early"}), zstrings({"n0", "b2"}));
  FakeGuest& late = add_guest(kBad);
  EXPECT_EQ(read(late, "/early"), "!EACCES");
  EXPECT_EQ(write(late, "/early", "x"), "!EACCES");
  // A guest's own lists are no other.
  ASSERT_EQ(write(late, "mine", "v"), kOk);
  ASSERT_EQ(set_perms(late, "mine", "n2 r9"), kOk);
  FakeGuest& later = add_guest(9);
  EXPECT_EQ(read(later, home(kBad, "/mine")), "!EACCES");
  ASSERT_EQ(rm(dom0(), "/early"), kOk);
}

TEST_F(Life, J19_XSA419_ADeadGuestsNodesGoWhereverTheyAre) {
  secret("/shared", "b0");
  const long nodes = status(dom0(), "nodes");
  beside([&] {
    FakeGuest& bad = add_guest(kBad);
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(write(bad, "/shared/" + std::to_string(i) + "/below", "v"), kOk);
    }
    destroy(kBad);
    rm(toolstack(), home(kBad));
  });
  EXPECT_TRUE(ask(dom0(), kDirectory, {"/shared"}).empty()) << "somebody owns orphans";
  EXPECT_EQ(status(dom0(), "nodes"), nodes);
  ASSERT_EQ(rm(dom0(), "/shared"), kOk);
}

TEST_F(Life, J21_XSA421_ANodeMadeAndRemovedInOneTransactionDoesNotStopTheCommit) {
  FakeGuest& bad = add_guest(kBad);
  beside([&] {
    const std::uint32_t tx = start(bad);
    ASSERT_NE(tx, 0U);
    EXPECT_EQ(write(bad, "t/made/below", "x", tx), kOk);
    EXPECT_EQ(write(bad, "t/kept", "x", tx), kOk);
    EXPECT_EQ(rm(bad, "t/made", tx), kOk);
    EXPECT_EQ(commit(bad, tx), kOk);
    EXPECT_EQ(read(bad, "t/made"), "!ENOENT");
    EXPECT_EQ(read(bad, "t/kept"), "x");
  });
}

}  // namespace
}  // namespace vxs::abuse
