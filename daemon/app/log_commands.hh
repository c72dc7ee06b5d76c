// CONTROL log, logfile and memreport (conformance H2).
#pragma once

#include <functional>

#include "daemon/core/control.hh"
#include "daemon/logging/trace_file.hh"
#include "store/tree.hh"

namespace vxs::daemon {

/// `changed` is called after the trace was switched. `trace` and `stats` outlive `control`.
void add_log_commands(Control& control, logging::TraceFile& trace, std::function<void()> changed,
                      const store::TreeStats& stats);

}  // namespace vxs::daemon
