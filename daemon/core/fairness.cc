#include "daemon/core/fairness.hh"

#include <algorithm>
#include <utility>

namespace vxs::daemon {

void Guards::begin(ConnectionId connection, TxId transaction,
                   std::shared_ptr<const Observed> observed, std::int64_t now_us) {
  guards_.push_back(Guard{.connection = connection,
                          .transaction = transaction,
                          .observed = std::move(observed),
                          .until_us = now_us + kLongestUs});
}

void Guards::end(ConnectionId connection, TxId transaction) {
  std::erase_if(guards_, [&](const Guard& guard) {
    return guard.connection == connection && guard.transaction == transaction;
  });
}

std::optional<std::int64_t> Guards::wait_for(std::string_view path, std::int64_t now_us) {
  std::erase_if(guards_, [now_us](const Guard& guard) { return guard.until_us <= now_us; });
  std::optional<std::int64_t> until;
  for (const Guard& guard : guards_) {
    if (!guard.observed->concerned_by(path)) continue;
    until = std::max(until.value_or(guard.until_us), guard.until_us);
  }
  return until;
}

}  // namespace vxs::daemon
