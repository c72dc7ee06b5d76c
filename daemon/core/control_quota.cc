#include "daemon/core/control_quota.hh"

#include <fmt/format.h>

#include "daemon/core/server.hh"
#include "protocol/arguments.hh"

namespace vxs::daemon {
namespace {

using protocol::Error;

/// The name as CONTROL has it: soft ones have a command of their own and no prefix there.
std::string_view plain_name(const config::QuotaInfo& info) {
  constexpr std::string_view kSoft = "soft-";
  return info.name.starts_with(kSoft) ? info.name.substr(kSoft.size()) : info.name;
}

std::string list(Server& server, bool soft) {
  std::string text = soft ? "Soft quota settings:\n" : "Quota settings:\n";
  for (const auto& info : config::quota_infos()) {
    if (info.soft != soft) continue;
    text += fmt::format("{:<17}: {:8} {}\n", plain_name(info),
                        server.domains().globals()[info.quota], info.description);
  }
  return text;
}

ControlResult set(Server& server, ControlArgs args, bool soft) {
  if (args.size() != 3) return tl::unexpected(Error::kInval);
  const auto quota =
      soft ? config::soft_quota_from_name(args[1]) : config::quota_from_name(args[1]);
  if (!quota || config::quota_info(*quota).soft != soft) return tl::unexpected(Error::kInval);
  const auto value = protocol::parse_decimal(args[2], config::kQuotaValueMax);
  if (!value || *value == 0) return tl::unexpected(Error::kInval);
  const auto kept =
      server.lifecycle().set_quota(nullptr, *quota, static_cast<std::uint32_t>(*value));
  if (!kept) return tl::unexpected(kept.error());
  return "OK";
}

/// What the domain has now of each resource, and in parentheses the most it had.
ControlResult of_domain(Server& server, std::string_view text) {
  const auto domid = protocol::parse_domid(text, protocol::EmptyDomId::kReject);
  if (!domid) return tl::unexpected(domid.error());
  const auto known = server.lifecycle().know(*domid, Lifecycle::Check::kNo);
  if (!known) return tl::unexpected(known.error());
  const Account* account = server.accounts().find({*domid, (*known)->incarnation});
  std::string reply = fmt::format("Domain {}:\n", *domid);
  for (const auto& info : config::quota_infos()) {
    if (info.soft) continue;
    const auto level = account != nullptr ? account->level(info.quota) : Account::Level{};
    reply += fmt::format("{:<17}: {:8} (max {:8})\n", info.name, level.now, level.highest);
  }
  return reply;
}

ControlResult maximum(Server& server, ControlArgs args) {
  if (args.size() > 2 || (args.size() == 2 && args[1] != "-r")) {
    return tl::unexpected(Error::kInval);
  }
  std::string text = "Max. seen accounting values:\n";
  for (const auto& info : config::quota_infos()) {
    if (info.soft) continue;
    text += fmt::format("{:<17}: {:8}\n", info.name, server.accounts().highest(info.quota));
  }
  if (args.size() == 2) server.accounts().reset_highest();
  return text;
}

}  // namespace

ControlResult control_quota(Server& server, ControlArgs args) {
  if (args.empty()) return list(server, false);
  if (args[0] == "set") return set(server, args, false);
  if (args[0] == "max") return maximum(server, args);
  if (args.size() == 1) return of_domain(server, args[0]);
  return tl::unexpected(Error::kInval);
}

ControlResult control_quota_soft(Server& server, ControlArgs args) {
  if (args.empty()) return list(server, true);
  if (args[0] == "set") return set(server, args, true);
  return tl::unexpected(Error::kInval);
}

}  // namespace vxs::daemon
