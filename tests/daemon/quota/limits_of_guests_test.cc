// Every row of table G at its limit and one above it, by a guest's own requests.
#include <algorithm>
#include <set>
#include <sstream>

#include "tests/daemon/quota/quota_fixture.hh"

namespace vxs::test {
namespace {

using config::Quota;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(QuotaTest, Nodes_G2_TheThousandthIsAllowedTheNextIsEnospc) {
  for (int i = 1; i < 1000; ++i) {  // its home is the first
    const bool allowed = level(guest, Quota::kNodes).now < 1000;
    ASSERT_EQ(mkdir(guest, "d" + std::to_string(i % 10) + "/" + std::to_string(i / 10)),
              allowed ? "OK" : "ENOSPC");
    if (level(guest, Quota::kNodes).now == 1000) break;
  }
  EXPECT_EQ(level(guest, Quota::kNodes).now, 1000U);
  EXPECT_EQ(mkdir(guest, "more"), "ENOSPC");
  EXPECT_EQ(level(guest, Quota::kNodes).refused, 1U);
  EXPECT_EQ(write(guest, "d1/0", "rewriting goes on"), "OK");  // G4
  EXPECT_EQ(call(guest, wire::kRm, zstrings({"d1/0"})), "OK");
  EXPECT_EQ(mkdir(guest, "more"), "OK");
  EXPECT_EQ(write(dom0, "/local/domain/5/d2/by-dom0", ""), "OK");  // counts, is not refused
  EXPECT_EQ(level(guest, Quota::kNodes).now, 1001U);
  check();
}

TEST_F(QuotaTest, Nodes_G10_J5_J24_StayRightThroughFailuresAbortsGiftsAndDeath) {
  set_quota(5, "nodes", 4);
  EXPECT_EQ(mkdir(guest, "a/b/c"), "OK");
  EXPECT_EQ(mkdir(guest, "d"), "ENOSPC");
  const auto id = start(guest);
  EXPECT_EQ(call(guest, wire::kRm, zstrings({"a"}), id), "OK");
  EXPECT_EQ(mkdir(guest, "e/f/g", id), "OK");
  EXPECT_EQ(end(guest, id, "F"), "OK");
  EXPECT_EQ(level(guest, Quota::kNodes).now, 4U);
  auto& other = make_guest(6);
  EXPECT_EQ(set_perms(dom0, "/local/domain/5/a/b", {"n6"}), "OK");  // moves the count (G4)
  EXPECT_EQ(level(guest, Quota::kNodes).now, 3U);
  EXPECT_EQ(level(other, Quota::kNodes).now, 2U);
  EXPECT_EQ(call(dom0, wire::kRm, zstrings({"/local/domain/5/a"})), "OK");  // several owners
  EXPECT_EQ(level(guest, Quota::kNodes).now, 1U);
  EXPECT_EQ(level(other, Quota::kNodes).now, 1U);
  check();

  server.remove_connection(guest);
  EXPECT_EQ(call(dom0, wire::kRm, zstrings({"/local/domain/5"})), "OK");
  EXPECT_EQ(server.accounts().find({5, 0}), nullptr);
  check();
}

TEST_F(QuotaTest, Watches_G2_L20_The128thIsAllowedTheNextIsEnospc) {
  for (int i = 0; i < 128; ++i) ASSERT_EQ(watch(guest, "w", std::to_string(i)), "OK");
  EXPECT_EQ(watch(guest, "w", "128"), "ENOSPC");
  EXPECT_EQ(watch(guest, "w", "127"), "EEXIST");  // B9: before the quota
  EXPECT_EQ(call(guest, wire::kUnwatch, zstrings({"w", "0"})), "OK");
  EXPECT_EQ(watch(guest, "w", "128"), "OK");
  EXPECT_EQ(level(guest, Quota::kWatches).highest, 128U);
  EXPECT_EQ(call(guest, wire::kResetWatches, std::string(1, '\0')), "OK");
  EXPECT_EQ(level(guest, Quota::kWatches).now, 0U);
  check();
}

TEST_F(QuotaTest, Transactions_G2_E10_TheTenthIsAllowedTheNextIsEnospc) {
  std::uint32_t last = 0;
  for (int i = 0; i < 10; ++i) last = start(guest);
  EXPECT_EQ(call(guest, wire::kTransactionStart, zstrings({""})), "ENOSPC");
  EXPECT_EQ(end(guest, last, "F"), "OK");
  EXPECT_NE(call(guest, wire::kTransactionStart, zstrings({""})), "ENOSPC");
  check();
}

TEST_F(QuotaTest, TransactionNodes_G2_E10_The1024thIsAllowedTheNextIsEnospcAndPoisons) {
  const auto id = start(guest);
  for (int i = 0; i < 1023; ++i) {  // and the home, which decides about what is missing
    ASSERT_EQ(read(guest, "n" + std::to_string(i), id), "ENOENT");
  }
  EXPECT_EQ(write(guest, "/local/domain/5", "known", id), "OK");
  EXPECT_EQ(read(guest, "n1023", id), "ENOSPC");
  EXPECT_EQ(read(guest, "n5", id), "ENOENT");
  EXPECT_EQ(end(guest, id), "ENOMEM");  // B13
  EXPECT_EQ(end(guest, id), "ENOENT");  // gone
  EXPECT_EQ(level(guest, Quota::kTransactionNodes).highest, 1024U);
  EXPECT_EQ(level(guest, Quota::kTransactionNodes).refused, 1U);
  check();
}

TEST_F(QuotaTest, NodePermissions_G2_B8_2_FiveAreAllowedSixAreEnospc) {
  ASSERT_EQ(mkdir(guest, "a"), "OK");
  EXPECT_EQ(set_perms(guest, "a", {"n5", "r1", "r2", "r3", "r4"}), "OK");
  EXPECT_EQ(set_perms(guest, "a", {"n5", "r1", "r2", "r3", "r4", "r6"}), "ENOSPC");
  EXPECT_EQ(set_perms(guest, "a", {"junk", "r1", "r2", "r3", "r4", "r6"}), "ENOSPC");  // B8.2
  EXPECT_EQ(set_perms(dom0, "/local/domain/5/a", {"n5", "r1", "r2", "r3", "r4", "r6"}), "OK");
}

TEST_F(QuotaTest, NodeSize_G2_G3_2048AreAllowed2049AreEnospc) {
  EXPECT_EQ(write(guest, "a", std::string(2048 - 24, 'x')), "OK");
  EXPECT_EQ(write(guest, "a", std::string(2048 - 23, 'x')), "ENOSPC");
  EXPECT_EQ(write(dom0, "/local/domain/5/a", std::string(4000, 'x')), "OK");
  EXPECT_EQ(write(guest, "a", "shorter"), "OK");
  ASSERT_EQ(mkdir(guest, "dir"), "OK");
  int children = 0;
  while (mkdir(guest, "dir/c" + std::to_string(1000 + children)) == "OK") ++children;
  EXPECT_EQ(children, (2048 - 24) / 6);
  EXPECT_EQ(level(guest, Quota::kNodeSize).highest, 2048U);
  check();
}

TEST_F(QuotaTest, PathMax_G1_C5_IsTheDomainsOwn) {
  EXPECT_EQ(write(guest, std::string(200, 'x'), ""), "OK");
  set_quota(5, "path-max", 100);
  EXPECT_EQ(write(guest, std::string(100, 'x'), ""), "OK");
  EXPECT_EQ(write(guest, std::string(101, 'x'), ""), "EINVAL");
  EXPECT_EQ(level(guest, Quota::kPathMax).refused, 1U);
  EXPECT_EQ(write(make_guest(6), std::string(101, 'x'), ""), "OK");
}

TEST_F(QuotaTest, Memory_G6_G7_WriteAndWatchAreEnomemOneByteAboveTheLimit) {
  const auto used = level(guest, Quota::kMemory).now;
  const std::uint64_t path = std::string("/local/domain/5/a").size();
  // The node, its name in the home, and the reply of the request before is written.
  set_quota(5, "memory", used + 24 + 10 + path + 2);
  EXPECT_EQ(write(guest, "a", std::string(11, 'x')), "ENOMEM");
  EXPECT_EQ(write(guest, "a", std::string(10, 'x')), "OK");
  EXPECT_EQ(watch(guest, "w", "t"), "ENOMEM");
  EXPECT_EQ(call(guest, wire::kRm, zstrings({"a"})), "OK");
  set_quota(5, "memory", used + path + 1);
  EXPECT_EQ(watch(guest, "w", "tt"), "ENOMEM");
  EXPECT_EQ(watch(guest, "w", "t"), "OK");
  EXPECT_EQ(level(guest, Quota::kMemory).now, used + path + 1);
  check();
}

TEST_F(QuotaTest, Memory_G6_LargeRepliesAreEnomemSmallOnesGoOut) {
  ASSERT_EQ(write(guest, "sixteen", std::string(16, 'x')), "OK");
  ASSERT_EQ(write(guest, "seventeen", std::string(17, 'x')), "OK");
  const auto used = level(guest, Quota::kMemory).now;
  set_quota(5, "memory", used + 17 + 16);
  EXPECT_EQ(read(guest, "seventeen"), std::string(17, 'x'));
  set_quota(5, "memory", used + 17 + 15);
  EXPECT_EQ(read(guest, "seventeen"), "ENOMEM");
  set_quota(5, "memory", 1);
  EXPECT_EQ(read(guest, "sixteen"), std::string(16, 'x'));
  EXPECT_EQ(read(guest, "none"), "ENOENT");
}

TEST_F(QuotaTest, Memory_G6_D16_EventsThatDoNotFitAreDropped) {
  ASSERT_EQ(watch(guest, "w", "t"), "OK");
  (void)take(guest);
  const std::uint64_t event = 16 + 2 + 2;
  set_quota(5, "memory", level(guest, Quota::kMemory).now + 1000);
  ASSERT_EQ(write(dom0, "/local/domain/5/w", ""), "OK");
  EXPECT_THAT(take(guest), ElementsAre("event w t"));
  set_quota(5, "memory", level(guest, Quota::kMemory).now + event);
  ASSERT_EQ(write(dom0, "/local/domain/5/w", ""), "OK");
  EXPECT_THAT(take(guest), ElementsAre("event w t"));
  set_quota(5, "memory", level(guest, Quota::kMemory).now + event - 1);
  ASSERT_EQ(write(dom0, "/local/domain/5/w", ""), "OK");
  EXPECT_THAT(take(guest), IsEmpty());
  check();
}

TEST_F(QuotaTest, Memory_G6_AboveTheLimitTheRingRestsUntilItHasRead) {
  ASSERT_EQ(write(guest, "a", std::string(1000, 'x')), "OK");
  begin(guest, wire::kRead, zstrings({"a"}));
  set_quota(5, "memory", 1100);
  EXPECT_FALSE(server.ready_for(guest));
  server.settle();
  EXPECT_TRUE(rings.paused[5]);
  (void)take(guest);
  server.settle();
  EXPECT_FALSE(rings.paused[5]);
  EXPECT_TRUE(server.ready_for(guest));
}

TEST_F(QuotaTest, Memory_G6_TransactionCopiesAreChargedToTheirOwner) {
  const auto before = level(guest, Quota::kMemory).now;
  const auto id = start(guest);
  EXPECT_EQ(write(guest, "a", std::string(1000, 'x'), id), "OK");
  EXPECT_GE(level(guest, Quota::kMemory).now, before + 1000);
  check();
  set_quota(5, "memory", level(guest, Quota::kMemory).now + 500);
  EXPECT_EQ(write(guest, "b", std::string(1000, 'x'), id), "ENOMEM");
  EXPECT_EQ(end(guest, id), "OK");  // not poisoned (design §4)
  EXPECT_EQ(read(dom0, "/local/domain/5/b"), "ENOENT");
  check();
}

TEST_F(QuotaTest, SoftMemory_G6_OnlyWarns) {
  set_quota(5, "soft-memory", level(guest, Quota::kMemory).now + 1000);
  EXPECT_EQ(write(guest, "a", std::string(900, 'x')), "OK");
  EXPECT_THAT(observer.warnings, IsEmpty());
  EXPECT_EQ(write(guest, "b", std::string(900, 'x')), "OK");
  EXPECT_THAT(observer.warnings, ElementsAre(HasSubstr("domain 5 uses")));
}

TEST_F(QuotaTest, G1_SocketsAndPrivilegedRingsAreUnlimited) {
  daemon::Connection::Peer peer;
  peer.id = 77;
  peer.ring = true;  // dom0's kernel
  auto& kernel = server.add_connection(std::move(peer));
  for (auto* connection : {&dom0, &kernel}) {
    EXPECT_EQ(connection->account, nullptr);
    for (int i = 0; i < 200; ++i) {
      ASSERT_EQ(watch(*connection, "/w", std::to_string(i)), "OK");
      (void)start(*connection);
    }
    EXPECT_EQ(write(*connection, "/big", std::string(4000, 'x')), "OK");
  }
}

TEST_F(QuotaTest, G1_ZeroIsUnlimited) {
  for (const char* name : {"nodes", "watches", "memory", "transactions", "transaction-nodes",
                           "node-permissions", "node-size", "outstanding"}) {
    set_quota(5, name, 0);
  }
  for (int i = 0; i < 1100; ++i) ASSERT_EQ(mkdir(guest, "n" + std::to_string(i)), "OK");
  for (int i = 0; i < 200; ++i) {
    ASSERT_EQ(watch(guest, "w", std::to_string(i)), "OK");
    (void)start(guest);
  }
  EXPECT_EQ(write(guest, "n1", std::string(3000, 'x')), "OK");
  EXPECT_EQ(set_perms(guest, "n2", {"n5", "r1", "r2", "r3", "r4", "r6", "r7"}), "OK");
  check();
}

TEST_F(QuotaTest, G8_B22_ValuesAreTheDomainsOwnAndBindAtOnce) {
  auto& other = make_guest(6);
  set_quota(5, "watches", 1);
  EXPECT_EQ(watch(guest, "w", "1"), "OK");
  EXPECT_EQ(watch(guest, "w", "2"), "ENOSPC");
  EXPECT_EQ(watch(other, "w", "1"), "OK");
  EXPECT_EQ(watch(other, "w", "2"), "OK");
  set_quota(5, "watches", 2);
  EXPECT_EQ(watch(guest, "w", "2"), "OK");
}

TEST_F(QuotaTest, B13_TwoTransactionsThatTogetherMakeTooManyNodes) {
  set_quota(5, "nodes", 3);
  const auto first = start(guest);
  const auto second = start(guest);
  EXPECT_EQ(mkdir(guest, "a/b", first), "OK");
  EXPECT_EQ(mkdir(guest, "c/d", second), "OK");
  EXPECT_EQ(end(guest, first), "OK");
  EXPECT_EQ(end(guest, second), "ENOSPC");
  EXPECT_EQ(end(guest, second), "ENOENT");
  check();
}

TEST_F(QuotaTest, Log_G6_AFloodOfRefusalsIsOneLineIn10Seconds) {
  set_quota(5, "watches", 1);
  EXPECT_EQ(watch(guest, "w", "1"), "OK");
  for (int i = 0; i < 500; ++i) EXPECT_EQ(watch(guest, "w", "2"), "ENOSPC");
  EXPECT_THAT(observer.warnings, ElementsAre(HasSubstr("limit of watches (1)")));
  EXPECT_EQ(level(guest, Quota::kWatches).refused, 500U);
}

TEST_F(QuotaTest, H2_QuotaOfADomainShowsWhatItHasAndTheMostItHad) {
  ASSERT_EQ(watch(guest, "w", "1"), "OK");
  ASSERT_EQ(watch(guest, "w", "2"), "OK");
  ASSERT_EQ(call(guest, wire::kUnwatch, zstrings({"w", "2"})), "OK");
  const std::string text = control({"quota", "5"});
  EXPECT_THAT(text, testing::StartsWith("Domain 5:\n"));
  EXPECT_THAT(text, HasSubstr("nodes            :        1 (max        1)\n"));
  EXPECT_THAT(text, HasSubstr("watches          :        1 (max        2)\n"));
  EXPECT_THAT(control({"quota", "max"}), HasSubstr("watches          :        2\n"));
  EXPECT_THAT(control({"quota", "max", "-r"}), HasSubstr("watches          :        2\n"));
  EXPECT_THAT(control({"quota", "max"}), HasSubstr("watches          :        1"));
  EXPECT_EQ(control({"quota", "40000"}), "ENOENT");
}

TEST_F(QuotaTest, VxsQuota_SaysWhatStoppedWhom) {
  set_quota(5, "watches", 1);
  (void)watch(guest, "w", "1");
  (void)watch(guest, "w", "2");
  const std::string text = control({"vxs-quota", "5"});
  EXPECT_THAT(text, testing::StartsWith("domid 5\nlimited 1\npaused\ncredits 5\n"));
  EXPECT_THAT(text, HasSubstr("\nwatches 1 1 1 1 " + std::to_string(clock.now_us)));
  for (DomId domid = 6; domid < 30; ++domid) (void)make_guest(domid);
  std::set<std::string> seen;
  for (std::string first = "0"; !first.empty();) {
    const std::string page = control({"vxs-quota", first});
    EXPECT_LE(page.size(), 4096U);
    first.clear();
    std::istringstream lines(page);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("domid ")) {
        EXPECT_TRUE(seen.insert(line).second) << line;
      }
      if (line.starts_with("more ")) first = line.substr(5);
    }
  }
  EXPECT_EQ(seen.size(), 26U);  // dom0 and 25 guests
}

// Bug: where earlier lives of a domid still own nodes, a page could end within that domid, and the
// next page, asked for by domid, was the same again.
TEST_F(QuotaTest, Bug_VxsQuota_PagesEndBetweenDomidsHoweverManyLivesOneHas) {
  for (Incarnation life = 1; life <= 20; ++life) {
    const std::string path = "/left/" + std::to_string(life);
    ASSERT_EQ(write(dom0, path, ""), "OK");
    const store::Change gift{.kind = store::ChangeKind::kSetPerms,
                             .implicit = false,
                             .path = path,
                             .value = {},
                             .perms = list({{.domid = 6, .incarnation = life}})};
    ASSERT_TRUE(head.commit(std::span(&gift, 1), journal.last_seq(), 0));
  }
  (void)make_guest(7);
  std::string first = "0";
  std::vector<std::string> domids;
  for (int pages = 0; !first.empty(); ++pages) {
    ASSERT_LT(pages, 10);
    const std::string page = control({"vxs-quota", first});
    EXPECT_LE(page.size(), 4096U);
    first.clear();
    std::istringstream lines(page);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with("domid ")) domids.push_back(line.substr(6));
      if (line.starts_with("more ")) first = line.substr(5);
      if (line.starts_with("omitted ")) domids.push_back(line);
    }
  }
  EXPECT_EQ(std::count(domids.begin(), domids.end(), "7"), 1);
  const auto lives = std::count(domids.begin(), domids.end(), "6");
  EXPECT_GT(lives, 3);
  EXPECT_THAT(domids, testing::Contains("omitted " + std::to_string(20 - lives)));
}

}  // namespace
}  // namespace vxs::test
