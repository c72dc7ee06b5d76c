#include "tests/crash/kept/board.hh"

#include <algorithm>

#include "tests/crash/store_dump.hh"

namespace vxs::test::kept {

void Pair::committed(std::uint64_t number) {
  --under_way_;
  ++acknowledged_;
  if (number <= all_up_to_ || !others_.insert(number).second) {
    throw Violation("two commits that made the counters " + std::to_string(number) +
                    " were answered OK");
  }
  for (; others_.erase(all_up_to_ + 1) != 0; ++all_up_to_) {
  }
}

std::string Pair::judge(const std::string& value, std::uint64_t least) const {
  const std::int64_t number = number_of(value);
  if (number >= 0 && static_cast<std::uint64_t>(number) >= least &&
      static_cast<std::uint64_t>(number) <= highest()) {
    return "";
  }
  return "the counter is " + shown(value) + " after " + std::to_string(least) +
         " acknowledged commits, with at most " + std::to_string(highest()) + " by now";
}

bool Beat::may_go_on() const { return sent_ == acknowledged_ && all_heard(); }

void Beat::acknowledged(Time now) {
  acknowledged_ = sent_;
  acknowledged_at_ = now;
}

bool Beat::found(std::uint64_t number, Time now) {
  if (number < acknowledged_ || number > sent_) return false;
  sent_ = number;
  acknowledged(now);
  return true;
}

void Beat::listen(const std::string& token, Time now) { listeners_[token] = {.since = now}; }

void Beat::heard(const std::string& token, std::uint64_t number) {
  const auto found = listeners_.find(token);
  if (found == listeners_.end()) return;
  found->second.any = true;
  found->second.heard = std::max(found->second.heard, number);
}

bool Beat::all_heard() const {
  return std::all_of(listeners_.begin(), listeners_.end(), [this](const auto& one) {
    return one.second.any && one.second.heard >= acknowledged_;
  });
}

std::string Beat::late(Time from, Time now, Clock::duration patience) const {
  for (const auto& [token, one] : listeners_) {
    const Time since = std::max(from, one.since);
    if (!one.any && now - since > patience) {
      return "watch " + token + " was acknowledged, and no event of it came";
    }
    if (one.any && one.heard < acknowledged_ &&
        now - std::max(since, acknowledged_at_) > patience) {
      return "watch " + token + " heard of change " + std::to_string(one.heard) +
             " and never of change " + std::to_string(acknowledged_) + ", which was acknowledged";
    }
  }
  return "";
}

std::int64_t number_of(const std::string& text) {
  if (text.empty() || text.size() > 18 ||
      !std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    return -1;
  }
  return std::stoll(text);
}

std::string root_of(std::size_t client) { return "/soak/c" + std::to_string(client); }
std::string beat_path(std::size_t client) { return root_of(client) + "/beat"; }
std::string pair_path(std::size_t pair, char half) {
  return "/soak/pair/" + std::to_string(pair) + '/' + half;
}

}  // namespace vxs::test::kept
