// The watches of one client: on beats of others (exact, or on a subtree with and without a depth),
// and short ones on what never changes, which get their first event and no other.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <random>
#include <string>

#include "tests/crash/kept/board.hh"
#include "tests/crash/kept/conversation.hh"

namespace vxs::test::kept {

class Watching {
 public:
  // `depths`: WATCH takes a depth here.
  Watching(std::size_t client, bool depths, Board& board, std::uint64_t seed);

  // One or two requests: WATCH, the same again, UNWATCH, RESET_WATCHES.
  // `may_reset`: no transaction is open, which RESET_WATCHES would end (B11).
  void ask_something(Conversation& talk, bool may_reset);
  // Throws Violation for an event that no watch explains.
  void on_event(const support::Event& event, Conversation& talk);

  // Every watch had its first event.
  [[nodiscard]] bool is_settled() const { return owed_ == 0; }
  // "" unless a first event is late, not counting the time before `from`.
  [[nodiscard]] std::string late(Time from, Time now) const;

  void disconnected();
  [[nodiscard]] std::size_t count() const { return watches_.size(); }

  struct Counts {
    std::uint64_t set = 0, survived = 0;  // found set after a kill
  };
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  struct Watch {
    std::string path;
    std::optional<std::uint32_t> depth;
    std::optional<std::size_t> owner;  // whose beat it watches
    bool asked_only = true;            // not acknowledged yet
    bool any = false;                  // had an event
    std::uint64_t kills = 0;           // when it was set
    Time since;
  };
  using Watches = std::map<std::string, Watch>;  // by token

  void set(Conversation& talk);
  void set_again(Conversation& talk, const std::string& token);
  void remove(Conversation& talk, Watches::iterator which);
  void reset(Conversation& talk);
  void read_beat(Conversation& talk, const std::string& token, std::size_t owner);
  Watches::iterator retire(Watches::iterator which);
  std::string explain(const support::Event& event, const Watch& watch) const;
  std::uint64_t below(std::uint64_t n) { return random_() % n; }

  std::size_t client_;
  bool depths_;
  Board& board_;
  std::mt19937_64 random_;
  Watches watches_;
  std::deque<std::string> retired_;  // their events may still be on the way (B10)
  std::uint64_t serial_ = 0;
  std::size_t owed_ = 0;  // first events
  Counts counts_;
};

}  // namespace vxs::test::kept
