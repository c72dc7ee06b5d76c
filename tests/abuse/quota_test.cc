// What a guest may make the daemon keep for it: never more than its quotas say (conformance G).
#include <algorithm>
#include <atomic>

#include "tests/abuse/fixture.hh"

namespace vxs::abuse {
namespace {

using testing::AnyOf;

class Quota : public Abuse {
 protected:
  void SetUp() override {
    Abuse::SetUp();
    add_guest(kBad);
  }
  FakeGuest& bad() { return guest(kBad); }

  /// Makes nodes until it is refused; how many.
  static int fill(FakeGuest& guest, const std::string& below) {
    int made = 0;
    while (made < 3000) {
      // No directory grows beyond a node's size, which counts its children's names.
      const std::string directory = below + std::to_string(made / 100);
      const std::string answer = made % 100 == 0
                                     ? mkdir(guest, directory)
                                     : mkdir(guest, directory + "/" + std::to_string(made));
      if (answer != kOk) {
        EXPECT_EQ(answer, "!ENOSPC");
        break;
      }
      ++made;
    }
    return made;
  }
};

TEST_F(Quota, J3_XSA206_Dom0sTransactionEndsThoughSixteenGuestsHammerItsNode) {
  constexpr std::uint32_t kFirst = 20;
  constexpr std::uint32_t kHammers = 16;
  ASSERT_EQ(write(dom0(), "/contended", "0"), kOk);
  ASSERT_EQ(set_perms(dom0(), "/contended", "b0"), kOk);
  for (std::uint32_t i = 0; i < kHammers; ++i) add_guest(kFirst + i);
  WireClient toolstack(daemon().socket_path());
  int most = 0;
  milliseconds longest{};
  const std::string hit = encode({kWrite, 1, 0, zstrings({"/contended"}) + "x"});
  std::uint32_t turn = 0;
  std::atomic<bool> stop = false;
  std::thread hammers([&] {
    while (!stop) {
      FakeGuest& hammer = guest(kFirst + turn++ % kHammers);
      hammer.send_some(hit);
      while (hammer.receive(milliseconds(0))) {
      }
    }
  });
  for (int round = 0; round < 10; ++round) {
    const auto begin = steady_clock::now();
    int tries = 0;
    for (std::string answer = "!EAGAIN"; answer == "!EAGAIN" && tries < 100; ++tries) {
      const std::uint32_t tx = start(toolstack);
      for (int i = 0; i < 3; ++i) {
        (void)read(toolstack, "/contended", tx);
        (void)write(toolstack, "/contended", std::to_string(i), tx);
      }
      answer = commit(toolstack, tx);
    }
    most = std::max(most, tries);
    longest =
        std::max(longest, std::chrono::duration_cast<milliseconds>(steady_clock::now() - begin));
  }
  stop = true;
  hammers.join();
  std::printf("  at most %d tries and %ld ms\n", most, static_cast<long>(longest.count()));
  EXPECT_LE(most, 10);
  EXPECT_LE(longest, seconds(1));
  ASSERT_EQ(rm(dom0(), "/contended"), kOk);
}

TEST_F(Quota, J5_XSA272_EveryWayToMakeNodesIsCounted) {
  const int made = fill(bad(), "n");
  EXPECT_EQ(made, 999) << "the home is the thousandth";
  EXPECT_EQ(write(bad(), "more", "v"), "!ENOSPC");
  EXPECT_EQ(mkdir(bad(), "more/and/more"), "!ENOSPC");
  const std::uint32_t tx = start(bad());
  EXPECT_EQ(write(bad(), "in/a/transaction", "v", tx), "!ENOSPC");
  EXPECT_THAT(commit(bad(), tx), AnyOf(kOk, "!ENOMEM", "!ENOSPC"));
  EXPECT_EQ(read(bad(), "in"), "!ENOENT");
  // What it has, it may change and give back.
  EXPECT_EQ(write(bad(), "n0", "v"), kOk);
  EXPECT_EQ(rm(bad(), "n0"), kOk);
  EXPECT_EQ(write(bad(), "more", "v"), kOk);
  beside([&] { (void)mkdir(bad(), "again/and/again"), (void)rm(bad(), "again"); });
}

TEST_F(Quota, J12_XSA352_AGuestCannotGiveItsNodesAway) {
  ASSERT_EQ(write(bad(), "gift", "v"), kOk);
  beside([&] {
    EXPECT_EQ(set_perms(bad(), "gift", "n1"), "!EPERM");
    EXPECT_EQ(set_perms(bad(), "gift", "n0"), "!EPERM");
    const std::uint32_t tx = start(bad());
    EXPECT_EQ(set_perms(bad(), "gift", "n1", tx), "!EPERM");
    EXPECT_THAT(commit(bad(), tx), AnyOf(kOk, "!ENOMEM"));
  });
  EXPECT_EQ(ask(dom0(), kGetPerms, {home(kBad, "/gift")}), zstrings({"n2"}));
}

TEST_F(Quota, J13_XSA353_TheRootIsNobodysButDom0s) {
  beside([&] {
    EXPECT_EQ(write(bad(), "/", "v"), "!EACCES");
    EXPECT_EQ(mkdir(bad(), "/new"), "!EACCES");
    EXPECT_EQ(rm(bad(), "/"), "!EACCES");
    EXPECT_THAT(set_perms(bad(), "/", "b0"), AnyOf("!EACCES", "!EPERM"));
    EXPECT_THAT(set_perms(bad(), "/", "n2"), AnyOf("!EACCES", "!EPERM"));
    EXPECT_EQ(ask(bad(), kDirectory, {"/"}), "!EACCES");
  });
}

TEST_F(Quota, J14_XSA326_EventsNobodyReadsStayWithinTheMemoryQuota) {
  ASSERT_EQ(mkdir(dom0(), "/watched"), kOk);
  ASSERT_EQ(set_perms(dom0(), "/watched", "r0"), kOk);
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(watch(bad(), "/watched", std::string(2000, 't') + std::to_string(i)), kOk);
    (void)bad().drain();
  }
  WireClient toolstack(daemon().socket_path());
  int turn = 0;
  beside([&] {
    const std::string path = "/watched/" + std::to_string(turn++ % 2000);
    EXPECT_EQ(write(toolstack, path, "v"), kOk);
  });
  // Read at last, it gets what was kept and goes on.
  while (bad().receive(milliseconds(200))) {
  }
  EXPECT_EQ(write(bad(), "alive", "v"), kOk);
  ASSERT_EQ(rm(dom0(), "/watched"), kOk);
}

TEST_F(Quota, J14_XSA326_RepliesNobodyReadsStopTheRingFromBeingRead) {
  ASSERT_EQ(write(bad(), "large", std::string(2000, 'v')), kOk);
  const std::string reads = encode({kRead, 1, 0, zstrings({"large"})});
  long sent = 0;
  std::string rest;
  beside([&] {
    if (rest.empty()) rest = reads, ++sent;
    rest.erase(0, bad().send_some(rest));
    std::this_thread::sleep_for(microseconds(100));
  });
  EXPECT_LT(sent, 200) << "requests were taken whose replies nobody fetched";
  while (bad().receive(milliseconds(200))) {
  }
  if (!rest.empty()) {
    bad().send_bytes(rest);
    (void)bad().receive();
  }
  EXPECT_EQ(write(bad(), "alive", "v"), kOk);
}

TEST_F(Quota, J14_XSA326_ATransactionHoldsSoManyNodesAndAGuestSoManyTransactions) {
  std::vector<std::uint32_t> open;
  while (const std::uint32_t tx = start(bad())) open.push_back(tx);
  EXPECT_EQ(open.size(), 10U);
  int accepted = 0;
  std::string answer = kOk;
  for (; accepted < 2000 && answer != "!ENOSPC"; ++accepted) {
    answer = read(bad(), "no/" + std::to_string(accepted), open[0]);
  }
  EXPECT_LE(accepted, 1026);
  EXPECT_EQ(commit(bad(), open[0]), "!ENOMEM");
  for (std::size_t i = 1; i < open.size(); ++i) EXPECT_EQ(commit(bad(), open[i]), kOk);
  beside([&] {
    const std::uint32_t tx = start(bad());
    for (int i = 0; i < 50; ++i) (void)write(bad(), "t/" + std::to_string(i), "v", tx);
    EXPECT_EQ(ask(bad(), kTransactionEnd, {"F"}, tx), kOk);
  });
}

TEST_F(Quota, J14_XSA326_TheMemoryQuotaRefusesWithENOMEM) {
  ASSERT_EQ(ask(dom0(), kSetQuota, {"2", "memory", "60000"}), kOk);
  std::string answer = kOk;
  int made = 0;
  for (; made < 900 && answer == kOk; ++made) {
    answer = write(bad(), "m" + std::to_string(made), std::string(1500, 'v'));
  }
  EXPECT_EQ(answer, "!ENOMEM");
  EXPECT_LE(made, 45);
  EXPECT_EQ(watch(bad(), "w", std::string(3000, 't')), "!ENOMEM");
  EXPECT_EQ(rm(bad(), "m0"), kOk) << "giving back is always possible";
  beside([&] { (void)write(bad(), "m-more/and/more", std::string(1900, 'v')); });
}

TEST_F(Quota, J24_XSA483_TheNextDomainOfADomidBeginsWithNothing) {
  for (int life = 0; life < 3; ++life) {
    EXPECT_EQ(fill(bad(), "n"), 999) << life;
    for (int i = 0; i < 128; ++i) {
      ASSERT_EQ(watch(bad(), "w", std::to_string(i)), kOk) << life << ' ' << i;
    }
    destroy(kBad);
    rm(dom0(), home(kBad));
    add_guest(kBad);
  }
}

TEST_F(Quota, G2_TheLimitItselfIsAllowedAndOneMoreIsNot) {
  for (int i = 0; i < 128; ++i) ASSERT_EQ(watch(bad(), "w", std::to_string(i)), kOk) << i;
  EXPECT_EQ(watch(bad(), "w", "one more"), "!ENOSPC");
  for (int i = 0; i < 10; ++i) ASSERT_NE(start(bad()), 0U) << i;
  EXPECT_EQ(ask(bad(), kTransactionStart, {""}), "!ENOSPC");
  EXPECT_EQ(ask(bad(), kResetWatches, {""}), kOk);
  ASSERT_EQ(write(bad(), "p", "v"), kOk);
  EXPECT_EQ(set_perms(bad(), "p", "n2 r0 r1 r3 r4"), kOk);
  EXPECT_EQ(set_perms(bad(), "p", "n2 r0 r1 r3 r4 r5"), "!ENOSPC");
  // 16 for the node and 8 for its one permission.
  EXPECT_EQ(write(bad(), "s", std::string(2048 - 24, 'v')), kOk);
  EXPECT_EQ(write(bad(), "s", std::string(2048 - 23, 'v')), "!ENOSPC");
  // "/local/domain/2/" does not count.
  EXPECT_EQ(read(bad(), std::string(2048, 'p')), "!ENOENT");
  EXPECT_EQ(read(bad(), std::string(2049, 'p')), "!EINVAL");
}

TEST_F(Quota, B8_AnyDomainInPermissionsOverASocketDoesNotKillTheDaemon) {
  ASSERT_EQ(write(dom0(), "/any", "v"), kOk);
  EXPECT_EQ(set_perms(dom0(), "/any", "n32757"), "!EINVAL");
  EXPECT_THAT(set_perms(dom0(), "/any", "n0 r32757"), AnyOf(kOk, "!EINVAL"));
  EXPECT_EQ(read(dom0(), "/any"), "v");
  ASSERT_EQ(rm(dom0(), "/any"), kOk);
}

TEST_F(Quota, C5_PathsOverASocketAreMeasuredToo) {
  EXPECT_EQ(write(dom0(), "/" + std::string(3072, 'p'), "v"), "!EINVAL");
  EXPECT_EQ(write(dom0(), "/" + std::string(3071, 'p'), "v"), kOk);
  EXPECT_EQ(rm(dom0(), "/" + std::string(3071, 'p')), kOk);
}

TEST_F(Quota, F3_HalfAMessageIsForgottenAtTheNextIntroduction) {
  const std::string half = encode({kWrite, 1, 0, zstrings({"old"}) + std::string(3000, 'o')});
  for (int round = 0; round < 20; ++round) {
    bad().send_bytes(std::string_view(half).substr(0, 1500 + 50 * static_cast<std::size_t>(round)));
    ASSERT_EQ(introduce(bad()), kOk);
    bad().start_over();
    ASSERT_EQ(write(bad(), "new", "v"), kOk);
  }
  EXPECT_EQ(read(bad(), "old"), "!ENOENT");
  EXPECT_EQ(read(bad(), "new"), "v");
}

}  // namespace
}  // namespace vxs::abuse
