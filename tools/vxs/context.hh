// What every subcommand is given, and the small things they share.
#pragma once

#include <string>
#include <string_view>

#include "protocol/ids.hh"
#include "store/history_reader/error.hh"
#include "store/history_reader/moment.hh"
#include "store/history_reader/repository.hh"
#include "store/history_reader/tree_view.hh"
#include "tools/vxs/options.hh"
#include "tools/vxs/output.hh"

namespace vxs::tools {

namespace reader = store::reader;

struct Context {
  const CommonOptions& common;
  Output& out;
  [[nodiscard]] bool json() const noexcept { return common.json; }
};

/// Where a daemon with these options keeps things.
struct Location {
  std::string state_dir, history_dir, journal_dir, run_dir, socket;
  DomId store_domid = 0, control_domid = 0;
};
/// Resolves --state-dir, --config and --repository as the daemon does. Errors: kUsage (a bad
/// configuration file).
[[nodiscard]] reader::ReadResult<Location> locate(const CommonOptions& common);

/// Opens the history repository.
[[nodiscard]] reader::ReadResult<reader::Repository> open_history(const Context& context);

/// Understands a MOMENT and finds its commit.
[[nodiscard]] reader::ReadResult<store::ObjectId> find_moment(const reader::Repository& repository,
                                                              std::string_view moment);
/// The tree of a commit.
[[nodiscard]] reader::ReadResult<reader::TreeView> tree_at(const reader::Repository& repository,
                                                           const store::ObjectId& commit);

/// A path as clients write it, absolute or relative to /local/domain/0, made canonical. A slash at
/// the end is forgiven. Errors: kUsage.
[[nodiscard]] reader::ReadResult<std::string> canonical_path(std::string_view path);

/// Says "vxs: …" on stderr and returns the exit code that belongs to the error.
int report(Context& context, const reader::ReadError& error);

/// A value on one line: bare if it is plain, else escaped between double quotes.
[[nodiscard]] std::string display_value(std::string_view value);

}  // namespace vxs::tools
