#include "daemon/rings/ring_beginnings.hh"

#include <variant>

namespace vxs::daemon {

void RingBeginnings::add(const store::ReplayedRecord& replayed) {
  const auto* record = std::get_if<store::StateRecord>(&replayed.record);
  if (record == nullptr) return;
  if (const auto* reset = std::get_if<store::ConnectionReset>(&record->change)) {
    // RESET_WATCHES leaves the ring alone; it is a request of the connection's own.
    const bool watches_only = record->request.connection == reset->connection;
    if (!reset->frozen && !watches_only) newest_[reset->connection] = record->seq;
  } else if (const auto* made = std::get_if<store::DomainIntroduced>(&record->change)) {
    if (!replayed.was_introduced) newest_[made->connection] = record->seq;
  }
}

Seq RingBeginnings::take(ConnectionId connection) {
  const auto found = newest_.extract(connection);
  return found.empty() ? Seq{0} : found.mapped();
}

}  // namespace vxs::daemon
