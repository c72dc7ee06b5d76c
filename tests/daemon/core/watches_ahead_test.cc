// Watches that were made before anybody could have them: taken if they are those of the state that
// was found later, else made anew.
#include "daemon/core/watches_ahead.hh"

#include <gmock/gmock.h>

#include <functional>

#include "tests/daemon/core/core_fixture.hh"

namespace vxs::test {
namespace {

using store::SystemState;
using testing::ElementsAre;
using testing::IsEmpty;

class WatchesAheadTest : public CoreTest {
 protected:
  WatchesAheadTest() {
    SystemState::ConnectionState& session = state.connections[kId];
    session.watches[{"/a", "one"}] = {.depth = {}, .relative = false, .number = 1};
    session.watches[{"/a", "two"}] = {.depth = 1, .relative = false, .number = 3};
    session.watches[{"/local/domain/7/b", "rel"}] = {.depth = {}, .relative = true, .number = 2};
    session.next_watch = 4;
    state.connections[kOther].watches[{"/a", "other"}] = {};
    daemon::WatchesAhead ahead(state);
    server.watches().begin_with(ahead);
  }
  daemon::Connection& restore(const SystemState& found) {
    daemon::Connection::Peer peer;
    peer.id = kId;
    peer.caller.domid = 7;
    peer.caller.privileged = true;
    peer.kept = true;
    auto& connection = server.add_connection(std::move(peer));
    server.note_connection_id(kId);
    server.lifecycle().take_watches(connection, found);
    return connection;
  }
  std::vector<std::string> heard(daemon::Connection& connection, const std::string& path) {
    if (writer_ == nullptr) writer_ = &connect();
    (void)take(connection);
    EXPECT_EQ(write(*writer_, path, "v"), "OK");
    return take(connection);
  }

  static constexpr ConnectionId kId = 70;
  static constexpr ConnectionId kOther = 71;
  SystemState state;

 private:
  daemon::Connection* writer_ = nullptr;
};

TEST_F(WatchesAheadTest, TheyAreTakenWithAllThatMakesThem) {
  const std::size_t before = server.watches().size();
  daemon::Connection& connection = restore(state);
  server.watches().drop_ahead();
  EXPECT_EQ(server.watches().size(), before + 3);
  EXPECT_THAT(heard(connection, "/a"), ElementsAre("event /a one", "event /a two"));
  EXPECT_THAT(heard(connection, "/a/x"), ElementsAre("event /a/x one", "event /a/x two"));
  EXPECT_THAT(heard(connection, "/a/x/y"), ElementsAre("event /a/x/y one"));
  EXPECT_THAT(heard(connection, "/local/domain/7/b"), ElementsAre("event b rel"));
  EXPECT_EQ(connection.next_watch, 4U);
  const SystemState found = server.lifecycle().capture();
  EXPECT_TRUE(found.connections.at(kId) == state.connections.at(kId));
  // And they go like others.
  EXPECT_EQ(call(connection, wire::kUnwatch, zstrings({"/a", "one"})), "OK");
  EXPECT_THAT(heard(connection, "/a"), ElementsAre("event /a two"));
}

// Before the state was compared they are nobody's.
TEST_F(WatchesAheadTest, UntilTheyAreTakenTheyHearNothing) {
  EXPECT_EQ(server.watches().size(), 0U);
  daemon::Connection& connection = connect();
  EXPECT_EQ(call(connection, wire::kWatch, zstrings({"/a", "mine"})), "OK");
  EXPECT_THAT(heard(connection, "/a"), ElementsAre("event /a mine"));
  EXPECT_EQ(call(connection, wire::kRm, zstrings({"/a"})), "OK");
  EXPECT_EQ(server.watches().size(), 1U);
  daemon::Connection& later = restore(state);
  EXPECT_THAT(heard(later, "/a"), ElementsAre("event /a one", "event /a two"));
}

TEST_F(WatchesAheadTest, ThoseOfAnotherStateAreMadeAnew) {
  using Session = SystemState::ConnectionState;
  const std::vector<std::function<void(Session&)>> changes{
      [](Session& session) {
        session.watches.erase({"/a", "one"});
      },
      [](Session& session) {
        session.watches[{"/c", "new"}] = {.depth = {}, .relative = false, .number = 9};
      },
      [](Session& session) {
        session.watches.erase({"/a", "one"});
        session.watches[{"/a", "One"}] = {.depth = {}, .relative = false, .number = 1};
      },
      [](Session& session) {
        session.watches[{"/a", "two"}].depth = 2;
      },
      [](Session& session) {
        session.watches[{"/a", "two"}].depth.reset();
      },
      [](Session& session) {
        session.watches[{"/a", "one"}].number = 5;
      },
      [](Session& session) {
        session.watches[{"/local/domain/7/b", "rel"}].relative = false;
      },
      [](Session& session) { session.watches.clear(); },
  };
  for (const auto& change : changes) {
    SCOPED_TRACE(&change - changes.data());
    SystemState found = state;
    change(found.connections[kId]);
    daemon::WatchesAhead ahead(state);
    EXPECT_FALSE(daemon::still_true(ahead.session(kId), found.connections[kId]));
  }
  daemon::WatchesAhead same(state);
  EXPECT_TRUE(daemon::still_true(same.session(kId), state.connections[kId]));

  SystemState found = state;
  found.connections[kId].watches.erase({"/a", "one"});
  found.connections[kId].watches[{"/c", "new"}] = {.depth = {}, .relative = false, .number = 4};
  daemon::Connection& connection = restore(found);
  EXPECT_THAT(heard(connection, "/a"), ElementsAre("event /a two"));
  EXPECT_THAT(heard(connection, "/c"), ElementsAre("event /c new"));
  server.watches().drop_ahead();
  EXPECT_THAT(heard(connection, "/a"), ElementsAre("event /a two"));
  EXPECT_EQ(server.watches().size(), 3U);
}

// Nothing of a connection that is gone stays behind.
TEST_F(WatchesAheadTest, WhatNobodyTookGoes) {
  const std::size_t full = server.watches().bytes();
  server.watches().drop_ahead();
  EXPECT_LT(server.watches().bytes(), full);
  const std::size_t empty = server.watches().bytes();
  daemon::Connection& connection = restore(state);  // as without them
  EXPECT_GT(server.watches().bytes(), empty);
  EXPECT_THAT(heard(connection, "/a"), ElementsAre("event /a one", "event /a two"));
}

}  // namespace
}  // namespace vxs::test
