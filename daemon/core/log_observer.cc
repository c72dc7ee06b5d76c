#include "daemon/core/log_observer.hh"

#include <spdlog/spdlog.h>

#include "protocol/wire.hh"

namespace vxs::daemon {

using logging::TraceDirection;
using logging::TraceSwitch;

void LogObserver::trace_changed() noexcept { tracing_ = trace_.wants(TraceSwitch::kIo); }

void LogObserver::io(TraceDirection direction, const Connection& connection, std::uint32_t type,
                     std::string_view payload) {
  trace_.io(direction, &connection, connection.caller().domid, protocol::message_name(type),
            payload, static_cast<std::time_t>(clock_.wall_us() / 1'000'000));
}

void LogObserver::request_in(const Connection& connection, std::uint32_t type,
                             std::string_view payload) {
  io(TraceDirection::kIn, connection, type, payload);
}
void LogObserver::reply_out(const Connection& connection, std::uint32_t type,
                            std::string_view payload) {
  io(TraceDirection::kOut, connection, type, payload);
}
void LogObserver::event_out(const Connection& connection, std::string_view path,
                            std::string_view token) {
  std::string payload(path);
  payload.push_back('\0');
  payload.append(token).push_back('\0');
  io(TraceDirection::kOut, connection,
     static_cast<std::uint32_t>(protocol::MessageType::kWatchEvent), payload);
}
void LogObserver::object(bool created, std::string_view kind, const void* address) {
  if (!trace_.wants(TraceSwitch::kObj)) return;
  if (created) {
    trace_.created(kind, address);
  } else {
    trace_.destroyed(kind, address);
  }
}
void LogObserver::poison(const Connection& connection, const protocol::Header& header,
                         std::string_view payload) {
  if (on_poison_) on_poison_(connection, header, payload);
}
void LogObserver::warn(std::string_view sentence) { spdlog::warn("{}", sentence); }
void LogObserver::info(std::string_view sentence) { spdlog::info("{}", sentence); }
void LogObserver::error(std::string_view sentence) { spdlog::error("{}", sentence); }

}  // namespace vxs::daemon
