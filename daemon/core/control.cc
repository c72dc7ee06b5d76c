#include "daemon/core/control.hh"

#include <fmt/format.h>

#include "daemon/core/control_check.hh"
#include "daemon/core/control_quota.hh"
#include "daemon/core/server.hh"
#include "protocol/control_arguments.hh"
#include "protocol/escape.hh"

namespace vxs::daemon {
namespace {

using protocol::Error;

ControlResult print(Server& server, ControlArgs args) {
  if (args.size() != 1) return tl::unexpected(Error::kInval);
  server.observer().info(fmt::format("control: {}", protocol::escaped(args[0])));
  return "OK";
}

}  // namespace

Control::Control(Server& server) {
  add("help", {.parameters = "", .run = [this](ControlArgs args) { return help(args); }});
  add("check", {.parameters = "", .run = [&server](ControlArgs args) -> ControlResult {
                  if (!args.empty()) return tl::unexpected(Error::kInval);
                  return check_store(server);
                }});
  add("print", {.parameters = "<string>",
                .run = [&server](ControlArgs args) { return print(server, args); }});
  add("quota", {.parameters = "[set <name> <val>|<domid>|max [-r]]",
                .run = [&server](ControlArgs args) { return control_quota(server, args); }});
  add("quota-soft", {.parameters = "[set <name> <val>]", .run = [&server](ControlArgs args) {
                       return control_quota_soft(server, args);
                     }});
  add("vxs-quota", {.parameters = "[<domid>]", .run = [&server](ControlArgs args) {
                      return control_vxs_quota(server, args);
                    }});
  add("live-update",
      {.parameters =
           "[-c <cmdline>] [-F] [-t <timeout>] <file>\n    Default timeout is 60 seconds.",
       .run = {},
       .run_for = [&server](Connection& requester, const protocol::Header& header,
                            ControlArgs args) {
         return server.live_update().run(requester, header, args);
       }});
  add("vxs-status", {.parameters = "", .run = [this](ControlArgs args) -> ControlResult {
                       if (!args.empty()) return tl::unexpected(Error::kInval);
                       std::string text;
                       for (const auto& lines : status_) lines(text);
                       return text;
                     }});
  add_status([&server](std::string& text) {
    const auto& counters = server.counters();
    const auto line = [&text](std::string_view key, auto value) {
      text += fmt::format("{}: {}\n", key, value);
    };
    line("seq", server.journal().last_seq());
    line("safe-seq", server.journal().safe_seq());
    line("journal", server.journal().failing() || server.astray() ? "failing" : "ok");
    line("journal-bytes", server.journal().bytes());
    line("connections", server.connection_count());
    line("watches", server.watches().size());
    line("transactions", server.branch_count());
    line("nodes", server.head().tree().node_count());
    line("tree-bytes", server.head().tree().bytes());
    line("pinned-bytes", server.head().pinned_bytes());
    line("requests", counters.requests);
    line("commits", counters.commits);
    line("merges", counters.merges);
    line("conflicts", counters.conflicts);
    line("events", counters.events);
    line("refused-writes", counters.refused_writes);
    line("expired-events", counters.expired_events);
    line("delayed-writes", counters.delayed_writes);
    line("rollbacks", counters.rollbacks);
  });
}

void Control::add(std::string name, Command command) {
  commands_.insert_or_assign(std::move(name), std::move(command));
}

void Control::add_status(std::function<void(std::string&)> lines) {
  status_.push_back(std::move(lines));
}

std::optional<ControlResult> Control::run(Connection& requester, const protocol::Header& header,
                                          std::string_view payload) const {
  const auto parsed = protocol::ControlArguments::parse(payload);
  if (!parsed) return tl::unexpected(parsed.error());
  const auto found = commands_.find(parsed->command());
  if (found == commands_.end()) return tl::unexpected(Error::kInval);
  const Command& command = found->second;
  if (command.run_for) return command.run_for(requester, header, parsed->arguments());
  return command.run(parsed->arguments());
}

ControlResult Control::help(ControlArgs args) const {
  if (!args.empty()) return tl::unexpected(Error::kInval);
  std::string text;
  for (const auto& [name, command] : commands_) {
    text += fmt::format("{:<15} {}\n", name, command.parameters);
  }
  return text;
}

}  // namespace vxs::daemon
