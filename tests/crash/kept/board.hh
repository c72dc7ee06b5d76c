// What all clients of a soak know together: how often the daemon died, the counters that
// transactions of several clients increment in pairs, and who has still to hear of whose beat.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/crash/kept/conversation.hh"

namespace vxs::test::kept {

// Two nodes with one number in both. A commit that was answered OK counts once, EAGAIN not at all.
class Pair {
 public:
  // Commits that were answered OK.
  [[nodiscard]] std::uint64_t acknowledged() const { return acknowledged_; }
  // The highest number that can be there: with all commits under way and of unknown end.
  [[nodiscard]] std::uint64_t highest() const { return acknowledged_ + under_way_ + unknown_; }

  void commit_sent() { ++under_way_; }
  // Throws Violation if another commit of the same number was acknowledged.
  void committed(std::uint64_t number);
  void refused() { --under_way_; }
  // The connection is gone, and nobody will know.
  void forgotten() {
    --under_way_;
    ++unknown_;
  }
  // "" if a reading can be right that was asked for when `least` commits were acknowledged.
  [[nodiscard]] std::string judge(const std::string& value, std::uint64_t least) const;

 private:
  std::uint64_t acknowledged_ = 0, under_way_ = 0, unknown_ = 0;
  std::uint64_t all_up_to_ = 0;  // committed numbers: all of these, and
  std::set<std::uint64_t> others_;
};

// A node that its owner counts up, and those who watch it. The owner goes on only after all of them
// heard of the last change: so no later event hides that one was lost.
class Beat {
 public:
  [[nodiscard]] bool may_go_on() const;
  // The next number, which the owner writes now.
  std::uint64_t sent() { return ++sent_; }
  void acknowledged(Time now);
  void refused() { sent_ = acknowledged_; }
  // What the node says after its owner's connection broke. False if it cannot be.
  bool found(std::uint64_t number, Time now);

  [[nodiscard]] std::uint64_t lowest() const { return acknowledged_; }
  [[nodiscard]] std::uint64_t highest() const { return sent_; }

  // A watch was acknowledged; its first event is due.
  void listen(const std::string& token, Time now);
  void forget(const std::string& token) { listeners_.erase(token); }
  // An event of this watch came, and a READ after it gave this number.
  void heard(const std::string& token, std::uint64_t number);
  [[nodiscard]] bool all_heard() const;
  // "" unless an event is late, not counting the time before `from`: whose.
  [[nodiscard]] std::string late(Time from, Time now, Clock::duration patience) const;

 private:
  struct Listener {
    Time since;
    bool any = false;
    std::uint64_t heard = 0;
  };
  std::uint64_t sent_ = 0, acknowledged_ = 0;
  Time acknowledged_at_;
  std::map<std::string, Listener> listeners_;
};

struct Board {
  Board(std::size_t clients, std::size_t pair_count, Clock::duration patience_)
      : patience(patience_), pairs(pair_count), beats(clients) {}

  // How long an answer or an event may take; for ever is longer.
  Clock::duration patience;
  std::uint64_t kills = 0;
  bool down = false;        // killed, and has not served again
  bool suspicious = false;  // of the toolstack: as Crowd::is_suspicious()
  Time up_since{};
  std::vector<Pair> pairs;
  std::vector<Beat> beats;
};

// Decimal digits and nothing else, else -1.
std::int64_t number_of(const std::string& text);

std::string root_of(std::size_t client);
std::string beat_path(std::size_t client);
std::string pair_path(std::size_t pair, char half);

}  // namespace vxs::test::kept
