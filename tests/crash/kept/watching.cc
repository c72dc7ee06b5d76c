#include "tests/crash/kept/watching.hh"

#include <algorithm>
#include <iterator>
#include <utility>

#include "tests/crash/kept/judges.hh"

namespace vxs::test::kept {
namespace {

using support::Event;
using support::Frame;
using support::zstrings;

constexpr std::size_t kMostWatches = 6;
constexpr std::size_t kRemembered = 400;

// Levels below `path`, or nothing if it is not there or below (D1, D2).
std::optional<std::uint32_t> levels_below(const std::string& path, const std::string& changed) {
  if (changed == path) return 0;
  if (!changed.starts_with(path + '/')) return std::nullopt;
  const auto from = changed.begin() + static_cast<std::ptrdiff_t>(path.size());
  return static_cast<std::uint32_t>(std::count(from, changed.end(), '/'));
}

}  // namespace

Watching::Watching(std::size_t client, bool depths, Board& board, std::uint64_t seed)
    : client_(client), depths_(depths), board_(board), random_(seed) {}

void Watching::ask_something(Conversation& talk, bool may_reset) {
  if (may_reset && below(150) == 0) return reset(talk);
  if (watches_.size() < 2 || (watches_.size() < kMostWatches && below(2) == 0)) return set(talk);
  const auto which =
      std::next(watches_.begin(), static_cast<std::ptrdiff_t>(below(watches_.size())));
  if (which->second.asked_only || !which->second.any) return;  // wait for it
  if (below(2) == 0) return set_again(talk, which->first);
  remove(talk, which);
}

void Watching::set(Conversation& talk) {
  const std::string token = "w" + std::to_string(client_) + '.' + std::to_string(++serial_);
  Watch watch{.path = {},
              .depth = std::nullopt,
              .owner = std::nullopt,
              .asked_only = true,
              .any = false,
              .kills = board_.kills,
              .since = {}};
  if (below(4) == 0) {
    watch.path = "/soak/still/s" + std::to_string(below(50));  // never there
    if (depths_ && below(2) == 0) watch.depth = below(3);
  } else {
    // Often one's own: that event comes with the reply to the write.
    watch.owner = below(4) == 0 ? client_ : below(board_.beats.size());
    watch.path = beat_path(*watch.owner);
    const auto dice = below(4);
    if (dice < 2) watch.path = root_of(*watch.owner);
    // The beat is one level below its root.
    if (depths_ && below(2) == 0) watch.depth = dice < 2 ? 1 : 0;
  }
  std::string payload = zstrings({watch.path, token});
  if (watch.depth) payload += zstrings({std::to_string(*watch.depth)});
  watches_.emplace(token, std::move(watch));
  ++owed_;
  talk.ask(support::kWatch, std::move(payload), 0, [this, token](const Frame& reply) {
    if (const auto found = watches_.find(token); found != watches_.end()) {
      found->second.asked_only = false;
      found->second.since = Clock::now();
      ++counts_.set;
      if (found->second.owner) board_.beats[*found->second.owner].listen(token, Clock::now());
    }
    return judge_outcome(reply, "");
  });
}

void Watching::set_again(Conversation& talk, const std::string& token) {
  const Watch& watch = watches_.at(token);
  const bool older = watch.kills != board_.kills;
  talk.ask(support::kWatch, zstrings({watch.path, token}), 0, [this, older](const Frame& reply) {
    if (older) ++counts_.survived;
    return judge_outcome(reply, "EEXIST");
  });
}

Watching::Watches::iterator Watching::retire(Watches::iterator which) {
  if (which->second.owner) board_.beats[*which->second.owner].forget(which->first);
  if (!which->second.any) --owed_;
  retired_.push_back(which->first);
  if (retired_.size() > kRemembered) retired_.pop_front();
  return watches_.erase(which);
}

void Watching::remove(Conversation& talk, Watches::iterator which) {
  const std::string payload = zstrings({which->second.path, which->first});
  retire(which);
  const auto times = below(3) == 0 ? 2 : 1;
  for (int n = 0; n < times; ++n) {
    talk.ask(support::kUnwatch, payload, 0,
             [n](const Frame& reply) { return judge_outcome(reply, n == 0 ? "" : "ENOENT"); });
  }
}

void Watching::reset(Conversation& talk) {
  for (const auto& [token, watch] : watches_) {
    if (watch.asked_only) return;  // another time
  }
  for (auto at = watches_.begin(); at != watches_.end();) at = retire(at);
  talk.ask(support::kResetWatches, zstrings({""}), 0,
           [](const Frame& reply) { return judge_outcome(reply, ""); });
}

void Watching::read_beat(Conversation& talk, const std::string& token, std::size_t owner) {
  const auto least = board_.beats[owner].lowest();
  talk.ask(support::kRead, zstrings({beat_path(owner)}), 0,
           [this, token, owner, least](const Frame& reply) {
             Beat& beat = board_.beats[owner];
             const auto number = reply.is_error() ? -1 : number_of(reply.payload);
             if (number < 0 || static_cast<std::uint64_t>(number) < least ||
                 static_cast<std::uint64_t>(number) > beat.highest()) {
               return "expected was a number from " + std::to_string(least) + " to " +
                      std::to_string(beat.highest());
             }
             beat.heard(token, static_cast<std::uint64_t>(number));
             return std::string();
           });
}

std::string Watching::explain(const Event& event, const Watch& watch) const {
  const auto levels = levels_below(watch.path, event.path);
  if (!levels) return "is not at or below " + watch.path;
  if (!watch.owner && *levels != 0) return "never changed";
  if (watch.depth && *levels > *watch.depth) {
    return "is " + std::to_string(*levels) + " levels below " + watch.path +
           ", and the watch's depth is " + std::to_string(*watch.depth);
  }
  return "";
}

void Watching::on_event(const Event& event, Conversation& talk) {
  const auto found = watches_.find(event.token);
  if (found == watches_.end()) {
    if (std::find(retired_.begin(), retired_.end(), event.token) != retired_.end()) return;
    throw Violation("an event of a watch that was never set: " + event.path + " " + event.token);
  }
  Watch& watch = found->second;
  if (std::string text = explain(event, watch); !text.empty()) {
    throw Violation("an event of watch " + event.token + " came for " + event.path + ", which " +
                    text);
  }
  // What came before it may be of a change that was in flight.
  const bool first = !watch.any && event.path == watch.path;
  if (first) {
    watch.any = true;
    --owed_;
  }
  // Only an event of the beat itself leads to a READ: no other may hide that one is missing.
  if (watch.owner && (first || event.path == beat_path(*watch.owner))) {
    read_beat(talk, event.token, *watch.owner);
  }
}

std::string Watching::late(Time from, Time now) const {
  for (const auto& [token, watch] : watches_) {
    if (!watch.asked_only && !watch.any && now - std::max(from, watch.since) > board_.patience) {
      return "watch " + token + " on " + watch.path +
             " was acknowledged, and its first event did not come";
    }
  }
  return "";
}

void Watching::disconnected() {
  for (auto at = watches_.begin(); at != watches_.end();) at = retire(at);
  retired_.clear();
  owed_ = 0;
}

}  // namespace vxs::test::kept
