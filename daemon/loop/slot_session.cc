#include "daemon/loop/slot_session.hh"

#include <algorithm>
#include <memory>
#include <utility>

#include "store/crash_point.hh"

namespace vxs::daemon {
namespace {

/// The last request is not carried out yet, or not answered: its reply is in no outbox.
bool waits(const Connection& connection) noexcept {
  return connection.held.has_value() || connection.parked;
}

}  // namespace

SlotSession::SlotSession(KeptConnections& kept, WireSlot& slot)
    : kept_(kept), slot_(slot), log_(slot, kept.hash_key()), begun_(slot.progress().in_begin) {}

Server::KeptSession SlotSession::kept() noexcept {
  const auto progress = slot_.progress();
  return {.handled = progress.handled,
          .next_tx = slot_.next_tx(),
          .log = slot_.log().view(progress.log_begin, progress.log_end),
          .go_on = &log_};
}

void SlotSession::attach(Connection& connection, std::int64_t now_us) {
  connection_ = &connection;
  connection.log = &log_;
  auto bytes = std::make_unique<SlotBytes>(slot_);
  output_ = bytes.get();
  const std::uint64_t sent = slot_.sent() - bytes->base();
  connection.outbox.keep_in(std::move(bytes), sent, now_us);
}

void SlotSession::detach() {
  settled_ = false;
  Connection& connection = *std::exchange(connection_, nullptr);
  connection.outbox.clear();
  connection.outbox.keep_in(std::make_unique<HeapBytes>(), 0, 0);
  output_ = nullptr;
  connection.log = nullptr;
}

bool SlotSession::is_answered() const noexcept {
  // A reply that waits for nothing itself may stand behind an event that does.
  return !connection_->pending && !held_ &&
         output_->base() + connection_->outbox.may_leave() >= std::min(answered_to_, output_end());
}

std::size_t SlotSession::half_sent() const noexcept {
  const Outbox& outbox = connection_->outbox;
  if (outbox.sent_bytes() == outbox.frame_begin()) return 0;
  const auto frame = protocol::decode_frame(output_->view().substr(outbox.frame_begin()));
  return outbox.frame_begin() + protocol::kHeaderSize + frame.header.len - outbox.sent_bytes();
}

void SlotSession::handle(Server& server, const protocol::DecodeResult& frame) {
  Connection& connection = *connection_;
  const std::uint64_t ordinal = connection.ordinal + 1;
  settled_ = false;
  begun_ += frame.consumed;
  kept_.begin_request(slot_, ordinal);
  if (kept_.is_poison(slot_, ordinal)) {
    server.refuse_poison(connection, frame.header, frame.payload, kept_.deaths_in(slot_, ordinal));
  } else {
    VXS_CRASH_POINT("request-begun");
    server.handle(connection, frame.header, frame.payload);
    VXS_CRASH_POINT("request-carried-out");
  }
  kept_.end_request();
  if (!attached()) return;
  held_ = waits(connection);
  answered_to_ = output_end();
  publish(server);
  VXS_CRASH_POINT("request-published");
}

void SlotSession::answer_carried_out(Server& server,
                                     const std::map<ConnectionId, store::CarriedOut>& all) {
  const auto done = all.find(slot_.connection());
  if (done == all.end() || done->second.ordinal != slot_.progress().handled + 1) return;
  const auto frame = protocol::decode_frame(unhandled());
  if (frame.status != protocol::DecodeStatus::kFrame) return;
  server.answer_carried_out(*connection_, frame.header, frame.payload, done->second);
  begun_ += frame.consumed;
  answered_to_ = output_end();
  settled_ = false;
}

void SlotSession::publish(Server& server) {
  const Connection& connection = *connection_;
  const std::uint64_t may_leave = output_->base() + connection.outbox.may_leave();
  // The usual case, when it is sent: handle() did all.
  if (settled_ && slot_.output().published_end() == may_leave) return;
  if (held_ && !waits(connection)) {
    held_ = false;
    answered_to_ = output_end();
  }
  auto progress = slot_.progress();
  const bool answered = is_answered();
  if (answered) {
    progress.in_begin = begun_;
    progress.handled = connection.ordinal;
    progress.log_end = slot_.log().end();
    progress.log_begin = log_.begin(progress.log_begin, !connection.branches.empty());
    slot_.set_next_tx(connection.next_tx);
  }
  progress.out_begin = output_->base();
  progress.out_end = may_leave;
  slot_.publish(progress);
  if (answered) log_.compact(server.head().perm_table());
  settled_ = answered;
}

void SlotSession::begin_anew(Server& server) {
  begun_ = slot_.in_end();
  answered_to_ = 0;
  held_ = false;
  settled_ = false;
  publish(server);
}

}  // namespace vxs::daemon
