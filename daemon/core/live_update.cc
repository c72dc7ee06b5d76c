#include "daemon/core/live_update.hh"

#include <charconv>
#include <utility>

#include "daemon/core/live_update_words.hh"
#include "daemon/core/server.hh"

namespace vxs::daemon {
namespace {

using protocol::Error;

// The C daemon's words, which scripts may look for (H4).
constexpr const char* kNotAccessible = "File not accessible.";
constexpr const char* kNotExecutable = "File not executable.";
constexpr const char* kActiveAlready = "live-update session already active.";
constexpr const char* kNoneOfYours = "Not in live-update session.";
constexpr const char* kNoneActive = "No live-update session active.";

/// The number at the beginning of a text, as atoi() has it.
std::uint32_t leading_number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() ? value : 0;
}

}  // namespace

std::optional<ControlResult> LiveUpdate::run(Connection& requester, const protocol::Header& header,
                                             ControlArgs args) {
  if (args.empty()) return tl::unexpected(Error::kInval);
  const std::string_view what = args.front();
  args = args.subspan(1);
  if (what == "-s") return start(requester, header, args);
  if (what == "-a" && args.empty()) return give_up();
  if (what == "-f" && args.size() == 1) return set_file(requester, args[0]);
  if (what == "-c" && args.size() == 1) return set_command_line(requester, args[0]);
  return tl::unexpected(Error::kInval);
}

ControlResult LiveUpdate::set_file(const Connection& requester, std::string_view file) {
  if (host_ == nullptr) return "Live update is not possible here.";
  std::string name(file);
  switch (host_->look_at(name)) {
    case UpdateHost::File::kNotAccessible:
      return kNotAccessible;
    case UpdateHost::File::kNotExecutable:
      return kNotExecutable;
    case UpdateHost::File::kGood:
      break;
  }
  if (session_) return kActiveAlready;
  session_ = Session{.connection = requester.id(), .file = std::move(name), .command_line = {}};
  return "OK";
}

ControlResult LiveUpdate::set_command_line(const Connection& requester, std::string_view line) {
  if (!session_ || session_->connection != requester.id()) return kNoneOfYours;
  session_->command_line = std::string(line);
  return "OK";
}

ControlResult LiveUpdate::give_up() {
  if (!session_) return kNoneActive;
  if (parked_) {
    host_->cancel();
    finish("Live update was aborted.");
  }
  session_.reset();
  return "OK";
}

std::optional<ControlResult> LiveUpdate::start(Connection& requester,
                                               const protocol::Header& header, ControlArgs args) {
  if (outcome_ && outcome_->connection == requester.id() &&
      outcome_->ordinal == requester.ordinal) {
    std::string text = std::move(outcome_->text);
    outcome_.reset();
    if (host_ != nullptr) host_->answered();
    return text;
  }
  if (!session_ || session_->connection != requester.id()) return kNoneOfYours;
  UpdateOrder order{.connection = requester.id(),
                    .ordinal = requester.ordinal,
                    .file = session_->file,
                    .command_line = session_->command_line};
  for (std::size_t i = 0; i < args.size(); ++i) {
    const bool has_value = i + 1 < args.size();
    if (args[i] == "-F") {
      order.force = true;
    } else if (args[i] == "-t" && has_value) {
      order.timeout_s = leading_number(args[++i]);
    } else if (args[i] == "-v" && has_value) {
      order.version = leading_number(args[++i]);
    } else {
      return tl::unexpected(Error::kInval);
    }
  }
  // The session goes on, as it does in the C daemon.
  if (order.version && (*order.version < 1 || *order.version > 2)) return kVersionNotSupported;
  std::optional<std::string> refused;
  if (requester.peer().ring) {
    // A ring has no place for a request that is answered by another program.
    refused = "Live update is not possible through a ring.";
  } else {
    refused = host_->begin(order);
  }
  if (refused) {
    session_.reset();
    return std::move(*refused);
  }
  parked_ = header;
  requester.parked = true;
  return std::nullopt;
}

void LiveUpdate::finish(std::string_view text) {
  if (!parked_) return;
  const protocol::Header header = *std::exchange(parked_, std::nullopt);
  Connection* requester = server_.find_connection(session_->connection);
  session_.reset();
  if (requester == nullptr) return;
  std::string& reply = server_.scratch();
  reply.assign(text);
  reply.push_back('\0');
  server_.answer_parked(*requester, header, reply_data(reply));
}

void LiveUpdate::connection_ended(ConnectionId connection) {
  if (session_ && session_->connection == connection) {
    if (parked_) host_->cancel();
    parked_.reset();
    session_.reset();
  }
  if (outcome_ && outcome_->connection == connection) {
    outcome_.reset();
    if (host_ != nullptr) host_->answered();
  }
}

}  // namespace vxs::daemon
