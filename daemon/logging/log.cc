#include "daemon/logging/log.hh"

#include <signal.h>
#include <spdlog/async.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <spdlog/spdlog.h>
#include <syslog.h>

#include <memory>

namespace vxs::logging {
namespace {

constexpr std::size_t kQueuedLines = 8192;
constexpr const char* kIdent = "xenstored";

/// Signals are the main thread's business.
void block_signals() {
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
}

spdlog::sink_ptr make_sink(Target target) {
  if (target == Target::kSyslog) {
    auto sink = std::make_shared<spdlog::sinks::syslog_sink_mt>(kIdent, LOG_PID, LOG_DAEMON, true);
    sink->set_pattern("%v");
    return sink;
  }
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  sink->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l: %v");
  return sink;
}

}  // namespace

void start(Target target) {
  spdlog::init_thread_pool(kQueuedLines, 1, block_signals);
  auto logger =
      std::make_shared<spdlog::async_logger>("vxenstored", make_sink(target), spdlog::thread_pool(),
                                             spdlog::async_overflow_policy::overrun_oldest);
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

void stop() { spdlog::shutdown(); }

}  // namespace vxs::logging
