// What the dispatcher tells the world that is neither a reply nor a record:
// trace lines, log lines. Every call is cheap when nobody listens.
#pragma once

#include <string_view>

#include "daemon/core/connection.hh"
#include "protocol/wire.hh"

namespace vxs::daemon {

class Observer {
 public:
  virtual ~Observer() = default;
  /// True if trace() wants to be called for I/O.
  [[nodiscard]] bool tracing() const noexcept { return tracing_; }

  virtual void request_in(const Connection& connection, std::uint32_t type,
                          std::string_view payload) = 0;
  virtual void reply_out(const Connection& connection, std::uint32_t type,
                         std::string_view payload) = 0;
  virtual void event_out(const Connection& connection, std::string_view path,
                         std::string_view token) = 0;
  /// "connection", "watch", "transaction": made or gone (I10).
  virtual void object(bool created, std::string_view kind, const void* address) = 0;

  /// A request that killed two processes in a row is not carried out: `connection.ordinal` is its.
  virtual void poison(const Connection& /*connection*/, const protocol::Header& /*header*/,
                      std::string_view /*payload*/) {}

  /// A sentence for the operator's log; guest bytes in it are escaped already.
  virtual void warn(std::string_view sentence) = 0;
  virtual void info(std::string_view sentence) = 0;
  virtual void error(std::string_view sentence) = 0;

 protected:
  bool tracing_ = false;
};

/// Listens to nothing.
class SilentObserver final : public Observer {
 public:
  void request_in(const Connection&, std::uint32_t, std::string_view) override {}
  void reply_out(const Connection&, std::uint32_t, std::string_view) override {}
  void event_out(const Connection&, std::string_view, std::string_view) override {}
  void object(bool, std::string_view, const void*) override {}
  void warn(std::string_view) override {}
  void info(std::string_view) override {}
  void error(std::string_view) override {}
};

}  // namespace vxs::daemon
