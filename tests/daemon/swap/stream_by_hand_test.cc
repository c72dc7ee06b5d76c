// A stream as a C daemon would hardly leave it: descriptors that are none, and a ring with more on
// its way than a slot holds (H8, H9). This process plays the daemon before.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iterator>
#include <optional>

#include "daemon/process/descriptor.hh"
#include "protocol/migration/stream_writer.hh"
#include "tests/daemon/swap/stock_host.hh"
#include "tests/support/fake_guest.hh"
#include "tests/support/fakexen_library.hh"

namespace vxs::test {
namespace {

using namespace std::chrono_literals;
using support::FakeGuest;
using support::GuestPage;
using support::WireClient;
using support::zstrings;
using testing::HasSubstr;
using testing::Not;

namespace wire = protocol::migration;

class StreamByHand : public testing::Test {
 protected:
  StreamByHand() {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    socket_path().copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
              0);
    EXPECT_EQ(::listen(listener_.get(), 5), 0);
  }
  ~StreamByHand() override {
    if (!process_) return;
    process_->signal(SIGTERM);
    EXPECT_TRUE(process_->wait(10s).has_value());
  }
  void TearDown() override {
    if (HasFailure()) std::printf("the daemon said:\n%s\n", output().c_str());
  }

  [[nodiscard]] std::string socket_path() const { return dir_.path() + "/socket"; }
  [[nodiscard]] std::string output() const {
    std::ifstream file(dir_.path() + "/output");
    return {std::istreambuf_iterator<char>(file), {}};
  }

  /// As an update of the daemon before to this build would leave it: one guest, and nodes for it.
  /// `port`: of that daemon's.
  void start(int event_fd, const FakeGuest& guest, std::uint32_t port, const std::string& input,
             const std::vector<std::string>& options = {}) {
    std::string stream;
    wire::StreamWriter writer(stream, wire::Version::k1);
    ASSERT_TRUE(writer.put(wire::Global{.socket_fd = listener_.get(), .event_fd = event_fd}));
    ASSERT_TRUE(writer.put(wire::Connection{.id = 1, .spec = wire::RingSpec{}}));
    const auto domid = static_cast<DomId>(guest.domid());
    ASSERT_TRUE(writer.put(wire::Connection{
        .id = 2, .spec = wire::RingSpec{.domid = domid, .local_port = port}, .input = input}));
    const wire::NodePerm dom0{};
    const wire::NodePerm owner{.domid = domid};
    const std::string home = "/local/domain/" + std::to_string(domid);
    const std::string number = std::to_string(guest.port());
    for (const std::string& path : {std::string("/"), std::string("/local"),
                                    std::string("/local/domain"), home, home + "/store"}) {
      ASSERT_TRUE(writer.put(
          wire::Node{.perms = {path == home ? &owner : &dom0, 1}, .path = path, .value = {}}));
    }
    const std::string path = home + "/store/port";
    ASSERT_TRUE(writer.put(wire::Node{.perms = {&dom0, 1}, .path = path, .value = number}));
    ASSERT_TRUE(writer.put(wire::End{}));
    std::ofstream(dir_.path() + "/state_dump", std::ios::binary) << stream;

    support::Command command;
    command.argv = {StockHost::our_binary(), "--no-fork", "--pid-file", dir_.path() + "/pid", "-U"};
    command.argv.insert(command.argv.end(), options.begin(), options.end());
    command.env = {{"XENSTORED_RUNDIR", dir_.path()}};
    command.unset = {"XENSTORED_PATH", "NOTIFY_SOCKET"};
    command.output = dir_.path() + "/output";
    support::preload_fakexen(machine_.dir(), command);
    process_.emplace(command);
  }

  /// What the daemon before has bound; `events_` is its device, which start() does not name by
  /// itself.
  std::uint32_t bind(const FakeGuest& guest) {
    const auto handle = machine_.machine().handle_of(events_.get());
    const auto port =
        machine_.machine().bind_interdomain(handle.value_or(0), guest.domid(), guest.port());
    EXPECT_TRUE(port.has_value());
    return port.value_or(0);
  }

  support::FakeMachine machine_;
  process::Descriptor events_{*machine_.machine().open_handle(false)};
  support::TempDir dir_{"/dev/shm"};
  process::Descriptor listener_{::socket(AF_UNIX, SOCK_STREAM, 0)};
  std::optional<support::ChildProcess> process_;
};

TEST_F(StreamByHand, H8_AWrongDescriptorForEventsIsSaidAndPortsAreBoundAnew) {
  machine_.create_domain(3);
  FakeGuest three(machine_.machine(), 3);
  int wrong[2] = {-1, -1};
  ASSERT_EQ(::pipe(wrong), 0);
  const process::Descriptor in(wrong[0]);
  const process::Descriptor out(wrong[1]);
  const std::string request = support::encode(
      {.type = support::kWrite, .req_id = 9, .tx_id = 0, .payload = zstrings({"half"}) + "whole"});
  // The daemon before took ten bytes.
  three.send_some(request.substr(0, 10), true);
  three.page().set(GuestPage::kReqCons, 10);
  start(in.get(), three, bind(three), request.substr(0, 10));
  events_.reset();
  three.send_bytes(request.substr(10));
  EXPECT_EQ(three.reply().req_id, 9U);
  EXPECT_EQ(three.call(support::kRead, zstrings({"half"})).payload, "whole");
  EXPECT_THAT(output(), HasSubstr("the event channels are bound anew: descriptor " +
                                  std::to_string(in.get()) + " is no event-channel device"));
}

TEST_F(StreamByHand, H8_AMissingDescriptorForEventsIsSaidAndPortsAreBoundAnew) {
  machine_.create_domain(3);
  FakeGuest three(machine_.machine(), 3);
  start(-1, three, bind(three), "");
  events_.reset();
  EXPECT_EQ(three.call(support::kWrite, zstrings({"a"}) + "1").error(), "");
  EXPECT_THAT(output(), HasSubstr("the event channels are bound anew: descriptor -1 is not open"));
}

TEST_F(StreamByHand, H9_ARingWithMoreOnItsWayThanASlotHoldsRestsUntilItIsIntroduced) {
  machine_.create_domain(3);
  FakeGuest three(machine_.machine(), 3);
  start(events_.get(), three, bind(three), std::string(20'000, 'x'));
  WireClient dom0(socket_path());
  EXPECT_EQ(dom0.call(support::kIsDomainIntroduced, zstrings({"3"})).payload, zstrings({"T"}));
  EXPECT_THAT(output(), HasSubstr("domain 3: requests or answers were on their way; its ring rests "
                                  "until it is introduced again"));
  three.send({.type = support::kRead, .req_id = 1, .tx_id = 0, .payload = zstrings({"/"})});
  EXPECT_FALSE(three.receive(100ms).has_value());
  ASSERT_EQ(dom0.call(support::kIntroduce, three.introduction()).payload, zstrings({"OK"}));
  three.start_over();
  EXPECT_EQ(three.call(support::kWrite, zstrings({"a"}) + "1").error(), "");
}

TEST_F(StreamByHand, F7_WhoComesOnTheDomidOfOneThatDiedMeanwhileInheritsNothing) {
  machine_.create_domain(3);
  {
    FakeGuest before(machine_.machine(), 3);
    const std::uint32_t port = bind(before);
    machine_.destroy(3);
    ASSERT_TRUE(machine_.gone(3));
    machine_.create_domain(3);
    start(events_.get(), before, port, "");
  }
  WireClient dom0(socket_path());
  EXPECT_EQ(dom0.call(support::kRead, zstrings({"/local/domain/3"})).error(), "ENOENT");
  EXPECT_EQ(dom0.call(support::kIsDomainIntroduced, zstrings({"3"})).payload, zstrings({"F"}));
  FakeGuest after(machine_.machine(), 3);
  ASSERT_EQ(dom0.call(support::kIntroduce, after.introduction()).payload, zstrings({"OK"}));
  EXPECT_EQ(after.call(support::kWrite, zstrings({"a"}) + "1").error(), "EACCES");
}

TEST_F(StreamByHand, WithoutXenEventChannelsAreLetGo) {
  machine_.create_domain(3);
  FakeGuest three(machine_.machine(), 3);
  start(events_.get(), three, bind(three), "", {"--xen", "off"});
  WireClient dom0(socket_path());
  EXPECT_EQ(dom0.call(support::kRead, zstrings({"/"})).error(), "");
  events_.reset();
  machine_.machine().reap();
  EXPECT_EQ(machine_.machine().port_status(3, three.port())->kind, fakexen::kUnbound);
  EXPECT_THAT(output(), Not(HasSubstr("bound anew")));
}

}  // namespace
}  // namespace vxs::test
