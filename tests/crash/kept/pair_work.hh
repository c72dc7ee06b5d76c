// Transactions that increment the two counters of a pair, against other clients that do the same.
#pragma once

#include <cstdint>
#include <random>
#include <string>

#include "tests/crash/kept/board.hh"
#include "tests/crash/kept/conversation.hh"

namespace vxs::test::kept {

class PairWork {
 public:
  PairWork(Board& board, std::uint64_t seed) : board_(board), random_(seed) {}

  [[nodiscard]] bool in_transaction() const { return state_ != State::kIdle; }
  [[nodiscard]] bool is_ending() const { return state_ == State::kEnding; }
  // When there is something to ask: at once or, for a transaction that is left open, later.
  [[nodiscard]] bool may_step(Time now) const;
  [[nodiscard]] Time thinks_until() const { return think_until_; }
  // The next requests of the transaction. Begins one if none is open.
  void step(Conversation& talk, Time now);
  // Both counters by plain READs.
  void read(Conversation& talk);

  void disconnected();

  struct Counts {
    std::uint64_t commits = 0, conflicts = 0;
    std::uint64_t continued = 0;  // commits of transactions that lived through a kill
  };
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  enum class State : std::uint8_t { kIdle, kAsked, kStarted, kRead, kEnding };

  void start(Conversation& talk);
  void ask_values(Conversation& talk);
  void finish(Conversation& talk);
  std::string ended(const support::Frame& reply, bool writes);
  [[nodiscard]] Pair& pair() { return board_.pairs[pair_]; }
  void think();
  std::uint64_t below(std::uint64_t n) { return random_() % n; }

  Board& board_;
  std::mt19937_64 random_;
  State state_ = State::kIdle;
  Time think_until_{};
  std::size_t pair_ = 0;
  std::uint32_t tx_id_ = 0;
  std::uint64_t least_ = 0, kills_at_start_ = 0;
  std::string values_[2];
  bool writes_ = false;
  Counts counts_;
};

}  // namespace vxs::test::kept
