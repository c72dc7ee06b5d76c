// What a restarted daemon knows: replay of real records gives the state that was captured, and the
// domains that are still what they were have rings, watches and rights again (design §6, A25).
#include <cstdlib>
#include <filesystem>
#include <random>
#include <system_error>

#include "store/env.hh"
#include "store/journal/journal.hh"
#include "tests/daemon/domains/life_fixture.hh"

namespace vxs::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// The daemon's core over a journal on disk, which outlives it as Xen does.
class Restart : public LifeTest {
 protected:
  Restart() {
    char name[] = "/dev/shm/vxs-domains-XXXXXX";
    directory_ = ::mkdtemp(name);
    run.reset();
    rings.rings.clear();
    open({});
  }
  ~Restart() override {
    run.reset();
    real_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  // kill -9 and start: nothing is left of the process but the journal. Meanwhile Xen goes on.
  void restart() {
    before_ = server().lifecycle().capture();
    run.reset();
    real_.reset();
    rings.rings.clear();
    (void)rings.take_log();
    open({});
    log_ = rings.take_log();
  }
  void open(daemon::ServerOptions options) {
    store::JournalOptions where;
    where.directory = directory_ + "/journal";
    where.segment_bytes = 1U << 20;
    where.budget_bytes = 64U << 20;
    where.boot_id = "boot";
    report_ = {};
    store::Tree tree = first_tree();
    auto opened = store::open_journal(*env_, where, perms, tree, report_, [] {});
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    real_ = std::move(*opened);
    ASSERT_TRUE(real_->immediate());
    options.first_connection = report_.last_connection + 1;
    run = std::make_unique<CoreRun>(*real_, &hypervisor, rings, perms, stats, std::move(tree),
                                    real_->last_seq(), options);
    replayed_ = report_.system;
    server().recover(report_.system, hypervisor.list(), [this] { return attach_own(); });
    server().bury_the_dead();
    dom0 = &socket();
  }
  daemon::Connection& ring(DomId domid) { return *rings.rings.at(domid).connection; }

  std::unique_ptr<store::Env> env_ = store::make_posix_env();
  std::string directory_;
  std::unique_ptr<store::Journal> real_;
  store::RecoveryReport report_;
  store::SystemState before_;
  store::SystemState replayed_;
  std::vector<std::string> log_;
};

TEST_F(Restart, A25_RingsWatchesAndTargetsAreThereAgain) {
  auto& one = guest(5);
  (void)guest(6, 2);
  EXPECT_EQ(call(*dom0, wire::kSetTarget, {"6", "5"}), "OK");
  EXPECT_EQ(put("/mine", {"n5"}), "OK");
  EXPECT_EQ(put("/local/domain/5", {"n5"}), "OK");
  EXPECT_EQ(watch(one, "data", "relative"), "OK");
  EXPECT_EQ(watch(one, "/local/domain/5/data", "absolute"), "OK");
  EXPECT_EQ(watch(one, "/", "deep", 4), "OK");
  EXPECT_EQ(watch(one, "/", "flat", 1), "OK");
  EXPECT_EQ(call(*dom0, wire::kSetQuota, {"5", "watches", "7"}), "OK");
  EXPECT_EQ(call(*dom0, wire::kSetQuota, {"nodes", "55"}), "OK");
  const auto life = one.caller().incarnation;
  const auto id = one.id();
  restart();
  EXPECT_TRUE(replayed_ == before_);
  EXPECT_THAT(log_, ElementsAre("attach 0 1", "resumed 0", "attach 5 3", "resumed 5", "attach 6 3",
                                "resumed 6"));
  EXPECT_EQ(ring(5).id(), id);
  EXPECT_EQ(ring(5).caller().incarnation, life);
  EXPECT_GT(dom0->id(), ring(6).id());
  EXPECT_EQ(read(ring(5), "/mine"), "v");
  EXPECT_EQ(read(ring(6), "/mine"), "v");
  EXPECT_EQ(write(*dom0, "/local/domain/5/data", "x"), "OK");
  EXPECT_THAT(heard(ring(5)), ElementsAre("data relative", "/local/domain/5/data absolute",
                                          "/local/domain/5/data deep"));
  EXPECT_EQ(call(*dom0, wire::kGetQuota, {"5", "watches"}), "7");
  EXPECT_EQ(call(*dom0, wire::kGetQuota, {"5", "nodes"}), "1000");
  EXPECT_EQ(call(*dom0, wire::kGetQuota, {"nodes"}), "55");
  expect_index_matches();
}

TEST_F(Restart, TheKernelOfDom0HearsOfBlockDevicesAgain) {
  auto& kernel = ring(0);
  EXPECT_EQ(watch(kernel, "/local/domain/0/backend", "k"), "OK");
  restart();
  EXPECT_EQ(write(*dom0, "/local/domain/0/backend/vbd/1/0/state", "1"), "OK");
  EXPECT_THAT(heard(ring(0)), ElementsAre("/local/domain/0/backend/vbd/1/0/state k"));
}

TEST_F(Restart, F8_WhoDiedMeanwhileIsCleanedUpAndToldToThoseWhoAreLeft) {
  (void)guest(5);
  auto& other = guest(6, 2);
  EXPECT_EQ(watch(other, "@releaseDomain", "r"), "OK");
  EXPECT_EQ(put("/mine", {"n5"}), "OK");
  EXPECT_EQ(put("/list", {"n0", "r5", "r6"}), "OK");
  hypervisor.exist.erase(5);
  restart();
  EXPECT_EQ(is_introduced(5), "F");
  EXPECT_EQ(read(*dom0, "/mine"), "ENOENT");
  EXPECT_EQ(perms_of("/list"), "n0 r6");
  EXPECT_THAT(heard(ring(6)), ElementsAre("@releaseDomain r"));
  restart();
  EXPECT_TRUE(replayed_ == before_);
  EXPECT_FALSE(replayed_.domains.contains(5));
}

TEST_F(Restart, F8_J7_AnotherHandleOrAPortThatCannotBeBoundIsAnotherLife) {
  (void)guest(5);
  (void)guest(6, 2);
  EXPECT_EQ(put("/five", {"n5"}), "OK");
  EXPECT_EQ(put("/six", {"n6"}), "OK");
  hypervisor.make(5, 9);
  rings.broken.insert(6);
  restart();
  EXPECT_EQ(is_introduced(5), "F");
  EXPECT_EQ(is_introduced(6), "F");
  EXPECT_EQ(read(*dom0, "/five"), "ENOENT");
  EXPECT_EQ(read(*dom0, "/six"), "ENOENT");
}

class Waiting : public Restart {
 protected:
  // A guest with a node and a watch, whose ring cannot be attached at the restart.
  void restart_short_of_memory() {
    EXPECT_EQ(watch(guest(5), "/mine", "w"), "OK");
    EXPECT_EQ(put("/mine", {"n5"}), "OK");
    rings.short_of.insert(5);
    restart();
  }
  void second() {
    run->clock.now_us += 1'000'000;
    (void)server().tick();
  }
};

// Bug: whatever kept a ring from being attached at a restart (no memory, no descriptor) was taken
// for the domain's death, and all nodes of a guest that runs were removed.
TEST_F(Waiting, Bug_WantOfMemoryAtARestartIsNobodysDeath) {
  restart_short_of_memory();
  EXPECT_EQ(is_introduced(5), "T");
  EXPECT_EQ(read(*dom0, "/mine"), "v");
  EXPECT_EQ(run->observer.errors.size(), 1U);
  restart();  // and again, with its watch
  EXPECT_TRUE(replayed_ == before_);
  EXPECT_TRUE(server().lifecycle().capture() == before_);
  EXPECT_EQ(server().lifecycle().state_hash(), store::state_hash(before_));
  second();
  EXPECT_FALSE(rings.rings.contains(5));
  rings.short_of.clear();
  second();
  ASSERT_TRUE(rings.rings.contains(5));
  EXPECT_THAT(heard(ring(5)), ElementsAre("/mine w")) << "it may have missed something";
  EXPECT_EQ(write(ring(5), "/mine", "x"), "OK");
  EXPECT_THAT(heard(ring(5)), ElementsAre("/mine w"));
  EXPECT_TRUE(server().lifecycle().capture() == before_);
}

TEST_F(Waiting, F3_IsIntroducedAnew) {
  restart_short_of_memory();
  EXPECT_EQ(introduce(5, 4), "EINVAL");
  rings.short_of.clear();
  EXPECT_EQ(introduce(5, 4), "OK");
  EXPECT_EQ(rings.rings.at(5).port, 4U);
  EXPECT_EQ(write(ring(5), "/mine", "x"), "OK");
  EXPECT_THAT(heard(ring(5)), IsEmpty()) << "it begins anew";
  second();
  restart();
  EXPECT_TRUE(replayed_ == before_);
  EXPECT_EQ(is_introduced(5), "T");
  EXPECT_EQ(server().watches().size(), 0U);
}

TEST_F(Waiting, F8_DiesWhenItsPortCannotBeBoundOrXenSaysSo) {
  restart_short_of_memory();
  rings.short_of = {};
  rings.broken.insert(5);
  second();
  EXPECT_EQ(is_introduced(5), "F");
  EXPECT_EQ(read(*dom0, "/mine"), "ENOENT");
  rings.broken = {};
  restart_short_of_memory();
  kill(5);
  EXPECT_EQ(read(*dom0, "/mine"), "ENOENT");
  rings.short_of = {};
  second();
  EXPECT_FALSE(rings.rings.contains(5));
}

TEST_F(Restart, F8_WhereLivesHaveNumbersAPortProvesNothing) {
  hypervisor.make(5, 1, 77);
  EXPECT_EQ(introduce(5), "OK");
  EXPECT_EQ(put("/mine", {"n5"}), "OK");
  rings.broken.insert(5);
  restart();
  EXPECT_EQ(is_introduced(5), "T");
  EXPECT_EQ(read(*dom0, "/mine"), "v");
}

// Bug: a re-introduction whose port could not be bound was tolerated, and at the next start that
// port was the proof of the guest's death.
TEST_F(Restart, Bug_APortThatWasNeverBoundDoesNotProveADeath) {
  (void)guest(5);
  EXPECT_EQ(put("/mine", {"n5"}), "OK");
  rings.unbindable.insert(9);
  EXPECT_EQ(introduce(5, 9), "OK");
  restart();
  EXPECT_TRUE(replayed_ == before_);
  EXPECT_EQ(is_introduced(5), "T");
  EXPECT_EQ(read(*dom0, "/mine"), "v");
  EXPECT_EQ(introduce(5, 10), "OK");
  EXPECT_EQ(read(ring(5), "/mine"), "v");
}

TEST_F(Restart, A17_AFrozenRingStaysFrozenUntilItIsIntroducedAgain) {
  server().freeze(guest(5));
  restart();
  EXPECT_TRUE(replayed_ == before_);
  EXPECT_EQ(is_introduced(5), "T");
  EXPECT_FALSE(server().ready_for(ring(5)));
  EXPECT_EQ(introduce(5), "OK");
  restart();
  EXPECT_TRUE(server().ready_for(ring(5)));
}

TEST_F(Restart, F1_DomainsThatWereOnlyPreparedKeepTheirRights) {
  hypervisor.make(5, 1);
  EXPECT_EQ(put("/a", {"n0", "r5"}), "OK");
  EXPECT_EQ(call(*dom0, wire::kSetFeature, {"5", "2"}), "OK");
  restart();
  EXPECT_TRUE(replayed_ == before_);
  EXPECT_EQ(introduce(5), "OK");
  EXPECT_EQ(read(ring(5), "/a"), "v");
  EXPECT_EQ(call(ring(5), wire::kGetFeature, ""), "2");
}

TEST_F(Restart, F13_AShutdownThatWasToldIsNotToldAgain) {
  (void)guest(5);
  hypervisor.exist[5].shutdown = true;
  scan();
  restart();
  EXPECT_EQ(watch(*dom0, "@releaseDomain", "r"), "OK");
  scan();
  EXPECT_THAT(heard(*dom0), IsEmpty());
}

TEST_F(Restart, NodesOfDomainsNobodyRemembersGo) {
  (void)guest(5);
  EXPECT_EQ(put("/mine", {"n5"}), "OK");
  EXPECT_EQ(put("/list", {"n0", "r5"}), "OK");
  const store::Tree tree = run->head.tree();
  run =
      std::make_unique<CoreRun>(*real_, &hypervisor, rings, perms, stats, tree, real_->last_seq());
  rings.rings.clear();
  server().recover({}, hypervisor.list(), [this] { return attach_own(); });
  server().bury_the_dead();
  dom0 = &socket();
  EXPECT_EQ(read(*dom0, "/mine"), "ENOENT");
}

// Random lives: after any of them a replay gives what was captured, and the index what a walk
// finds.
TEST_F(Restart, RandomLivesReplayToTheSameState) {
  for (unsigned seed = 1; seed <= 6; ++seed) {
    std::mt19937 random(seed);
    const auto any = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
    std::uint8_t life = 0;
    for (int step = 0; step < 400; ++step) {
      const auto domid = static_cast<DomId>(1 + any(6));
      const std::string text = std::to_string(domid);
      const std::string path = fmt::format("/d{}/{}", any(6), any(5));
      const auto served = rings.rings.find(domid);
      daemon::Connection* who = served != rings.rings.end() &&
                                        served->second.connection != nullptr &&
                                        server().ready_for(*served->second.connection)
                                    ? served->second.connection
                                    : nullptr;
      switch (any(16)) {
        case 0:
          hypervisor.make(domid, ++life);  // a new life, noticed or not
          break;
        case 1:
          hypervisor.exist.erase(domid);
          if (any(2) == 0) scan();
          break;
        case 2:
        case 3:
          (void)introduce(domid, 1 + any(9));
          break;
        case 4:
          (void)release(domid);
          break;
        case 5:
          (void)put(path, {any(2) == 0 ? "n0" : "b" + text, "r" + std::to_string(1 + any(6))});
          break;
        case 6:
          if (hypervisor.exist.contains(domid)) hypervisor.exist[domid].shutdown = any(2) == 0;
          scan();
          break;
        case 7:
          (void)call(*dom0, wire::kResume, {text});
          break;
        case 8:
          (void)call(*dom0, wire::kSetTarget, {text, std::to_string(1 + any(6))});
          break;
        case 9:
          (void)call(*dom0, any(2) == 0 ? wire::kSetFeature : wire::kResume, {text, "14"});
          break;
        case 10:
          (void)call(*dom0, wire::kSetQuota, {text, "watches", std::to_string(any(99))});
          if (any(4) == 0) (void)call(*dom0, wire::kSetQuota, {"nodes", std::to_string(any(99))});
          break;
        case 11:
          if (who != nullptr) (void)watch(*who, path, std::to_string(any(3)));
          break;
        case 12:
          if (who != nullptr) (void)call(*who, wire::kUnwatch, {path, std::to_string(any(3))});
          break;
        case 13:
          if (who != nullptr && any(3) == 0) (void)call(*who, wire::kResetWatches, {""});
          if (who != nullptr) (void)write(*who, path + "/x", "y");
          break;
        case 14:
          if (who != nullptr && any(3) == 0) server().freeze(*who);
          if (any(3) == 0) (void)call(*dom0, wire::kRm, {path});
          break;
        default:
          if (any(4) == 0) {
            restart();
            ASSERT_TRUE(replayed_ == before_) << "seed " << seed << " step " << step;
          }
          break;
      }
      if (step % 20 == 0) expect_index_matches();
    }
  }
}

}  // namespace
}  // namespace vxs::test
