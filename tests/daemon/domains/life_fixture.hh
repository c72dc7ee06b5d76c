// A Server with a hypervisor and rings made of values.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "daemon/core/server.hh"
#include "tests/daemon/core/core_fixture.hh"
#include "tests/daemon/domains/fake_xen.hh"

namespace vxs::test {

// One run of the daemon's core. Everything beside it (Xen, the rings, the journal) outlives it.
class CoreRun {
 public:
  CoreRun(store::Journal& journal, FakeHypervisor* hypervisor, FakeRings& rings,
      store::PermTable& perms, store::TreeStats& stats, store::Tree tree, Seq seq,
      daemon::ServerOptions options = {}, DomId store_domid = 0)
      : domains(store_domid, {}),
        head(stats, perms, std::move(tree), seq),
        server(options, journal, clock, head, domains, observer,
               daemon::Xen{.hypervisor = hypervisor, .rings = &rings}) {}

  ManualClock clock;
  CollectingObserver observer;
  daemon::Domains domains;
  transactions::Head head;
  daemon::Server server;
};

class LifeTest : public testing::Test {
 protected:
  explicit LifeTest(FakeJournal::Mode mode = FakeJournal::Mode::kImmediate,
                    daemon::ServerOptions options = {})
      : journal(mode) {
    run =
        std::make_unique<CoreRun>(journal, &hypervisor, rings, perms, stats, first_tree(), 0, options);
    hypervisor.make(0, 0);
    run->server.recover({}, hypervisor.list(), [this] { return attach_own(); });
    dom0 = &socket();
    if (mode == FakeJournal::Mode::kLater) safe();
    (void)rings.take_log();
  }

  store::Tree first_tree() {
    const std::vector<protocol::PermEntry> own{{.domid = 0}};
    const std::vector<protocol::PermEntry> read{
        {.domid = 0}, {.domid = kDomIdAny, .access = protocol::Access::kRead}};
    return {stats, perms.intern(own), perms.intern(own), perms.intern(read)};
  }
  daemon::HypervisorResult<daemon::Port> attach_own() {
    return rings.attach(0, own_port, false).value_or(0);
  }

  daemon::Server& server() { return run->server; }
  daemon::Connection& socket() {
    daemon::Connection::Peer peer;
    peer.id = server().new_connection_id();
    return server().add_connection(std::move(peer));
  }
  void safe() {
    server().end_of_pass();
    journal.make_safe(journal.last_seq());
    server().journal_progressed();
  }
  void lose(int code) {
    server().end_of_pass();
    journal.late_errno = code;
    journal.append_errno = code;
    server().journal_progressed();
  }
  void mend() {
    journal.append_errno = 0;
    (void)server().tick();
  }

  void begin(daemon::Connection& connection, std::uint32_t type, std::string_view payload,
             std::uint32_t tx_id = 0) {
    ASSERT_TRUE(server().ready_for(connection));
    server().handle(connection,
                    protocol::Header{.type = type,
                                     .req_id = 7,
                                     .tx_id = tx_id,
                                     .len = static_cast<std::uint32_t>(payload.size())},
                    payload);
  }
  // Replies and events ("event PATH TOKEN") that may leave.
  static std::vector<std::string> take(daemon::Connection& connection) {
    std::vector<std::string> texts;
    while (true) {
      const auto frame = protocol::decode_frame(connection.outbox.sendable());
      if (frame.status != protocol::DecodeStatus::kFrame) break;
      std::string text(frame.payload);
      if (frame.header.type == wire::kWatchEvent) text = "event " + text;
      std::replace(text.begin(), text.end(), '\0', ' ');
      while (!text.empty() && text.back() == ' ') text.pop_back();
      texts.push_back(std::move(text));
      connection.outbox.sent(frame.consumed);
    }
    return texts;
  }
  // The answer; events stay for heard().
  std::string call(daemon::Connection& connection, std::uint32_t type, std::string_view payload,
                   std::uint32_t tx_id = 0) {
    keep_events(connection);
    begin(connection, type, payload, tx_id);
    std::string answer = "nothing may leave";
    for (const auto& text : take(connection)) {
      if (text.starts_with("event ")) {
        events_[connection.id()].push_back(text.substr(6));
      } else {
        answer = text;
      }
    }
    return answer;
  }
  std::string call(daemon::Connection& connection, std::uint32_t type,
                   std::initializer_list<std::string_view> strings, std::uint32_t tx_id = 0) {
    return call(connection, type, std::string_view(zstrings(strings)), tx_id);
  }
  // Events since the last call, "PATH TOKEN".
  std::vector<std::string> heard(daemon::Connection& connection) {
    keep_events(connection);
    return std::exchange(events_[connection.id()], {});
  }

  std::string introduce(DomId domid, daemon::Port port = 3) {
    return call(*dom0, wire::kIntroduce, {std::to_string(domid), "77", std::to_string(port)});
  }
  std::string release(DomId domid) { return call(*dom0, wire::kRelease, {std::to_string(domid)}); }
  std::string is_introduced(DomId domid) {
    return call(*dom0, wire::kIsDomainIntroduced, {std::to_string(domid)});
  }
  std::string put(const std::string& path, std::initializer_list<std::string_view> list,
                  const std::string& value = "v") {
    const std::string wrote = call(*dom0, wire::kWrite, std::string_view(zstrings({path}) + value));
    return wrote == "OK" ? set_perms(*dom0, path, list) : wrote;
  }
  std::string set_perms(daemon::Connection& who, const std::string& path,
                        std::initializer_list<std::string_view> list) {
    std::string payload = zstrings({path});
    for (const auto entry : list) payload += zstrings({entry});
    return call(who, wire::kSetPerms, std::string_view(payload));
  }
  std::string perms_of(const std::string& path) { return call(*dom0, wire::kGetPerms, {path}); }
  std::string read(daemon::Connection& who, const std::string& path) {
    return call(who, wire::kRead, {path});
  }
  std::string write(daemon::Connection& who, const std::string& path, const std::string& value) {
    return call(who, wire::kWrite, std::string_view(zstrings({path}) + value));
  }
  std::string watch(daemon::Connection& who, const std::string& path, const std::string& token,
                    std::optional<int> depth = {}) {
    std::string payload = zstrings({path, token});
    if (depth) payload += zstrings({std::to_string(*depth)});
    const std::string answer = call(who, wire::kWatch, std::string_view(payload));
    (void)heard(who);
    return answer;
  }
  // A guest that runs and is introduced: its ring's connection.
  daemon::Connection& guest(DomId domid, std::uint8_t life = 1) {
    hypervisor.make(domid, life);
    EXPECT_EQ(introduce(domid), "OK");
    return *rings.rings.at(domid).connection;
  }
  void scan() { server().scan_domains(hypervisor.list()); }
  void kill(DomId domid) {
    hypervisor.exist.erase(domid);
    scan();
  }
  // The index is what a whole walk finds.
  void expect_index_matches() {
    daemon::NodeIndex walked(run->domains);
    walked.rebuild(run->head.tree());
    EXPECT_TRUE(walked == server().lifecycle().nodes());
  }

  store::PermTable perms;
  store::TreeStats stats;
  FakeJournal journal;
  FakeHypervisor hypervisor;
  FakeRings rings;
  daemon::Port own_port = 1;
  std::unique_ptr<CoreRun> run;
  daemon::Connection* dom0 = nullptr;

 private:
  void keep_events(daemon::Connection& connection) {
    for (const auto& text : take(connection)) {
      if (text.starts_with("event ")) events_[connection.id()].push_back(text.substr(6));
    }
  }
  std::map<ConnectionId, std::vector<std::string>> events_;
};

}  // namespace vxs::test
