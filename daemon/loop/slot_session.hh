// A connection that outlives the process, and its slot of the wire area: what a client asked, what
// it is to be sent, and how far both are. What SocketServer and RingServer do alike.
//
// A request and its reply count as one, and by one store: neither before the reply may leave. So
// whatever a kill leaves behind, a request is either not begun, or answered; or its record is in
// the journal, and then it is answered again without being done again (design §6).
#pragma once

#include <cstdint>
#include <map>
#include <string_view>

#include "daemon/core/server.hh"
#include "daemon/loop/kept_connections.hh"
#include "daemon/loop/slot_bytes.hh"
#include "daemon/loop/slot_log.hh"
#include "protocol/wire.hh"

namespace vxs::daemon {

/// One thread, the loop's. Its end changes nothing in the slot.
class SlotSession {
 public:
  /// Both outlive this object, but for a slot that is closed after detach().
  SlotSession(KeptConnections& kept, WireSlot& slot);

  [[nodiscard]] WireSlot& slot() noexcept { return slot_; }
  /// Where Server::resume_session() finds what the slot has of the session.
  [[nodiscard]] Server::KeptSession kept() noexcept;

  /// The connection's output and the log of its transactions lie in the slot from now on, with what
  /// it has of them. REQUIRES: no output is queued.
  void attach(Connection& connection, std::int64_t now_us);
  /// Takes both back, empty: the slot may be closed. What is queued is dropped.
  void detach();
  [[nodiscard]] bool attached() const noexcept { return connection_ != nullptr; }

  /// Input of which no request was begun.
  [[nodiscard]] std::string_view unhandled() const noexcept { return slot_.input(begun_); }
  /// Whether the last request's reply may leave. The next one waits for that.
  [[nodiscard]] bool is_answered() const noexcept;
  /// Bytes left of the frame that is next to leave, if some of it left.
  [[nodiscard]] std::size_t half_sent() const noexcept;

  /// Carries out the request at the front of unhandled(), or refuses it if it killed two daemons,
  /// and publishes. The connection may be gone then: attached() tells.
  void handle(Server& server, const protocol::DecodeResult& frame);
  /// After Server::resume_session(): answers what the last process carried out and did not answer,
  /// if `done` has it.
  void answer_carried_out(Server& server, const std::map<ConnectionId, store::CarriedOut>& done);
  /// Makes what may leave, and how far the requests are, outlive the process.
  void publish(Server& server);
  /// Drops what is left of the input too, and publishes. REQUIRES: the connection's session was
  /// dropped (Server::freeze(), reset_ring()), or never began.
  void begin_anew(Server& server);

 private:
  [[nodiscard]] std::uint64_t output_end() const noexcept {
    return output_->base() + output_->view().size();
  }

  KeptConnections& kept_;
  WireSlot& slot_;
  SlotLog log_;
  Connection* connection_ = nullptr;
  SlotBytes* output_ = nullptr;    ///< the outbox's
  std::uint64_t begun_;            ///< up to this position of the input requests were begun
  std::uint64_t answered_to_ = 0;  ///< where the output of the last request ends
  bool held_ = false;              ///< it has no output yet (Connection: held, parked)
  bool settled_ = false;           ///< what it brought about is published, but for later output
};

}  // namespace vxs::daemon
