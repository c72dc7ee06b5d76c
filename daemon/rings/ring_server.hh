// Guests on their rings: events in, requests to the Server, replies and watch events out. The
// sibling of SocketServer (daemon/loop/). Conformance A15..A27, design §6.
//
// Order of construction, since the Server needs Rings and the rings need the Server:
//   RingServer rings(loop, hypervisor);  Server server(…, rings);  rings.start(server);
// and in each pass of the loop serve_backlog() before, flush() after server.end_of_pass(). The
// RingServer goes before the hypervisor; the Server may go before it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "daemon/core/rings.hh"
#include "daemon/core/server.hh"
#include "daemon/hypervisor/hypervisor.hh"
#include "daemon/logging/rate_limiter.hh"
#include "daemon/loop/event_loop.hh"
#include "daemon/loop/kept_connections.hh"
#include "daemon/rings/ring.hh"
#include "daemon/rings/ring_beginnings.hh"
#include "store/migration/live_connection.hh"

namespace vxs::daemon {

/// One thread, the loop's. A ring is served a few requests per turn and a few rings have their turn
/// per pass, in the order in which they became busy (A11). A ring with 256 KiB unsent is not read.
class RingServer final : public Rings {
 public:
  /// `loop` and `hypervisor` outlive this object.
  RingServer(EventLoop& loop, Hypervisor& hypervisor);
  ~RingServer() override;

  /// Once, before anything is attached: begins to wait for events.
  void start(Server& server);

  // --- rings that outlive the process (ring_server_kept.cc) ---------------------
  /// What an earlier process left, and what recovery found; all outlive this object.
  struct Kept {
    KeptConnections& connections;
    const store::RecoveryReport& report;
    RingBeginnings& beginnings;
  };
  /// Once, before anything is attached: rings have slots in the wire area, as far as there is room.
  void keep(const Kept& kept) { kept_.emplace(kept); }
  /// Once, after Server::recover(): sessions go on where they were. Slots that belong to no ring
  /// any more are forgotten; those of rings that cannot be attached yet wait with them.
  void resume();

  /// Binds VIRQ_DOM_EXC; `changed` is called once per pass in which it came, and once at once,
  /// since what happened before the binding is not reported. Errors: an errno.
  [[nodiscard]] HypervisorResult<void> watch_domains(std::function<void()> changed);

  /// The store domain's own ring (A24): maps it and binds its port, like attach(). Serve it as an
  /// ordinary ring of `domid`, with a privileged caller. Errors: an errno.
  [[nodiscard]] HypervisorResult<Port> attach_own(DomId domid);

  // --- Rings -------------------------------------------------------------------
  [[nodiscard]] tl::expected<Port, AttachError> attach(DomId domid, Port remote_port,
                                                       bool honour_page_port) override;
  void serve(DomId domid, Connection& connection, Begin begin) override;
  bool reintroduce(DomId domid, Port remote_port) override;
  void detach(DomId domid) override;
  void pause(DomId domid, bool paused) override;
  void beginning_recorded(DomId domid, Seq seq) override;

  // --- the loop's side ---------------------------------------------------------
  /// No new requests; the rest of those that were taken from their ring in part is read, and
  /// replies still go out.
  void stop_reading();
  /// True if the end of the process would lose something: half a request, a reply or an event.
  [[nodiscard]] bool unfinished() const;
  /// True if rings wait for their turn: the loop must not sleep.
  [[nodiscard]] bool has_backlog() const noexcept { return !backlog_.empty(); }
  /// Gives a few rings their turn.
  void serve_backlog();
  /// Writes what the outboxes of changed connections hold, and signals the guests concerned.
  void flush();

  /// The end of this process is not the end of what it bound: nothing is masked any more, and
  /// VIRQ_DOM_EXC is free for the next program. Pages offer `features` of what they do now, and
  /// nothing else (A19). What the rings have on their way, and our ports.
  [[nodiscard]] std::vector<store::migration::LiveConnection> hand_over(std::uint32_t features);

  /// Looks again at the next `count` rings (A27); a timer does so with all of them every 20 s.
  void scan(std::size_t count);

  /// Looks at the rings whose guests may have gone on without a signal since; a timer does so.
  void look_at_expected();

  [[nodiscard]] std::size_t ring_count() const noexcept { return rings_.size(); }

 private:
  /// What a guest did to have its ring frozen, for the log.
  struct Offence {
    RingError error;
    std::string_view what;
  };

  /// Gives a ring its slot. True: it has to begin anew.
  [[nodiscard]] bool keep(Ring& ring, Begin begin);
  void resume(Ring& ring);
  void let_go(Ring& ring);

  [[nodiscard]] Ring* find(DomId domid) const;
  [[nodiscard]] HypervisorResult<Port> add(DomId domid, std::unique_ptr<RingPage> page,
                                           Port remote_port);
  void on_events();
  void queue(Ring& ring);
  void turn(Ring& ring, std::size_t budget);
  void read(Ring& ring, std::size_t budget);
  void write(Ring& ring);
  /// The end of a turn: waits for the guest, or for another turn.
  void settle(Ring& ring);
  /// Looks at it again soon, for its guest may go on without a signal.
  void expect(Ring& ring);
  void expect_no_more(Ring& ring);
  /// Sets the timer for whom is to be looked at next.
  void hurry();
  [[nodiscard]] bool may_read(const Ring& ring) const;
  [[nodiscard]] bool asks_to_reconnect(const Ring& ring) const;
  /// It asks, and its share of the journal allows the record (else it waits like a request).
  [[nodiscard]] bool may_reconnect(const Ring& ring) const;
  void reconnect(Ring& ring);
  /// Empties the streams, and sets the words `error` and `connection`. What made it begin is the
  /// journal's last record.
  void begin_anew(Ring& ring);
  void freeze(Ring& ring, const Offence& offence);
  void note_touched(Ring& ring);
  void notify(Ring& ring);
  void warn(DomId domid, std::string_view sentence);

  EventLoop& loop_;
  Hypervisor& hypervisor_;
  Server* server_ = nullptr;
  std::optional<Kept> kept_;
  bool resumed_ = false;
  Interest events_;
  Interest scan_;
  std::function<void()> domains_changed_;
  std::optional<Port> virq_;
  std::map<DomId, std::unique_ptr<Ring>> rings_;
  std::unordered_map<Port, Ring*> by_port_;
  std::unordered_map<const Connection*, Ring*> by_connection_;
  std::deque<Ring*> backlog_;
  /// By when they are looked at. One that reads fast must not set the pace for those that never do.
  std::set<std::pair<std::int64_t, Ring*>> expected_;
  Interest hurry_;                           ///< set while expected_ is not empty
  std::optional<std::int64_t> hurry_at_us_;  ///< for when
  std::vector<Ring*> touched_;               ///< to be signalled at the end of the pass
  /// Detached in this pass: their turn may still be on the stack (J22, XSA-233, XSA-425).
  std::vector<std::unique_ptr<Ring>> gone_;
  std::vector<Connection*> dirty_;  ///< reused by flush()
  std::string message_;             ///< the request being handled, of a volatile ring
  DomId next_scan_ = 0;
  bool stopping_ = false;
  logging::RateLimiter limiter_;
};

}  // namespace vxs::daemon
