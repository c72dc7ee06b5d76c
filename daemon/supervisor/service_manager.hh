// systemd's side of the supervisor, without libsystemd: sd_notify(3) and the descriptor store.
#pragma once

#include <chrono>
#include <deque>
#include <set>
#include <string>
#include <vector>

#include "daemon/process/descriptor.hh"
#include "daemon/supervisor/channel.hh"

namespace vxs::supervisor {

/// A descriptor with the name under which it is kept.
struct Kept {
  std::string name;
  process::Descriptor fd;
};

/// Speaks to the service manager through a socket that never blocks: what it does not take is
/// queued, in order, and is never more than a few messages per descriptor. Without NOTIFY_SOCKET
/// nothing happens. One thread.
class ServiceManager {
 public:
  /// Reads NOTIFY_SOCKET, WATCHDOG_USEC and LISTEN_FDS with their companions and takes them out of
  /// the environment. What the store held comes back in `passed`: valid, unique names only,
  /// anything else is closed and removed from the store. Call it before any thread is started.
  [[nodiscard]] static ServiceManager from_environment(std::vector<Kept>& passed);

  [[nodiscard]] bool active() const noexcept { return !address_.empty(); }
  /// WatchdogSec=; zero: off.
  [[nodiscard]] std::chrono::microseconds watchdog() const noexcept { return watchdog_; }

  /// "READY=1", "STOPPING=1", "WATCHDOG=1". One that waits already is not queued again.
  void say(const std::string& state);
  /// FDSTORE=1 with FDPOLL=0: the manager does not drop a descriptor whose other end hung up, or
  /// nobody could be told that it did.
  void store(const std::string& name);
  /// FDSTOREREMOVE=1, if it is in the store.
  void remove(const std::string& name);

  /// The socket, for when has_pending(): wants to become writable. -1: call again in a while.
  [[nodiscard]] int fd() const noexcept { return socket_.get(); }
  [[nodiscard]] bool has_pending() const noexcept { return !queue_.empty(); }
  /// Connects if need be (a manager may be away for a moment) and sends what is taken.
  void send_pending(const FindDescriptor& find);
  /// The same until nothing is pending, or so much time is over: false then.
  [[nodiscard]] bool send_all(const FindDescriptor& find, std::chrono::milliseconds patience);

 private:
  struct Order {
    enum class Kind : std::uint8_t { kSay, kStore, kRemove } kind;
    std::string text;  ///< the state, or the name
  };
  void take_passed(std::vector<Kept>& passed);
  bool connect();

  std::string address_;  ///< a path, or '@' and a name of the abstract namespace
  std::chrono::microseconds watchdog_{0};
  process::Descriptor socket_;
  std::deque<Order> queue_;
  std::set<std::string> stored_;  ///< names the manager's store holds
};

}  // namespace vxs::supervisor
