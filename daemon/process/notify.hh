// Readiness for the service manager (conformance I6), without libsystemd.
#pragma once

#include <string>
#include <string_view>

#include "daemon/process/start_error.hh"

namespace vxs::process {

/// The notification socket this process was started with, if any.
class Notifier {
 public:
  /// Takes NOTIFY_SOCKET out of the environment (so that no child speaks in our name). Call it
  /// before any thread is started.
  [[nodiscard]] static Notifier from_environment();

  /// Sends "READY=1". Does nothing without a socket. Errors are for a warning only: the daemon
  /// serves all the same.
  [[nodiscard]] StartResult<void> ready() const { return send("READY=1"); }
  /// Sends "STOPPING=1".
  [[nodiscard]] StartResult<void> stopping() const { return send("STOPPING=1"); }

  [[nodiscard]] bool active() const noexcept { return !address_.empty(); }

 private:
  [[nodiscard]] StartResult<void> send(std::string_view state) const;
  std::string address_;  ///< a path, or '@' and a name of the abstract namespace
};

}  // namespace vxs::process
