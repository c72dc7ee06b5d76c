// The command line of vxs as values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "protocol/ids.hh"
#include "tools/vxs/output.hh"

namespace vxs::tools {

struct CommonOptions {
  std::string state_dir;   ///< --state-dir, "" when not given
  std::string config;      ///< --config, "" when not given
  std::string repository;  ///< --repository, "" when not given
  ColourMode colour = ColourMode::kAuto;
  bool json = false;
  bool page = true;
};

struct LogOptions {
  std::string path;  ///< "" means everything
  bool patch = false, follow = false, graph = false;
  std::string since;
  std::optional<DomId> domain;
  std::uint64_t limit = 0;  ///< 0: no limit
};
struct ShowOptions {
  std::string commit;
};
struct AtOptions {
  std::string moment, path;
  bool list = false;  ///< ls, else read
  bool raw = false;
  bool permissions = false;  ///< ls: print them too
};
struct DiffOptions {
  std::string from, to, path;
};
struct BlameOptions {
  std::string path;
};
struct ConflictsOptions {
  std::string since;
  std::optional<DomId> domain;
};
struct PathOptions {
  std::string path, moment;
};
struct StatusOptions {};
struct QuotaOptions {
  std::optional<DomId> domain;  ///< nothing: all of them
};
struct FsckOptions {
  bool git = true;  ///< run stock git fsck too, when installed
};

struct ExportOptions {
  std::string file;
  std::string journal_dir;  ///< "": as the daemon has it
  unsigned version = 2;
};
struct ImportOptions {
  std::string file;
  std::string journal_dir;  ///< "": as the daemon has it
};

using CommandOptions = std::variant<LogOptions, ShowOptions, AtOptions, DiffOptions, BlameOptions,
                                    ConflictsOptions, PathOptions, StatusOptions, QuotaOptions,
                                    FsckOptions, ExportOptions, ImportOptions>;

struct Options {
  CommonOptions common;
  CommandOptions command;
};

/// Parses the command line. When there is nothing to run (--help, --version, an error, which it
/// prints) it returns nothing and the exit code in `exit_code`.
[[nodiscard]] std::optional<Options> parse_command_line(int argc, const char* const* argv,
                                                        int& exit_code);

}  // namespace vxs::tools
