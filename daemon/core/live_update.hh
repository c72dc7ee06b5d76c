// CONTROL live-update: the session of conformance H4 and H5, without what an update does to
// processes, which is the UpdateHost's.
//
//   -f FILE          begins the session, which is bound to this connection
//   -c WORDS         the new program's command line
//   -s [-t S] [-F] [-v N]   starts; answered when it is over, by this process or the next one
//   -a               gives it up
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/core/control.hh"
#include "protocol/ids.hh"
#include "protocol/wire.hh"

namespace vxs::daemon {

class Connection;
class Server;

/// What `-s` asks for.
struct UpdateOrder {
  ConnectionId connection = 0;                ///< the requester's
  std::uint64_t ordinal = 0;                  ///< of its `-s`
  std::string file;                           ///< -f
  std::optional<std::string> command_line{};  ///< -c: words separated by white space
  std::uint32_t timeout_s = 60;               ///< -t: how long open transactions are waited for
  bool force = false;                         ///< -F: then they are lost
  std::optional<std::uint32_t> version{};     ///< -v: of the state stream
};

/// The world outside the core. One thread, the loop's; nothing here is called back from within.
class UpdateHost {
 public:
  virtual ~UpdateHost() = default;
  enum class File : std::uint8_t { kGood, kNotAccessible, kNotExecutable };
  /// For `-f`.
  [[nodiscard]] virtual File look_at(const std::string& file) = 0;
  /// For `-s`. A text: refused, and nothing changed. Nothing: it is under way, the request stays
  /// unanswered until LiveUpdate::finish() or the end of the process.
  [[nodiscard]] virtual std::optional<std::string> begin(const UpdateOrder& order) = 0;
  /// What begin() began is to be given up: `-a`, or the requester is gone.
  virtual void cancel() = 0;
  /// The outcome of an update by the process before was told (set_outcome()).
  virtual void answered() = 0;
};

/// One thread.
class LiveUpdate {
 public:
  explicit LiveUpdate(Server& server) noexcept : server_(server) {}
  /// Outlives this object. Without one `-s` is refused.
  void set_host(UpdateHost* host) noexcept { host_ = host; }

  /// A request without the command's name. Nothing: it is parked (Connection::parked), and answered
  /// later. Errors: kInval for what C calls a syntax error; all else is a text (H4).
  [[nodiscard]] std::optional<ControlResult> run(Connection& requester,
                                                 const protocol::Header& header, ControlArgs args);

  /// The host: the update that begin() began is over, and this process goes on. Answers `-s` with
  /// `text`, and ends the session. Nothing happens if none is parked.
  void finish(std::string_view text);

  /// The connection's session, if it has one, is over.
  void connection_ended(ConnectionId connection);

  /// The header of the parked `-s`: for a reply that the next program is to send.
  [[nodiscard]] const std::optional<protocol::Header>& parked() const noexcept { return parked_; }

  /// At start: how the update ended that this request of the process before asked for. When it is
  /// handled again, this is its answer.
  struct Outcome {
    ConnectionId connection = 0;
    std::uint64_t ordinal = 0;
    std::string text;
  };
  void set_outcome(Outcome outcome) { outcome_ = std::move(outcome); }
  [[nodiscard]] bool has_outcome() const noexcept { return outcome_.has_value(); }

 private:
  struct Session {
    ConnectionId connection = 0;
    std::string file;
    std::optional<std::string> command_line;
  };
  [[nodiscard]] ControlResult set_file(const Connection& requester, std::string_view file);
  [[nodiscard]] ControlResult set_command_line(const Connection& requester, std::string_view line);
  [[nodiscard]] ControlResult give_up();
  [[nodiscard]] std::optional<ControlResult> start(Connection& requester,
                                                   const protocol::Header& header,
                                                   ControlArgs args);

  Server& server_;
  UpdateHost* host_ = nullptr;
  std::optional<Session> session_;
  std::optional<protocol::Header> parked_;  ///< the session's `-s`
  std::optional<Outcome> outcome_;
};

}  // namespace vxs::daemon
