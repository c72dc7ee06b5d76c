// Protects privileged transactions from guests that write what they read (design §4, XSA-206).
//
// After its third loss in a row a client's next transaction is guarded from its start for 50 ms:
// writes of guests to what the lost one observed wait meanwhile, each of them at most 50 ms. Only
// privileged clients are guarded, so that nobody gains by losing.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "daemon/core/observed.hh"
#include "protocol/ids.hh"

namespace vxs::daemon {

/// One thread; the clock comes in.
class Guards {
 public:
  static constexpr unsigned kLosses = 3;
  static constexpr std::int64_t kLongestUs = 50'000;

  void begin(ConnectionId connection, TxId transaction, std::shared_ptr<const Observed> observed,
             std::int64_t now_us);
  /// Harmless for a transaction that is not guarded.
  void end(ConnectionId connection, TxId transaction);

  [[nodiscard]] bool empty() const noexcept { return guards_.empty(); }
  /// Until when a guest's write to `path` has to wait; nothing if it need not.
  [[nodiscard]] std::optional<std::int64_t> wait_for(std::string_view path, std::int64_t now_us);

 private:
  struct Guard {
    ConnectionId connection;
    TxId transaction;
    std::shared_ptr<const Observed> observed;
    std::int64_t until_us;
  };
  std::vector<Guard> guards_;
};

}  // namespace vxs::daemon
