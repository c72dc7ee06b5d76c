#include "tools/vxs/options.hh"

#include <iostream>

#include <CLI/CLI.hpp>

#include "tools/vxs/exit_code.hh"

namespace vxs::tools {
namespace {

constexpr const char* kMoments =
    "A MOMENT is a Seq (1234), a commit id, an age (-5m, -2h30m), a time\n"
    "(2026-11-22T07:24:05, 07:24, @1700000000) or now.\n"
    "Exit status: 0 ok, 1 not found or a finding, 2 usage, 3 unreadable.";

void add_common(CLI::App& app, CommonOptions& common, std::string& colour) {
  app.add_option("--state-dir", common.state_dir,
                 "State directory (default: as the daemon finds it)")
      ->type_name("DIR");
  app.add_option("--config", common.config, "The daemon's configuration file")->type_name("FILE");
  app.add_option("--repository", common.repository,
                 "The history repository itself, for instance a clone (default: "
                 "<state-dir>/history.git)")
      ->type_name("DIR");
  app.add_option("--color", colour, "Colours: auto, always or never (default: auto)")
      ->type_name("WHEN")
      ->check(CLI::IsMember({"auto", "always", "never"}));
  app.add_flag("--json", common.json, "Print one JSON object per line");
  app.add_flag_callback(
      "--no-pager", [&common] { common.page = false; }, "Do not start a pager on a terminal");
}

/// Options live here while CLI11 parses; only those of the subcommand that was given are returned.
struct Parsed {
  Options options;
  std::string colour = "auto";
  LogOptions log;
  ShowOptions show;
  AtOptions at;
  std::string at_action;
  DiffOptions diff;
  BlameOptions blame;
  ConflictsOptions conflicts;
  PathOptions path;
  StatusOptions status;
  QuotaOptions quota;
  FsckOptions fsck;
  ExportOptions export_;
  ImportOptions import_;
};

void add_log(CLI::App& app, Parsed& parsed) {
  CLI::App* log = app.add_subcommand("log", "Who changed what, newest first");
  log->add_option("PATH", parsed.log.path, "Only changes at or below this Xenstore path");
  log->add_flag("-p,--patch", parsed.log.patch, "Print the values and permissions changed");
  log->add_option("--since", parsed.log.since, "Only what happened after this moment")
      ->type_name("MOMENT");
  log->add_option("--domain", parsed.log.domain, "Only changes made by this domain")
      ->type_name("DOMID");
  log->add_option("-n,--limit", parsed.log.limit, "Stop after so many entries")->type_name("COUNT");
  CLI::Option* follow =
      log->add_flag("--follow", parsed.log.follow, "Wait for new changes and print them");
  log->add_flag("--graph", parsed.log.graph, "Draw which transactions ran beside each other")
      ->excludes(follow);
}

void add_moment_commands(CLI::App& app, Parsed& parsed) {
  CLI::App* show = app.add_subcommand("show", "One commit with everything it changed");
  show->add_option("SEQ|COMMIT", parsed.show.commit, "A Seq or a commit id")->required();

  CLI::App* at = app.add_subcommand("at", "The tree as it was at a moment");
  at->add_option("MOMENT", parsed.at.moment, "Seq, commit, age or time")->required();
  at->add_option("ACTION", parsed.at_action, "ls or read")
      ->required()
      ->check(CLI::IsMember({"ls", "read"}));
  at->add_option("PATH", parsed.at.path, "Xenstore path")->required();
  at->add_flag("--raw", parsed.at.raw, "read: print exactly the value's bytes");
  at->add_flag("-p,--permissions", parsed.at.permissions, "ls: print permissions too");

  CLI::App* diff = app.add_subcommand("diff", "What changed between two moments");
  diff->add_option("A", parsed.diff.from, "The older moment")->required();
  diff->add_option("B", parsed.diff.to, "The newer moment")->required();
  diff->add_option("PATH", parsed.diff.path, "Only at or below this Xenstore path");

  CLI::App* blame =
      app.add_subcommand("blame", "The commit that last changed each node at or below a path");
  blame->add_option("PATH", parsed.blame.path, "Xenstore path")->required();
}

void add_other_commands(CLI::App& app, Parsed& parsed) {
  CLI::App* conflicts =
      app.add_subcommand("conflicts", "Transactions that failed, and who made them fail");
  conflicts->add_option("--since", parsed.conflicts.since, "Only what happened after this moment")
      ->type_name("MOMENT");
  conflicts
      ->add_option("--domain", parsed.conflicts.domain,
                   "Only conflicts this domain suffered or caused")
      ->type_name("DOMID");

  CLI::App* path = app.add_subcommand("path", "Where a node is in the Git repository");
  path->add_option("XENSTORE-PATH", parsed.path.path, "Xenstore path")->required();
  path->add_option("--at", parsed.path.moment, "At this moment (default: now)")
      ->type_name("MOMENT");

  app.add_subcommand("status", "The daemon, its journal, its history and the lag between them");

  CLI::App* quota =
      app.add_subcommand("quota", "What domains use, their limits, and which one stopped whom");
  quota->add_option("DOMID", parsed.quota.domain, "Only this domain");

  CLI::App* fsck = app.add_subcommand("fsck", "Check journal and history");
  fsck->add_flag_callback(
      "--no-git", [&parsed] { parsed.fsck.git = false; }, "Do not run stock git fsck");
}

void add_stream_commands(CLI::App& app, Parsed& parsed) {
  CLI::App* out = app.add_subcommand("export", "Write the state as a stream for another daemon");
  out->add_option("FILE", parsed.export_.file, "Where to; replaced when all is written")
      ->required();
  out->add_option("--version", parsed.export_.version,
                  "1 for xenstored up to 4.21, 2 for newer ones (default: 2)")
      ->type_name("VERSION")
      ->check(CLI::IsMember({1, 2}));
  CLI::App* in = app.add_subcommand("import", "Begin a fresh state with that of such a stream");
  in->add_option("FILE", parsed.import_.file, "The stream")->required();
  for (auto* const command : {out, in}) {
    command
        ->add_option("--journal-dir",
                     command == out ? parsed.export_.journal_dir : parsed.import_.journal_dir,
                     "The journal directory (default: as the daemon finds it)")
        ->type_name("DIR");
  }
}

CommandOptions chosen(const CLI::App& app, const Parsed& parsed) {
  if (app.got_subcommand("log")) return parsed.log;
  if (app.got_subcommand("show")) return parsed.show;
  if (app.got_subcommand("at")) {
    AtOptions at = parsed.at;
    at.list = parsed.at_action == "ls";
    return at;
  }
  if (app.got_subcommand("diff")) return parsed.diff;
  if (app.got_subcommand("blame")) return parsed.blame;
  if (app.got_subcommand("conflicts")) return parsed.conflicts;
  if (app.got_subcommand("path")) return parsed.path;
  if (app.got_subcommand("quota")) return parsed.quota;
  if (app.got_subcommand("fsck")) return parsed.fsck;
  if (app.got_subcommand("export")) return parsed.export_;
  if (app.got_subcommand("import")) return parsed.import_;
  return parsed.status;
}

}  // namespace

std::optional<Options> parse_command_line(int argc, const char* const* argv, int& exit_code) {
  CLI::App app("vxs: read the history and the state of vxenstored", "vxs");
  app.footer(kMoments);
  app.set_version_flag("--version", "vxs " VXS_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  Parsed parsed;
  add_common(app, parsed.options.common, parsed.colour);
  add_log(app, parsed);
  add_moment_commands(app, parsed);
  add_other_commands(app, parsed);
  add_stream_commands(app, parsed);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help, --version
    exit_code = app.exit(asked);
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    std::cerr << "vxs: " << printable(error.what()) << "\nTry: vxs --help\n";
    exit_code = kExitUsage;
    return std::nullopt;
  }
  parsed.options.common.colour = parsed.colour == "always"  ? ColourMode::kAlways
                                 : parsed.colour == "never" ? ColourMode::kNever
                                                            : ColourMode::kAuto;
  parsed.options.command = chosen(app, parsed);
  exit_code = kExitOk;
  return std::move(parsed.options);
}

}  // namespace vxs::tools
