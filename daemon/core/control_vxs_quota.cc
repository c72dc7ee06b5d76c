#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "daemon/core/control_quota.hh"
#include "daemon/core/server.hh"
#include "protocol/arguments.hh"

namespace vxs::daemon {
namespace {

using protocol::Error;

constexpr std::string_view kMoreRoom = "more 65535\n";
constexpr std::string_view kOmittedRoom = "omitted 18446744073709551615\n";

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

/// All lives of one domid, and `at` behind them: a page begins with a domid, so none may be cut.
/// The one that has the ring comes first, then those that left nodes behind, the latest first; what
/// does not fit a page of its own is only counted.
std::string describe_lives(const Accounts::Map& accounts, Accounts::Map::const_iterator& at) {
  const DomId domid = at->first.domid;
  std::vector<const Account*> lives;
  for (; at != accounts.end() && at->first.domid == domid; ++at) {
    lives.insert(lives.begin(), at->second.get());
  }
  std::stable_partition(lives.begin(), lives.end(),
                        [](const Account* account) { return account->limited(); });
  std::string text;
  for (std::size_t i = 0; i < lives.size(); ++i) {
    const std::string one = describe(*lives[i]);
    if (text.size() + one.size() + kOmittedRoom.size() + kMoreRoom.size() >=
        protocol::kMaxPayload) {
      return text + fmt::format("omitted {}\n", lives.size() - i);
    }
    text += one;
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
  for (auto at = accounts.lower_bound({first, 0}); at != accounts.end();) {
    const DomId domid = at->first.domid;
    const std::string text = describe_lives(accounts, at);
    if (reply.size() + text.size() + kMoreRoom.size() >= protocol::kMaxPayload) {
      return reply + fmt::format("more {}\n", domid);
    }
    reply += text;
  }
  return reply;
}

}  // namespace vxs::daemon
