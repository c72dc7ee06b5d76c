// Signal dispositions and masks (conformance I9), and the descriptor limit.
#pragma once

#include <csignal>
#include <cstdint>

namespace vxs::process {

/// Ignores SIGPIPE and SIGXFSZ (a closed peer or a full quota is an error code, not a death), and
/// undoes what a careless parent left behind: SIGHUP, SIGTERM, SIGINT and SIGCHLD to their default,
/// nothing blocked. Call it first in main().
void prepare_signals();

/// While one lives, the calling thread blocks every signal that can be; a thread started meanwhile
/// inherits that, so that signals arrive at the main thread only.
class SignalsBlocked {
 public:
  SignalsBlocked() noexcept;
  ~SignalsBlocked();
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

/// Raises the soft limit of open descriptors to the hard one; returns the limit now in force.
/// (XENSTORED_MAX_OPEN_FDS of xencommons sets both, I5; plain systemd only the hard one.)
std::uint64_t raise_descriptor_limit();

}  // namespace vxs::process
