// A Server without a transport: requests by call(), what may leave by take().
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "daemon/core/server.hh"
#include "tests/daemon/core/fake_journal.hh"
#include "tests/support/wire_client.hh"

namespace vxs::test {

using support::zstrings;
namespace wire = support;  // message types

class ManualClock final : public daemon::Clock {
 public:
  std::int64_t now_us = 1'000'000;
  std::int64_t wall_us() override { return now_us; }
  std::int64_t monotonic_us() override { return now_us; }
};

class CollectingObserver final : public daemon::Observer {
 public:
  std::vector<std::string> warnings, infos, errors;
  void request_in(const daemon::Connection&, std::uint32_t, std::string_view) override {}
  void reply_out(const daemon::Connection&, std::uint32_t, std::string_view) override {}
  void event_out(const daemon::Connection&, std::string_view, std::string_view) override {}
  void object(bool, std::string_view, const void*) override {}
  void warn(std::string_view sentence) override { warnings.emplace_back(sentence); }
  void info(std::string_view sentence) override { infos.emplace_back(sentence); }
  void error(std::string_view sentence) override { errors.emplace_back(sentence); }
};

class CoreTest : public testing::Test {
 protected:
  explicit CoreTest(FakeJournal::Mode mode = FakeJournal::Mode::kImmediate,
                    daemon::ServerOptions options = {}, daemon::Rings* rings = nullptr)
      : journal(mode),
        head(stats, perms, store::Tree(stats, list({{0}}), list({{0}}), list({{0}, any_reads()})),
             0),
        domains(0, {}),
        server(options, journal, clock, head, domains, observer,
               daemon::Xen{.hypervisor = nullptr, .rings = rings}) {}

  static protocol::PermEntry any_reads() {
    return {.domid = kDomIdAny, .access = protocol::Access::kRead};
  }
  store::PermRef list(const std::vector<protocol::PermEntry>& entries) {
    return perms.intern(entries);
  }

  daemon::Connection& connect(DomId domid = 0, DomId target = kDomIdInvalid) {
    daemon::Connection::Peer peer;
    peer.id = ++last_id_;
    peer.caller.domid = domid;
    peer.caller.privileged = domid == 0;
    peer.caller.target = target;
    peer.features = daemon::kOfferedFeatures;
    return server.add_connection(std::move(peer));
  }

  // Begins a request; what it answers is in take() when it may leave.
  void begin(daemon::Connection& connection, std::uint32_t type, std::string_view payload,
             std::uint32_t tx_id = 0) {
    ASSERT_TRUE(server.ready_for(connection));
    server.handle(connection,
                  protocol::Header{.type = type,
                                   .req_id = 7,
                                   .tx_id = tx_id,
                                   .len = static_cast<std::uint32_t>(payload.size())},
                  payload);
  }

  // Everything that may leave, as text: "OK", "ENOENT", a value; events as "event PATH TOKEN".
  static std::vector<std::string> take(daemon::Connection& connection) {
    std::vector<std::string> texts;
    while (true) {
      const auto frame = protocol::decode_frame(connection.outbox.sendable());
      if (frame.status != protocol::DecodeStatus::kFrame) break;
      std::string text(frame.payload);
      if (frame.header.type == wire::kWatchEvent) {
        text = "event " + text;
        std::replace(text.begin(), text.end(), '\0', ' ');
      }
      while (!text.empty() && (text.back() == '\0' || text.back() == ' ')) text.pop_back();
      texts.push_back(std::move(text));
      connection.outbox.sent(frame.consumed);
    }
    return texts;
  }

  // A request whose answer may leave at once: the answer; events meanwhile are lost.
  std::string call(daemon::Connection& connection, std::uint32_t type, std::string_view payload,
                   std::uint32_t tx_id = 0) {
    (void)take(connection);
    begin(connection, type, payload, tx_id);
    std::string answer = "nothing may leave";
    for (const auto& text : take(connection)) {
      if (!text.starts_with("event ")) answer = text;
    }
    return answer;
  }
  std::string write(daemon::Connection& connection, const std::string& path,
                    const std::string& value, std::uint32_t tx_id = 0) {
    return call(connection, wire::kWrite, zstrings({path}) + value, tx_id);
  }
  std::string read(daemon::Connection& connection, const std::string& path,
                   std::uint32_t tx_id = 0) {
    return call(connection, wire::kRead, zstrings({path}), tx_id);
  }
  std::uint32_t start(daemon::Connection& connection) {
    return static_cast<std::uint32_t>(
        std::stoul(call(connection, wire::kTransactionStart, zstrings({""}))));
  }
  std::string end(daemon::Connection& connection, std::uint32_t tx_id, const char* how = "T") {
    return call(connection, wire::kTransactionEnd, zstrings({how}), tx_id);
  }

  store::PermTable perms;
  store::TreeStats stats;
  FakeJournal journal;
  ManualClock clock;
  CollectingObserver observer;
  transactions::Head head;
  daemon::Domains domains;
  daemon::Server server;

 private:
  ConnectionId last_id_ = 0;
};

using Texts = std::vector<std::string>;

}  // namespace vxs::test
