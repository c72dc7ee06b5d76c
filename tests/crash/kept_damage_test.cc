// What a dying daemon scribbled over in the wire area, or what another version laid out otherwise:
// whose slot is lost is closed, and not taken for somebody new.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>
#include <thread>

#include "daemon/process/descriptor.hh"
#include "daemon/wire_area/layout.hh"
#include "tests/daemon/wire_area/support.hh"
#include "tests/support/supervised_daemon.hh"
#include "tests/support/wire_client.hh"

namespace vxs::test {
namespace {

using namespace std::chrono_literals;
using daemon::test::RawArea;
using daemon::wire_layout::Control;
using support::WireClient;
using support::zstrings;

/// A client in the middle of a WRITE whose value, read as the beginning of a stream, is a request.
class KeptDamage : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(bystander_.call(support::kWrite, zstrings({"/a"}) + "kept").error(), "");
    ASSERT_EQ(victim_.call(support::kWatch, zstrings({"/a", "t"})).error(), "");
    begin_write(victim_);
    // All of it is received when another client, who asked later, is answered.
    ASSERT_EQ(bystander_.call(support::kWrite, zstrings({"/a"}) + "again").error(), "");
  }
  void TearDown() override {
    if (HasFailure()) std::printf("the daemons said:\n%s\n", supervised_.output().c_str());
  }

  static std::string inner() {
    return support::encode({support::kWrite, 9, 0, zstrings({"/evil"}) + "made"});
  }
  void begin_write(WireClient& client) {
    const std::string frame =
        support::encode({support::kWrite, 8, 0, zstrings({"/value"}) + inner()});
    client.send_bytes(std::string_view(frame).substr(0, frame.size() - inner().size()));
  }
  static void end_write(WireClient& client) {
    try {
      client.send_bytes(inner());
    } catch (const support::WireError&) {  // closed already
    }
  }

  /// Changes the area that the supervisor keeps, while there is no daemon.
  void damage(const std::function<void(const RawArea&)>& change) {
    supervised_.hold_down();
    const process::Descriptor fd = area();
    ASSERT_TRUE(fd) << "the supervisor keeps no wire area";
    change(RawArea(fd.get()));
  }
  [[nodiscard]] process::Descriptor area() const {
    const std::string fds = "/proc/" + std::to_string(supervised_.pid()) + "/fd";
    for (const auto& entry : std::filesystem::directory_iterator(fds)) {
      std::error_code gone;
      const auto target = std::filesystem::read_symlink(entry.path(), gone).string();
      if (target.find("vxenstored-wire-area") == std::string::npos) continue;
      return process::Descriptor(::open(entry.path().c_str(), O_RDWR | O_CLOEXEC));
    }
    return {};
  }
  /// The slot of the client that came last.
  static Control& newest(const RawArea& area) {
    Control* found = nullptr;
    for (std::uint32_t index = 0; index < area.header().slots; ++index) {
      if (area.state(index) == daemon::wire_layout::kFree) continue;
      Control& one = area.control(index);
      if (found == nullptr || one.connection > found->connection) found = &one;
    }
    return *found;
  }

  support::SupervisedDaemon supervised_{{.parent_dir = "/dev/shm"}};
  WireClient bystander_{supervised_.socket_path()};
  WireClient victim_{supervised_.socket_path()};
};

// Both were taken for new clients, and the rest of what they had asked for new requests.
TEST_F(KeptDamage, Bug_AClientWhoseSlotIsDamagedIsClosedAndOthersGoOn) {
  damage([](const RawArea& area) { newest(area).selector = 7; });
  end_write(victim_);
  supervised_.go_on();
  EXPECT_TRUE(victim_.closed_by_peer(10s));
  EXPECT_EQ(bystander_.call(support::kRead, zstrings({"/a"})).payload, "again");
  EXPECT_EQ(bystander_.call(support::kRead, zstrings({"/evil"})).error(), "ENOENT");
  EXPECT_EQ(bystander_.call(support::kRead, zstrings({"/value"})).error(), "ENOENT");
}

TEST_F(KeptDamage, Bug_AllAreClosedWhenTheAreaIsOfAnotherLayoutAndWhoComesMeanwhileIsServed) {
  damage([](const RawArea& area) { ++area.header().version; });
  end_write(victim_);
  WireClient later(supervised_.socket_path());
  supervised_.go_on();
  EXPECT_TRUE(victim_.closed_by_peer(10s));
  EXPECT_TRUE(bystander_.closed_by_peer(10s));
  EXPECT_EQ(later.call(support::kRead, zstrings({"/a"})).payload, "again");
  EXPECT_EQ(later.call(support::kRead, zstrings({"/evil"})).error(), "ENOENT");
  EXPECT_EQ(later.call(support::kRead, zstrings({"/value"})).error(), "ENOENT");
  // Kept like any other.
  supervised_.kill_daemon();
  EXPECT_EQ(later.call(support::kRead, zstrings({"/a"})).payload, "again");
}

}  // namespace
}  // namespace vxs::test
