// CONTROL: commands of dom0's administrator (conformance H1, H2).
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/error.hh"
#include "protocol/wire.hh"

#include <tl/expected.hpp>

namespace vxs::daemon {

class Connection;
class Server;

/// The outcome of a command: the reply's text (a NUL is added when sent) or an error.
using ControlResult = tl::expected<std::string, protocol::Error>;

/// A command's arguments, without the command's name.
using ControlArgs = std::span<const std::string_view>;

/// The table of commands. The Server's own are there from the start; the process adds those that
/// need files (log, logfile, memreport, vxs-status' history lines).
class Control {
 public:
  struct Command {
    std::string parameters;  ///< for `help`, e.g. "[on|off|+<switch>|-<switch>]"
    std::function<ControlResult(ControlArgs)> run;
    /// Instead, for a command to which it matters who asks, or which is answered later: nothing
    /// then, and the connection is parked.
    std::function<std::optional<ControlResult>(Connection&, const protocol::Header&, ControlArgs)>
        run_for{};
  };

  explicit Control(Server& server);

  void add(std::string name, Command command);

  /// Runs a CONTROL payload. Nothing: the requester is parked, and answered later. Errors: kInval
  /// for an unknown command or wrong arguments (H1).
  [[nodiscard]] std::optional<ControlResult> run(Connection& requester,
                                                 const protocol::Header& header,
                                                 std::string_view payload) const;

  /// Adds lines "key: value" to `vxs-status`.
  void add_status(std::function<void(std::string&)> lines);

 private:
  [[nodiscard]] ControlResult help(ControlArgs args) const;

  std::map<std::string, Command, std::less<>> commands_;
  std::vector<std::function<void(std::string&)>> status_;
};

}  // namespace vxs::daemon
