// What changes between the moment at which the new program of a live update has prepared itself and
// its turn: it has mapped rings and made watches by then, of a state that is another one now.
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <csignal>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include "tests/daemon/live_update/update_fixture.hh"
#include "tests/support/fake_guest.hh"
#include "tests/support/fake_machine.hh"
#include "tests/support/requests.hh"

namespace vxs::test {
namespace {

using support::FakeGuest;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::IsSupersetOf;

class LiveUpdateAhead : public WithMachine, public LiveUpdate {
 protected:
  LiveUpdateAhead() : LiveUpdate({}, "/dev/shm", machine_.dir()), dom0_(supervisor.socket_path()) {
    EXPECT_EQ(::mkfifo(config().c_str(), 0600), 0);
  }
  ~LiveUpdateAhead() override { ::kill(supervisor.pid(), SIGCONT); }

  FakeGuest& add(std::uint32_t domid) {
    machine_.create_domain(domid);
    EXPECT_EQ(support::make_home(dom0_, domid), "");
    auto guest = std::make_unique<FakeGuest>(machine_.machine(), domid);
    introduce(*guest);
    guests_[domid] = std::move(guest);
    watch(*guests_[domid], "a");
    return *guests_[domid];
  }
  void introduce(FakeGuest& guest) {
    EXPECT_EQ(dom0_.call(support::kIntroduce, guest.introduction()).error(), "");
  }
  void release(std::uint32_t domid) {
    EXPECT_EQ(dom0_.call(support::kRelease, zstrings({std::to_string(domid)})).error(), "");
  }
  static void watch(FrameClient& client, const std::string& path) {
    EXPECT_EQ(client.call(support::kWatch, zstrings({path, "token"})).error(), "");
    (void)client.drain();
  }
  static void unwatch(FrameClient& client, const std::string& path) {
    EXPECT_EQ(client.call(support::kUnwatch, zstrings({path, "token"})).error(), "");
  }
  /// What a client hears of changes of all these.
  std::set<std::string> heard(FrameClient& client, const std::vector<std::string>& paths) {
    (void)client.drain();
    for (const auto& path : paths) EXPECT_EQ(write(dom0_, path, "changed"), "");
    std::set<std::string> events;
    for (const auto& event : client.drain()) events.insert(event.path);
    return events;
  }

  /// Returns when the new program has read all it can; it does not get its turn before go_on().
  void prepare() {
    const std::string next = copy_of_ours("next");
    before_ = daemon();
    asking_.emplace(supervisor.dir(),
                    std::vector<std::string>{"-c",
                                             "--xen on --config " + config() + " --state-dir " +
                                                 supervisor.state_dir() + " --journal-dir " +
                                                 supervisor.journal_dir(),
                                             next});
    // It waits for its configuration, and the supervisor has told it all it tells.
    ASSERT_TRUE(eventually([&] { return children().size() == 2 && polls(supervisor.pid()); }));
    ASSERT_EQ(::kill(supervisor.pid(), SIGSTOP), 0);
    for (const pid_t child : children()) {
      if (child != before_) next_ = child;
    }
    std::ofstream(config()) << "\n";
    ASSERT_TRUE(eventually([&] { return polls(next_); }));
  }
  void go_on() {
    ASSERT_EQ(daemon(), before_);
    ASSERT_EQ(::kill(supervisor.pid(), SIGCONT), 0);
    ASSERT_EQ(asking_->end(), 0) << asking_->output();
    ASSERT_EQ(daemon(), next_);
  }
  /// Event channels of dom0.
  int bound() {
    int count = 0;
    for (fakexen::Port port = 1; port < 128; ++port) {
      const auto status = machine_.machine().port_status(0, port);
      count += status && status->kind != fakexen::kClosed ? 1 : 0;
    }
    return count;
  }

  WireClient dom0_;
  std::map<std::uint32_t, std::unique_ptr<FakeGuest>> guests_;

 private:
  [[nodiscard]] std::string config() const { return supervisor.dir() + "/config"; }
  /// Its main thread waits in poll().
  static bool polls(pid_t pid) {
    long number = -1;
    std::ifstream("/proc/" + std::to_string(pid) + "/syscall") >> number;
#ifdef SYS_poll
    if (number == SYS_poll) return true;
#endif
    return number == SYS_ppoll;
  }

  std::optional<Asking> asking_;
  pid_t before_ = 0;
  pid_t next_ = 0;
};

TEST_F(LiveUpdateAhead, H5_WatchesThatCameAndWent) {
  FakeGuest& changing = add(1);
  FakeGuest& resetting = add(2);
  FakeGuest& staying = add(3);
  WireClient client = this->client();
  watch(client, "/local/domain/1/a");
  watch(client, "/local/domain/2/a");
  prepare();
  unwatch(changing, "a");
  watch(changing, "b");
  EXPECT_EQ(resetting.call(support::kResetWatches, zstrings({""})).error(), "");
  unwatch(client, "/local/domain/1/a");
  watch(client, "/local/domain/1/b");
  go_on();
  EXPECT_THAT(heard(changing, {"/local/domain/1/a", "/local/domain/1/b"}), ElementsAre("b"));
  EXPECT_THAT(heard(resetting, {"/local/domain/2/a"}), IsEmpty());
  EXPECT_THAT(heard(staying, {"/local/domain/3/a", "/local/domain/3/b"}), ElementsAre("a"));
  EXPECT_THAT(heard(client, {"/local/domain/1/a", "/local/domain/1/b", "/local/domain/2/a"}),
              ElementsAre("/local/domain/1/b", "/local/domain/2/a"));
}

// Each gets the port that was the other's, and comes with another page.
TEST_F(LiveUpdateAhead, F2_DomainsThatWereReleasedAndIntroducedAgain) {
  FakeGuest& one = add(1);
  FakeGuest& two = add(2);
  FakeGuest& three = add(3);
  const int before = bound();
  prepare();
  release(1);
  release(2);
  for (FakeGuest* const guest : {&two, &one}) {
    guest->move_page();
    introduce(*guest);
    guest->start_over();
  }
  for (const std::uint32_t domid : {1U, 2U}) EXPECT_EQ(support::make_home(dom0_, domid), "");
  go_on();
  for (FakeGuest* const guest : {&one, &two, &three}) {
    EXPECT_EQ(write(*guest, "mine", "v"), "") << guest->domid();
    EXPECT_EQ(read(*guest, "mine"), "v");
  }
  EXPECT_THAT(heard(one, {"/local/domain/1/a"}), IsEmpty()) << "its watches ended";
  EXPECT_THAT(heard(three, {"/local/domain/3/a"}), ElementsAre("a"));
  EXPECT_EQ(bound(), before);
}

// Page and port of a domain that stays introduced are of use as they were found, or asked for anew.
TEST_F(LiveUpdateAhead, F3_ADomainThatWasResetAndIntroducedAgain) {
  FakeGuest& guest = add(1);
  FakeGuest& other = add(2);
  const int before = bound();
  prepare();
  (void)machine_.soft_reset(1);
  guest.start_over();
  introduce(guest);
  go_on();
  for (FakeGuest* const one : {&guest, &other}) {
    EXPECT_EQ(write(*one, "mine", "v"), "") << one->domid();
  }
  EXPECT_THAT(heard(guest, {"/local/domain/1/a"}), IsEmpty()) << "its watches ended";
  EXPECT_EQ(bound(), before);
}

TEST_F(LiveUpdateAhead, F1_ADomainThatCame) {
  add(1);
  const int before = bound();
  prepare();
  FakeGuest& guest = add(2);
  go_on();
  EXPECT_EQ(write(guest, "mine", "v"), "");
  EXPECT_THAT(heard(guest, {"/local/domain/2/a"}), ElementsAre("a"));
  EXPECT_EQ(bound(), before + 1);
}

// The page that the new program has mapped must not keep it, nor that of a ring that it does not
// serve, since nothing listens at the port.
TEST_F(LiveUpdateAhead, F9_ADomainThatDied) {
  add(1);
  FakeGuest& other = add(2);
  add(3);
  EXPECT_EQ(dom0_.call(support::kIntroduce, zstrings({"3", "0", "77"})).error(), "");
  watch(dom0_, "@releaseDomain");
  const int before = bound();
  prepare();
  guests_.erase(1);
  machine_.destroy(1);
  EXPECT_TRUE(eventually([&] { return read(dom0_, "/local/domain/1") == "ENOENT"; }));
  go_on();
  EXPECT_TRUE(machine_.gone(1));
  guests_.erase(3);
  machine_.destroy(3);
  EXPECT_TRUE(machine_.gone(3));
  EXPECT_EQ(write(other, "mine", "v"), "");
  EXPECT_EQ(bound(), before - 1);
}

}  // namespace
}  // namespace vxs::test
