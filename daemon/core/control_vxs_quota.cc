#include <fmt/format.h>

#include "daemon/core/control_quota.hh"
#include "daemon/core/server.hh"
#include "protocol/arguments.hh"

namespace vxs::daemon {
namespace {

using protocol::Error;

constexpr std::string_view kMoreRoom = "more 65535\n";

std::string pause_words(std::uint8_t reasons) {
  std::string words;
  const auto add = [&](PauseReason reason, std::string_view word) {
    if ((reasons & reason) != 0) words += fmt::format(" {}", word);
  };
  add(kPauseOutstanding, "outstanding");
  add(kPauseMemory, "memory");
  add(kPauseCredits, "credits");
  add(kPauseJournal, "journal");
  return words;
}

std::string describe(const Account& account) {
  const auto& memory = account.memory();
  std::string text = fmt::format(
      "domid {}\nlimited {}\npaused{}\ncredits {}\nmemory-parts {} {} {} {}\n",
      account.owner().domid, account.limited() ? 1 : 0, pause_words(account.blocked()),
      account.credits(), memory.nodes, memory.transactions, memory.watches, memory.queue);
  for (const auto& info : config::quota_infos()) {
    const auto& level = account.level(info.quota);
    text += fmt::format("{} {} {} {} {} {}\n", info.name, level.now, account.limit(info.quota),
                        level.highest, level.refused, level.refused_us);
  }
  return text;
}

}  // namespace

ControlResult control_vxs_quota(Server& server, ControlArgs args) {
  if (args.size() > 1) return tl::unexpected(Error::kInval);
  DomId first = 0;
  if (args.size() == 1) {
    const auto domid = protocol::parse_domid(args[0], protocol::EmptyDomId::kReject);
    if (!domid) return tl::unexpected(domid.error());
    first = *domid;
  }
  std::string reply;
  const auto& accounts = server.accounts().all();
  for (auto at = accounts.lower_bound({first, 0}); at != accounts.end(); ++at) {
    const std::string text = describe(*at->second);
    if (reply.size() + text.size() + kMoreRoom.size() >= protocol::kMaxPayload) {
      return reply + fmt::format("more {}\n", at->first.domid);
    }
    reply += text;
  }
  return reply;
}

}  // namespace vxs::daemon
