// What sockets cannot show, as they have all rights: the rules for guests, on the Server itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "daemon/app/initial_tree.hh"
#include "daemon/core/server.hh"

namespace vxs::daemon {
namespace {

using protocol::MessageType;
using testing::ElementsAre;
using testing::IsEmpty;

/// Keeps nothing, and everything is safe at once.
class NullJournal final : public store::Journal {
 public:
  [[nodiscard]] Seq last_seq() const noexcept override { return last_; }
  [[nodiscard]] Seq safe_seq() const noexcept override { return last_; }
  [[nodiscard]] bool immediate() const noexcept override { return true; }
  [[nodiscard]] store::IoResult<void> append(const store::Record&) override {
    ++last_;
    return {};
  }
  [[nodiscard]] store::IoResult<void> flush() override { return {}; }
  [[nodiscard]] store::IoResult<void> take_failure() override { return {}; }
  void rollback() override {}
  [[nodiscard]] bool failing() const noexcept override { return false; }
  [[nodiscard]] bool probe() override { return true; }
  [[nodiscard]] bool wants_preparation() const noexcept override { return false; }
  void prepare() override {}
  [[nodiscard]] std::uint64_t bytes() const noexcept override { return 0; }
  [[nodiscard]] std::uint64_t bytes_since_checkpoint() const noexcept override { return 0; }
  void checkpoint_done(Seq) override {}
  void history_done(Seq) override {}

 private:
  Seq last_ = 0;
};

class StillClock final : public Clock {
 public:
  std::int64_t wall_us() override { return 1; }
  std::int64_t monotonic_us() override { return 1; }
};

class Guest : public testing::Test {
 protected:
  Guest() {
    EXPECT_TRUE(make_initial_tree(server_));
    dom0(MessageType::kWrite, "/pub|");
    dom0(MessageType::kSetPerms, "/pub|n0|r5|");
    dom0(MessageType::kWrite, "/pub/priv|secret");
    dom0(MessageType::kSetPerms, "/pub/priv|n0|");
    dom0(MessageType::kWrite, "/home|");
    dom0(MessageType::kSetPerms, "/home|n5|");
  }

  Connection& add(transactions::Caller caller) {
    Connection::Peer peer;
    peer.id = ++connections_;
    peer.caller = caller;
    peer.features = kOfferedFeatures;
    return server_.add_connection(std::move(peer));
  }
  static transactions::Caller guest(DomId domid) {
    transactions::Caller caller;
    caller.domid = domid;
    caller.privileged = false;
    return caller;
  }

  /// A request whose payload has "|" for NUL; the reply's payload likewise, "!ENOENT" for errors.
  std::string ask(Connection& connection, MessageType type, std::string payload, TxId tx = 0) {
    std::replace(payload.begin(), payload.end(), '|', '\0');
    const protocol::Header header{.type = static_cast<std::uint32_t>(type),
                                  .req_id = 1,
                                  .tx_id = tx,
                                  .len = static_cast<std::uint32_t>(payload.size())};
    server_.handle(connection, header, payload);
    std::string reply = "no reply";
    take_frames(connection, [&](const protocol::Header& seen, std::string text) {
      reply = seen.type == static_cast<std::uint32_t>(MessageType::kError)
                  ? "!" + text.substr(0, text.size() - 1)
                  : std::move(text);
    });
    return reply;
  }
  std::string dom0(MessageType type, const std::string& payload) {
    return ask(dom0_, type, payload);
  }

  /// The paths of the events a connection was sent since the last call.
  std::vector<std::string> heard(Connection& connection) {
    take_frames(connection, [](const protocol::Header&, const std::string&) {});
    return std::exchange(events_[connection.id()], {});
  }

  template <typename Use>
  void take_frames(Connection& connection, Use use) {
    std::string_view bytes = connection.outbox.sendable();
    const std::size_t all = bytes.size();
    while (!bytes.empty()) {
      const auto frame = protocol::decode_frame(bytes);
      ASSERT_EQ(frame.status, protocol::DecodeStatus::kFrame);
      std::string text(frame.payload);
      std::replace(text.begin(), text.end(), '\0', '|');
      if (frame.header.type == static_cast<std::uint32_t>(MessageType::kWatchEvent)) {
        events_[connection.id()].push_back(text.substr(0, text.find('|')));
      } else {
        use(frame.header, text);
      }
      bytes.remove_prefix(frame.consumed);
    }
    connection.outbox.sent(all);
  }

  store::TreeStats stats_;
  store::PermTable perms_;
  transactions::Head head_{stats_, perms_, initial_tree(stats_, perms_), 0};
  NullJournal journal_;
  StillClock clock_;
  Domains domains_{0, {}};
  SilentObserver observer_;
  Server server_{ServerOptions{}, journal_, clock_, head_, domains_, observer_};
  std::map<ConnectionId, std::vector<std::string>> events_;
  ConnectionId connections_ = 0;
  Connection& dom0_ = add({});
  Connection& guest_ = add(guest(5));
};

TEST_F(Guest, B0_3_J6_PrivilegedRequestsAreEaccesBeforeTheirArguments) {
  for (const MessageType type :
       {MessageType::kControl, MessageType::kIntroduce, MessageType::kRelease,
        MessageType::kIsDomainIntroduced, MessageType::kResume, MessageType::kSetTarget,
        MessageType::kSetFeature, MessageType::kGetQuota, MessageType::kSetQuota}) {
    EXPECT_EQ(ask(guest_, type, ""), "!EACCES");
    EXPECT_EQ(ask(guest_, type, "", 77), "!EACCES") << "before the transaction, too";
  }
}

TEST_F(Guest, B19_GuestsMayAskForTheirOwnFeaturesOnly) {
  EXPECT_EQ(ask(guest_, MessageType::kGetFeature, ""), "15|");
  EXPECT_EQ(ask(guest_, MessageType::kGetFeature, "|"), "!EACCES");
  EXPECT_EQ(ask(guest_, MessageType::kGetFeature, "6|"), "!EACCES");
}

TEST_F(Guest, B1_B2_B4_C9_RightsAreThoseOfTheList) {
  EXPECT_EQ(ask(guest_, MessageType::kRead, "/pub|"), "");
  EXPECT_EQ(ask(guest_, MessageType::kRead, "/pub/priv|"), "!EACCES");
  EXPECT_EQ(ask(guest_, MessageType::kWrite, "/pub|x"), "!EACCES");
  EXPECT_EQ(ask(guest_, MessageType::kRm, "/pub|"), "!EACCES");
  EXPECT_EQ(ask(guest_, MessageType::kMkdir, "/pub|"), "!EACCES") << "B3: though it is there";
  EXPECT_EQ(ask(guest_, MessageType::kWrite, "/home|x"), "OK|");
  EXPECT_EQ(ask(guest_, MessageType::kRm, "/|"), "!EACCES");
}

TEST_F(Guest, C11_C12_AGuestOwnsWhatItCreatesWherever) {
  dom0(MessageType::kSetPerms, "/pub|n0|b5|");
  EXPECT_EQ(ask(guest_, MessageType::kWrite, "/pub/mine|x"), "OK|");
  EXPECT_EQ(ask(guest_, MessageType::kGetPerms, "/pub/mine|"), "n5|b5|");
  transactions::Caller stub = guest(6);
  stub.target = 5;
  Connection& stub_domain = add(stub);
  EXPECT_EQ(ask(stub_domain, MessageType::kWrite, "/home/stub|x"), "OK|");
  EXPECT_EQ(ask(stub_domain, MessageType::kGetPerms, "/home/stub|"), "n6|");
  EXPECT_EQ(ask(stub_domain, MessageType::kSetPerms, "/home|n5|r9|"), "OK|");
}

TEST_F(Guest, B8_6_J12_XSA352_AGuestCannotGiveANodeAway) {
  EXPECT_EQ(ask(guest_, MessageType::kSetPerms, "/home|n6|"), "!EPERM");
  EXPECT_EQ(ask(guest_, MessageType::kSetPerms, "/home|n5|w6|"), "OK|");
  EXPECT_EQ(ask(guest_, MessageType::kSetPerms, "/pub|n5|"), "!EACCES");
  EXPECT_EQ(dom0(MessageType::kGetPerms, "/home|"), "n5|w6|");
}

TEST_F(Guest, C14_TheTruthIsForThoseWhoMayRead) {
  EXPECT_EQ(ask(guest_, MessageType::kRead, "/pub/missing|"), "!ENOENT");
  EXPECT_EQ(ask(guest_, MessageType::kRead, "/tool/missing|"), "!EACCES");
  EXPECT_EQ(ask(guest_, MessageType::kRead, "/home/a/b|"), "!ENOENT");
}

TEST_F(Guest, C4_K3_RelativePathsBeginAtTheGuestsHome) {
  dom0(MessageType::kWrite, "/local/domain/5|");
  dom0(MessageType::kSetPerms, "/local/domain/5|n5|");
  EXPECT_EQ(ask(guest_, MessageType::kWrite, "device/vif/0|x"), "OK|");
  EXPECT_EQ(dom0(MessageType::kRead, "/local/domain/5/device/vif/0|"), "x");
  ask(guest_, MessageType::kWatch, "device|t|");
  EXPECT_THAT(heard(guest_), ElementsAre("device"));
  dom0(MessageType::kWrite, "/local/domain/5/device/vif/0|y");
  EXPECT_THAT(heard(guest_), ElementsAre("device/vif/0"));
}

TEST_F(Guest, B9_AGuestMayWatchAnythingAndHearsItsInitialEvent) {
  for (const char* path : {"/", "/pub/priv", "/not/there", "@introduceDomain"}) {
    EXPECT_EQ(ask(guest_, MessageType::kWatch, std::string(path) + "|t|"), "OK|");
    EXPECT_THAT(heard(guest_), ElementsAre(path));
  }
}

TEST_F(Guest, D8_J6_XSA115_EventsOfWhatCannotBeReadAreNotSent) {
  ask(guest_, MessageType::kWatch, "/|t|");
  (void)heard(guest_);
  dom0(MessageType::kWrite, "/tool/hidden|x");
  dom0(MessageType::kRm, "/tool/hidden|");
  dom0(MessageType::kWrite, "/pub/priv/below|x");
  EXPECT_THAT(heard(guest_), IsEmpty());
  dom0(MessageType::kWrite, "/pub|x");
  EXPECT_THAT(heard(guest_), ElementsAre("/pub"));
}

TEST_F(Guest, D9_AReadableParentIsEnoughToHear) {
  ask(guest_, MessageType::kWatch, "/pub|t|");
  (void)heard(guest_);
  dom0(MessageType::kWrite, "/pub/priv|x");
  EXPECT_THAT(heard(guest_), ElementsAre("/pub/priv"));
  dom0(MessageType::kRm, "/pub/priv|");
  EXPECT_THAT(heard(guest_), ElementsAre("/pub/priv"));
}

TEST_F(Guest, D7_WhoCouldReadBeforeStillHearsOfTheChange) {
  dom0(MessageType::kWrite, "/tool/open|x");
  dom0(MessageType::kSetPerms, "/tool/open|n0|r5|");
  ask(guest_, MessageType::kWatch, "/tool/open|t|");
  (void)heard(guest_);
  dom0(MessageType::kSetPerms, "/tool/open|n0|");
  EXPECT_THAT(heard(guest_), ElementsAre("/tool/open"));
  dom0(MessageType::kWrite, "/tool/open|y");
  EXPECT_THAT(heard(guest_), IsEmpty());
  dom0(MessageType::kSetPerms, "/tool/open|n0|r5|");
  EXPECT_THAT(heard(guest_), ElementsAre("/tool/open"));
  dom0(MessageType::kRm, "/tool/open|");
  EXPECT_THAT(heard(guest_), ElementsAre("/tool/open"));
}

TEST_F(Guest, D13_RemovalInATransactionIsJudgedByTheNodesOldListAlone) {
  ask(guest_, MessageType::kWatch, "/pub|t|");
  (void)heard(guest_);
  ask(dom0_, MessageType::kTransactionStart, "|");
  ask(dom0_, MessageType::kRm, "/pub/priv|", 1);
  ask(dom0_, MessageType::kTransactionEnd, "T|", 1);
  EXPECT_THAT(heard(guest_), IsEmpty()) << "its readable parent is not consulted";
}

TEST_F(Guest, C5_GuestsHave2048BytesBelowTheirPrefix) {
  const std::string home = "/local/domain/5";
  dom0(MessageType::kWrite, home + "|");
  dom0(MessageType::kSetPerms, home + "|n5|");
  const std::string longest(2048, 'p');
  EXPECT_EQ(ask(guest_, MessageType::kWrite, longest + "|x"), "OK|");
  EXPECT_EQ(ask(guest_, MessageType::kRead, home + "/" + longest + "|"), "x");
  EXPECT_EQ(ask(guest_, MessageType::kWrite, longest + "p|x"), "!EINVAL");
}

TEST(Outbox, Bug_AnEventSentInPartIsForgottenByItsWholeText) {
  // 16 KiB of output go out with the cut in the middle of an event, then the rest.
  Outbox outbox;
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(outbox.append_event("/" + std::to_string(i), std::string(4000, 't'), true, 0, 0));
  }
  outbox.sent(30'000);
  while (!outbox.empty()) outbox.sent(std::min<std::size_t>(outbox.sendable().size(), 777));
  EXPECT_EQ(outbox.unsent_event_bytes(), 0U);
  EXPECT_TRUE(outbox.append_event("/7", std::string(4000, 't'), true, 0, 0)) << "sent, not queued";
  EXPECT_FALSE(outbox.append_event("/7", std::string(4000, 't'), true, 0, 0));
}

}  // namespace
}  // namespace vxs::daemon
