// Rings that outlive the process: their slots in the wire area (design §6).
#include <fmt/format.h>

#include <algorithm>

#include "daemon/rings/ring_server.hh"

namespace vxs::daemon {

bool RingServer::keep(Ring& ring, Begin begin) {
  bool anew = begin == Begin::kFresh;
  if (!kept_) return anew;
  Connection& connection = *ring.connection;
  KeptConnections& connections = kept_->connections;
  WireSlot* slot = connections.take_ring(connection.id(), ring.domid());
  const Seq begun = kept_->beginnings.take(connection.id());
  if (slot != nullptr) {
    anew = anew || begun > slot->ring_begun();
    const auto done = kept_->report.carried_out.find(connection.id());
    // No number is given to two requests: whoever dies next is asked which one was carried out.
    const bool more = anew && done != kept_->report.carried_out.end();
    const std::uint64_t handled = slot->progress().handled;
    connection.ordinal = more ? std::max(handled, done->second.ordinal) : handled;
    connection.next_tx = slot->next_tx();
    ring.taken_up = !anew;
  } else {
    anew = anew || begun != 0;
    slot = connections.add_ring(connection.peer(), anew ? Seq{0} : server_->released_seq());
    if (slot == nullptr) {
      warn(ring.domid(), fmt::format("no room in the wire area beside {} connections: what it asks "
                                     "while a daemon dies may be lost",
                                     connections.open_count()));
      return anew;
    }
    const auto page = ring.page();
    slot->set_ring_indices(page.load(protocol::kRingReqCons), page.load(protocol::kRingRspProd));
  }
  ring.session = std::make_unique<SlotSession>(connections, *slot);
  if (ring.taken_up) ring.lost_count = !ring.take_up();
  ring.session->attach(connection, server_->clock().monotonic_us());
  ring.note_half_sent();
  if (anew) connection.outbox.clear();  // of before
  return anew;
}

void RingServer::resume() {
  resumed_ = true;
  if (!kept_) return;
  for (const auto& [domid, ring] : rings_) {
    if (ring->taken_up) resume(*ring);
  }
  kept_->connections.forget_rings([this](const WireSlot& slot) {
    const Domain* const domain = server_->domains().find(slot.peer().domid);
    return domain != nullptr && domain->introduced && domain->connection == nullptr &&
           domain->connection_id == slot.connection();
  });
}

void RingServer::resume(Ring& ring) {
  ring.taken_up = false;
  Connection& connection = *ring.connection;
  SlotSession& session = *ring.session;
  if (ring.lost_count && !asks_to_reconnect(ring)) {
    freeze(ring, {RingError::kIndex, "while no daemon was there it changed the index of replies"});
    return;
  }
  if (session.slot().ring_begun() > kept_->report.last_seq) {
    // It did begin anew, and the record of that was not safe and is lost. What the slot has came
    // afterwards.
    server_->watches().remove_all(connection);
    connection.next_watch = 0;
    connection.frozen = false;
    server_->lifecycle().session_ended(connection);
    session.slot().set_ring_begun(server_->journal().last_seq());
  }
  if (connection.frozen) {
    connection.outbox.clear();
    session.begin_anew(*server_);
  } else {
    server_->resume_session(connection, session.kept());
    session.answer_carried_out(*server_, kept_->report.carried_out);
    session.publish(*server_);
  }
  queue(ring);
}

void RingServer::let_go(Ring& ring) {
  WireSlot& slot = ring.session->slot();
  if (ring.session->attached()) ring.session->detach();
  kept_->connections.end_ring(slot);
}

void RingServer::beginning_recorded(DomId domid, Seq seq) {
  const Ring* const ring = find(domid);
  if (ring != nullptr && ring->session) ring->session->slot().set_ring_begun(seq);
}

}  // namespace vxs::daemon
