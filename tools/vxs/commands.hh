// One function per subcommand; each returns the exit code of vxs.
#pragma once

#include "tools/vxs/context.hh"
#include "tools/vxs/options.hh"

namespace vxs::tools {

int run(Context& context, const LogOptions& options);
int run(Context& context, const ShowOptions& options);
int run(Context& context, const AtOptions& options);
int run(Context& context, const DiffOptions& options);
int run(Context& context, const BlameOptions& options);
int run(Context& context, const ConflictsOptions& options);
int run(Context& context, const PathOptions& options);
int run(Context& context, const StatusOptions& options);
int run(Context& context, const QuotaOptions& options);
int run(Context& context, const FsckOptions& options);
int run(Context& context, const ExportOptions& options);
int run(Context& context, const ImportOptions& options);

}  // namespace vxs::tools
