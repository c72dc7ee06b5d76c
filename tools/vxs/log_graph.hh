// vxs log --graph
#pragma once

#include "store/history_reader/change_log.hh"
#include "tools/vxs/context.hh"

namespace vxs::tools {

/// Prints the matching commits with what ran beside them; merges are lines of their own here.
/// Returns the exit code.
int log_graph(Context& context, const LogOptions& options, const reader::Repository& repository,
              const reader::LogFilter& filter);

}  // namespace vxs::tools
