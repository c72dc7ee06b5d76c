// Foreground or daemon form, and what the waiting parent is told (conformance I5, I8).
#pragma once

#include <string_view>

#include "daemon/process/descriptor.hh"
#include "daemon/process/start_error.hh"

namespace vxs::process {

/// How the start of the daemon ends, for whoever waits for it. In the foreground nobody does.
class Startup {
 public:
  /// -N: stays in the process. Directory and descriptors stay as they are.
  [[nodiscard]] static Startup in_foreground();

  /// Daemon form: forks twice, setsid, chdir "/". Returns in the daemon only. The process that
  /// called waits until the daemon said succeed(), and exits 0; after fail() it prints the text
  /// and exits 1, as it does if the daemon dies before. Call it before any thread is started.
  /// Errors (in the calling process): no pipe, no fork.
  [[nodiscard]] static StartResult<Startup> in_background();

  /// Socket and pid file are ready. In daemon form standard input, output and error become
  /// /dev/null, then the parent is released. Once.
  void succeed();

  /// Hands the text ("xenstored: <text>\n" on standard error) to whoever waits. The caller exits 1.
  void fail(std::string_view text);

  [[nodiscard]] bool background() const noexcept { return static_cast<bool>(to_parent_); }

 private:
  Startup() = default;
  Descriptor to_parent_;
};

/// Whether this daemon's supervisor is of the daemon form, so that there is no terminal to talk to:
/// it says so in the environment.
[[nodiscard]] bool supervisor_in_daemon_form() noexcept;
/// The supervisor, before it starts the daemon.
void name_daemon_form();

/// For a daemon that nobody watches from a terminal any more.
void standard_descriptors_to_null() noexcept;

/// What both forms need first: descriptors 0 to 2 are open (on /dev/null if need be, or the first
/// files opened would become standard error), umask 077.
void normalise_process();

}  // namespace vxs::process
