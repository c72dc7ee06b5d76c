// The Observer of a real daemon: spdlog and the trace file.
#pragma once

#include <functional>
#include <utility>

#include "daemon/core/clock.hh"
#include "daemon/core/observer.hh"
#include "daemon/logging/trace_file.hh"

namespace vxs::daemon {

class LogObserver final : public Observer {
 public:
  LogObserver(logging::TraceFile& trace, Clock& clock) : trace_(trace), clock_(clock) {}

  using Poison = std::function<void(const Connection& connection, const protocol::Header& header,
                                    std::string_view payload)>;
  /// Who keeps requests that killed two processes in a row.
  void on_poison(Poison keep) { on_poison_ = std::move(keep); }

  /// After the trace was switched: requests are passed on only while somebody wants them.
  void trace_changed() noexcept;

  void request_in(const Connection& connection, std::uint32_t type,
                  std::string_view payload) override;
  void reply_out(const Connection& connection, std::uint32_t type,
                 std::string_view payload) override;
  void event_out(const Connection& connection, std::string_view path,
                 std::string_view token) override;
  void object(bool created, std::string_view kind, const void* address) override;
  void poison(const Connection& connection, const protocol::Header& header,
              std::string_view payload) override;
  void warn(std::string_view sentence) override;
  void info(std::string_view sentence) override;
  void error(std::string_view sentence) override;

 private:
  void io(logging::TraceDirection direction, const Connection& connection, std::uint32_t type,
          std::string_view payload);

  logging::TraceFile& trace_;
  Clock& clock_;
  Poison on_poison_;
};

}  // namespace vxs::daemon
