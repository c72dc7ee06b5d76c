// Split stores (A4, I1): the daemon runs in a domain that is not the one that may do everything.
// Over a fake machine, with the rings of both.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <thread>

#include "tests/support/fake_guest.hh"
#include "tests/support/fake_machine.hh"
#include "tests/support/vxenstored_process.hh"
#include "tests/support/wire_client.hh"

namespace vxs::test {
namespace {

using namespace support;
using testing::HasSubstr;
using testing::Not;

constexpr std::uint32_t kStore = 3;

std::string ask(FrameClient& client, std::uint32_t type, std::string_view payload,
                std::uint32_t tx = 0) {
  const Frame frame = client.call(type, payload, tx);
  return frame.is_error() ? frame.error() : std::string(frame.payload.c_str());
}
std::string ask(FrameClient& client, std::uint32_t type,
                std::initializer_list<std::string_view> strings) {
  return ask(client, type, std::string_view(zstrings(strings)));
}
std::string write(FrameClient& client, std::string_view path, std::string_view value = "v") {
  return ask(client, kWrite, std::string_view(zstrings({path}) + std::string(value)));
}
/// The next event, if one comes within seconds.
Event next_event(FrameClient& client) {
  for (int i = 0; i < 1000; ++i) {
    const auto events = client.drain(std::chrono::milliseconds(5));
    if (!events.empty()) return events.front();
  }
  return {};
}

class SplitStore : public testing::Test {
 protected:
  SplitStore() {
    machine_.create_domain(kStore);
    EXPECT_TRUE(machine_.machine().make_store_domain(kStore));
  }

  void start(std::vector<std::string> args) {
    VxenstoredOptions options;
    options.args = {"--history", "off", "--master-domid", std::to_string(kStore)};
    options.args.insert(options.args.end(), args.begin(), args.end());
    options.env["FAKEXEN_DOMID"] = std::to_string(kStore);
    options.machine = machine_.dir();
    daemon_.emplace(options);
  }
  FakeGuest kernel_of(std::uint32_t domid) { return {machine_.machine(), domid}; }
  WireClient socket() { return WireClient(daemon_->socket_path()); }
  /// A domain with a home of its own, introduced by `control`.
  FakeGuest guest(FrameClient& control, std::uint32_t domid) {
    machine_.create_domain(domid);
    FakeGuest made(machine_.machine(), domid);
    make_home(control, domid);
    EXPECT_EQ(ask(control, kIntroduce, std::string_view(made.introduction())), "OK");
    return made;
  }
  void make_home(FrameClient& control, std::uint32_t domid) {
    const std::string home = "/local/domain/" + std::to_string(domid);
    EXPECT_EQ(ask(control, kMkdir, {home}), "OK");
    EXPECT_EQ(ask(control, kSetPerms, {home, "n" + std::to_string(domid)}), "OK");
  }
  template <typename Condition>
  static bool eventually(Condition condition) {
    for (int i = 0; i < 2500 && !condition(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return condition();
  }

  FakeMachine machine_;
  std::optional<VxenstoredProcess> daemon_;
};

/// dom0 may do everything, and the daemon is told its port, as init-xenstore-domain does.
class BesideDom0 : public SplitStore {
 protected:
  BesideDom0() { start({"--priv-domid", "0", "--event", "1"}); }
  FakeGuest dom0_ = kernel_of(0);
};

/// B0.3 over a client that may use none of it.
void expect_no_privilege(FrameClient& client) {
  EXPECT_EQ(ask(client, kControl, {"check"}), "EACCES");
  EXPECT_EQ(ask(client, kIntroduce, {"7", "1", "1"}), "EACCES");
  EXPECT_EQ(ask(client, kRelease, {"7"}), "EACCES");
  EXPECT_EQ(ask(client, kResume, {"7"}), "EACCES");
  EXPECT_EQ(ask(client, kSetTarget, {"7", "8"}), "EACCES");
  EXPECT_EQ(ask(client, kIsDomainIntroduced, {"0"}), "EACCES");
  EXPECT_EQ(ask(client, kSetFeature, {"7", "1"}), "EACCES");
  EXPECT_EQ(ask(client, kGetFeature, {"7"}), "EACCES");
  EXPECT_EQ(ask(client, kGetQuota, ""), "EACCES");
  EXPECT_EQ(ask(client, kSetQuota, {"nodes", "1"}), "EACCES");
  EXPECT_EQ(ask(client, kRead, {"/"}), "EACCES");
  EXPECT_EQ(write(client, "/of-the-store"), "EACCES");
  EXPECT_EQ(ask(client, kSetPerms, {"@releaseDomain", "b0"}), "EACCES");
}

/// G1: what a guest is refused (128 watches, values of 2,000 bytes).
void expect_no_quota(FrameClient& client) {
  for (int i = 0; i < 130; ++i) {
    ASSERT_EQ(ask(client, kWatch, {"w/" + std::to_string(i), "t"}), "OK") << i;
  }
  EXPECT_EQ(write(client, "large", std::string(3000, 'x')), "OK");
}

TEST_F(BesideDom0, A4_TheControlDomainsRingIsServedFromTheStartAndMayDoEverything) {
  EXPECT_EQ(write(dom0_, "/a"), "OK");
  EXPECT_EQ(ask(dom0_, kGetPerms, {"/"}), "n0");
  EXPECT_THAT(ask(dom0_, kControl, {"check"}), HasSubstr("OK"));
  EXPECT_EQ(ask(dom0_, kIsDomainIntroduced, {"0"}), "T");
  EXPECT_EQ(ask(dom0_, kIsDomainIntroduced, {"3"}), "T");
  EXPECT_EQ(ask(dom0_, kSetQuota, {"watches", "7"}), "OK");
  auto guest5 = guest(dom0_, 5);
  EXPECT_EQ(write(guest5, "data"), "OK");
  EXPECT_EQ(ask(dom0_, kRead, {"/local/domain/5/data"}), "v");
  for (int i = 0; i < 130; ++i) {
    ASSERT_EQ(ask(dom0_, kWatch, {"/w/" + std::to_string(i), "t"}), "OK") << "G1: no quota";
  }
}

TEST_F(BesideDom0, A4_SocketsAreTheStoreDomainWithoutPrivilegeAndWithoutQuotas) {
  auto client = socket();
  expect_no_privilege(client);
  make_home(dom0_, kStore);
  EXPECT_EQ(write(client, "mine"), "OK") << "C4: relative to the store domain's home";
  EXPECT_EQ(ask(dom0_, kGetPerms, {"/local/domain/3/mine"}), "n3");
  EXPECT_EQ(ask(client, kGetDomainPath, {"9"}), "/local/domain/9");
  EXPECT_EQ(ask(client, kGetFeature, ""), "14");
  expect_no_quota(client);
  EXPECT_EQ(ask(client, kRead, {"/tool/xenstored"}), "EACCES");
}

TEST_F(BesideDom0, A24_TheStoreDomainsOwnRingHasTheRightsOfItsSockets) {
  auto kernel = kernel_of(kStore);
  expect_no_privilege(kernel);
  make_home(dom0_, kStore);
  EXPECT_EQ(write(kernel, "mine"), "OK");
  auto client = socket();
  EXPECT_EQ(ask(client, kRead, {"mine"}), "v");
  EXPECT_EQ(ask(dom0_, kGetPerms, {"/local/domain/3/mine"}), "n3");
  expect_no_quota(kernel);
}

TEST_F(BesideDom0, B15_B16_F5_StoreAndControlDomainAreNeitherReleasedNorTargeted) {
  auto guest5 = guest(dom0_, 5);
  for (const char* domid : {"0", "3"}) {
    EXPECT_EQ(ask(dom0_, kRelease, {domid}), "EINVAL") << domid;
    EXPECT_EQ(ask(dom0_, kResume, {domid}), "EINVAL") << domid;
    EXPECT_EQ(ask(dom0_, kSetTarget, {"5", domid}), "EINVAL") << domid;
    EXPECT_EQ(ask(dom0_, kSetTarget, {domid, "5"}), "EINVAL") << domid;
    EXPECT_EQ(ask(dom0_, kIntroduce, {domid, "1", "9"}), "EINVAL") << domid;
    EXPECT_EQ(ask(dom0_, kIsDomainIntroduced, {domid}), "T") << domid;
  }
  EXPECT_EQ(ask(dom0_, kIntroduce, std::string_view(dom0_.introduction())), "OK") << "unchanged";
  EXPECT_EQ(ask(dom0_, kRelease, {"7"}), "ENOENT");
  EXPECT_EQ(ask(dom0_, kSetTarget, {"5", "7"}), "ENOENT");
  EXPECT_EQ(ask(dom0_, kRelease, {"5"}), "OK");
  EXPECT_EQ(write(dom0_, "/still-here"), "OK");
}

TEST_F(BesideDom0, F7_F9_DeathsAreHeardInTheStoreDomain) {
  std::optional<FakeGuest> guest5(guest(dom0_, 5));
  EXPECT_EQ(write(*guest5, "data"), "OK");
  EXPECT_EQ(ask(dom0_, kWatch, {"@releaseDomain", "gone"}), "OK");
  (void)dom0_.drain();
  guest5.reset();
  machine_.destroy(5);
  EXPECT_TRUE(machine_.gone(5)) << "its page was let go of";
  EXPECT_EQ(next_event(dom0_).path, "@releaseDomain");
  EXPECT_EQ(ask(dom0_, kRead, {"/local/domain/5/data"}), "ENOENT");
}

TEST_F(BesideDom0, A25_AfterAKillBothRingsGoOnWithTheirWatches) {
  auto kernel = kernel_of(kStore);
  make_home(dom0_, kStore);
  auto guest5 = guest(dom0_, 5);
  EXPECT_EQ(ask(dom0_, kWatch, {"/local/domain/5/data", "of dom0"}), "OK");
  EXPECT_EQ(ask(kernel, kWatch, {"mine", "of the store domain"}), "OK");
  (void)dom0_.drain();
  (void)kernel.drain();
  daemon_->restart();
  EXPECT_EQ(write(guest5, "data", "new"), "OK");
  EXPECT_EQ(next_event(dom0_).token, "of dom0");
  EXPECT_EQ(ask(dom0_, kRead, {"/local/domain/5/data"}), "new");
  EXPECT_EQ(write(dom0_, "/local/domain/3/mine"), "OK");
  EXPECT_EQ(next_event(kernel).token, "of the store domain");
  expect_no_privilege(kernel);
  EXPECT_THAT(ask(dom0_, kControl, {"check"}), HasSubstr("OK"));
}

TEST_F(SplitStore, A23_TheControlDomainIsAnotherGuestWhosePageNamesThePort) {
  machine_.create_domain(5);
  auto control = kernel_of(5);
  control.page().set(GuestPage::kEvtchnPort, control.port());
  start({"--priv-domid", "5", "--keep-orphans"});
  EXPECT_EQ(write(control, "/a"), "OK");
  EXPECT_EQ(ask(control, kGetPerms, {"/"}), "n5");
  EXPECT_EQ(ask(control, kGetPerms, {"@introduceDomain"}), "n5");

  // dom0 is a domain like others here, but for F12.
  auto dom0 = kernel_of(0);
  EXPECT_EQ(ask(control, kIntroduce, std::string_view(dom0.introduction())), "OK");
  expect_no_privilege(dom0);
  EXPECT_EQ(ask(control, kRelease, {"0"}), "EINVAL");
  EXPECT_EQ(ask(control, kRelease, {"5"}), "EINVAL");

  std::optional<FakeGuest> guest6(guest(control, 6));
  EXPECT_EQ(write(*guest6, "data"), "OK");
  guest6.reset();
  machine_.destroy(6);
  EXPECT_TRUE(eventually([&] { return ask(control, kIsDomainIntroduced, {"6"}) == "F"; }));
  EXPECT_EQ(ask(control, kGetPerms, {"/local/domain/6/data"}), "n5") << "F9: to who may do all";

  // Its handle is not dom0's: after a kill it is the same domain nevertheless.
  daemon_->restart();
  EXPECT_EQ(ask(control, kRead, {"/a"}), "v");
  EXPECT_EQ(ask(control, kGetPerms, {"/a"}), "n5");
}

TEST_F(SplitStore, A4_WithoutARingOfTheControlDomainItServesAndSaysWhatIsMissing) {
  start({});
  auto client = socket();
  EXPECT_EQ(ask(client, kRead, {"/"}), "EACCES");
  // The log is written by a thread of its own.
  EXPECT_TRUE(eventually([&] {
    const std::string said = daemon_->output();
    const auto at = said.find("the ring of domain 0 cannot be served");
    return at != std::string::npos && said.find("--event", at) != std::string::npos;
  })) << daemon_->output();
  EXPECT_THAT(daemon_->output(), Not(HasSubstr("the ring of domain 3 cannot be served")));
}

}  // namespace
}  // namespace vxs::test
