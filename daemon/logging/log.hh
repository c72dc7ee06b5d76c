// Where log lines go. The lines themselves are written with spdlog's functions (spdlog::info …);
// bytes that a client chose pass through protocol::escaped() first.
#pragma once

#include <cstdint>

namespace vxs::logging {

enum class Target : std::uint8_t {
  kStandardError,  ///< foreground: time, level, text
  kSyslog,         ///< daemon form: syslog or journal, ident xenstored, facility daemon (I8)
};

/// Installs spdlog's default logger. A thread of its own writes (a stalled journal or terminal
/// must not stall the store), from a queue of 8,192 lines of which the oldest are dropped when it
/// is full. Call it once, after daemonize(): threads do not survive a fork. Any thread logs.
void start(Target target);

/// Writes what is queued and ends the thread. Before exit.
void stop();

}  // namespace vxs::logging
