// CONTROL live-update to a C daemon, step by step: waits for transactions, lets everything come to
// rest, writes the stream, and ends for the supervisor to become the other program (daemon/swap/).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "daemon/app/hot_swap.hh"
#include "daemon/config/config.hh"
#include "daemon/core/server.hh"
#include "daemon/hypervisor/hypervisor.hh"
#include "daemon/keeper/keeper.hh"
#include "daemon/loop/kept_connections.hh"
#include "daemon/rings/ring_server.hh"
#include "store/env.hh"
#include "store/journal/checkpoint.hh"

namespace vxs::daemon {

/// One thread.
class StockUpdate final : public HotSwap {
 public:
  struct World {
    const config::Config& config;
    store::Env& env;
    Server& server;
    KeptConnections& kept;
    keeper::Keeper& keeper;
    Hypervisor* hypervisor = nullptr;  ///< with rings, or neither
    RingServer* rings = nullptr;
    /// Why there can be none now; empty: there can.
    std::function<std::string()> obstacle;
    /// Brings everything to rest: what was asked is answered, what was answered is safe. Nothing is
    /// read afterwards. A text: it could not be.
    std::function<std::optional<std::string>()> settle;
    /// Of a checkpoint at this Seq.
    std::function<store::CheckpointMeta(Seq)> meta;
    /// An empty store.
    std::function<store::Tree()> empty_tree;
  };
  explicit StockUpdate(World world) : world_(std::move(world)) {}

  // --- HotSwap -----------------------------------------------------------------
  /// Refused: a version that the file does not know, and where there can be no live update now.
  [[nodiscard]] std::optional<std::string> begin(const UpdateOrder& order,
                                                 process::Descriptor binary) override;
  /// Transactions may begin again.
  void cancel() override;
  /// Once everything came to rest, this process ends: for the supervisor to become the other
  /// program, which was told to, or else to be started again, since what came to rest does not get
  /// up.
  [[nodiscard]] bool pass() override;

 private:
  /// Why it cannot be; nothing: not yet.
  [[nodiscard]] std::optional<std::string> look();
  [[nodiscard]] std::string go();
  [[nodiscard]] process::StartResult<void> write(const std::map<std::string, int>& numbers);
  [[nodiscard]] std::string long_transactions() const;
  void tell_next();
  [[noreturn]] static void end(int status);

  World world_;
  std::optional<UpdateOrder> order_;
  std::int64_t begun_us_ = 0;
  process::Descriptor note_;
};

}  // namespace vxs::daemon
