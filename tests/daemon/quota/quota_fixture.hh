// Guests with rings, whose transport only notes who is to rest.
#pragma once

#include <gmock/gmock.h>

#include <map>

#include "tests/daemon/core/core_fixture.hh"

namespace vxs::test {

class PausingRings final : public daemon::Rings {
 public:
  std::map<DomId, bool> paused;
  tl::expected<daemon::Port, daemon::AttachError> attach(DomId, daemon::Port, bool) override {
    return tl::unexpected(daemon::AttachError{.code = EINVAL});
  }
  void serve(DomId, daemon::Connection&, Begin) override {}
  bool reintroduce(DomId, daemon::Port) override { return true; }
  void detach(DomId) override {}
  void pause(DomId domid, bool rests) override { paused[domid] = rests; }
};

// Rings first: the Server, a member of CoreTest, is to know them.
class HasRings {
 protected:
  PausingRings rings;
};

class QuotaTest : private HasRings, public CoreTest {
 protected:
  explicit QuotaTest(FakeJournal::Mode mode = FakeJournal::Mode::kImmediate,
                     daemon::ServerOptions options = {})
      : CoreTest(mode, options, &rings) {}

  using HasRings::rings;

  // A guest with a ring and a home of its own.
  daemon::Connection& make_guest(DomId domid) {
    domains.add(domid);
    const std::string home = "/local/domain/" + std::to_string(domid);
    EXPECT_EQ(write(dom0, home, ""), "OK");
    EXPECT_EQ(call(dom0, wire::kSetPerms, zstrings({home, "n" + std::to_string(domid)})), "OK");
    daemon::Connection::Peer peer;
    peer.id = 1000 + domid;
    peer.caller.domid = domid;
    peer.caller.privileged = false;
    peer.features = daemon::kOfferedFeatures;
    peer.ring = true;
    return server.add_connection(std::move(peer));
  }
  void set_quota(DomId domid, const std::string& name, std::uint64_t value) {
    ASSERT_EQ(
        call(dom0, wire::kSetQuota, zstrings({std::to_string(domid), name, std::to_string(value)})),
        "OK");
  }
  std::string mkdir(daemon::Connection& connection, const std::string& path,
                    std::uint32_t tx_id = 0) {
    return call(connection, wire::kMkdir, zstrings({path}), tx_id);
  }
  std::string watch(daemon::Connection& connection, const std::string& path,
                    const std::string& token) {
    return call(connection, wire::kWatch, zstrings({path, token}));
  }
  std::string set_perms(daemon::Connection& connection, const std::string& path,
                        std::initializer_list<std::string_view> entries) {
    std::string payload = zstrings({path});
    for (const auto entry : entries) payload += zstrings({entry});
    return call(connection, wire::kSetPerms, payload);
  }
  std::string control(std::initializer_list<std::string_view> words) {
    std::string payload;
    for (const auto word : words) payload += zstrings({word});
    return call(dom0, wire::kControl, payload);
  }
  const daemon::Account::Level& level(const daemon::Connection& guest, config::Quota quota) {
    return guest.account->level(quota);
  }
  // All that is accounted equals what there is.
  void check() { EXPECT_EQ(control({"check"}), "OK"); }

  daemon::Connection& dom0 = connect();
  daemon::Connection& guest = make_guest(5);
};

}  // namespace vxs::test
