// One client's own subtree, which nobody else changes: so every answer is known when the request
// is asked, whatever is under way. In it its beat, which others watch.
#pragma once

#include <deque>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "tests/crash/kept/board.hh"
#include "tests/crash/kept/conversation.hh"
#include "tests/crash/model.hh"

namespace vxs::test::kept {

class OwnTree {
 public:
  // The harness made the root, an empty node with `perms`, and the beat "0" in it.
  OwnTree(std::size_t client, const std::string& perms, Board& board, std::uint64_t seed);

  [[nodiscard]] const std::string& root() const { return now_.root(); }
  // False while a commit is under way: what is there then is not known.
  [[nodiscard]] bool is_known() const { return tx_ != Tx::kEnding; }

  // Outside of transactions. A change only while none is open.
  void change(Conversation& talk);
  void read(Conversation& talk);
  // A long READ (or, the first time, the WRITE of it).
  void read_big(Conversation& talk);
  // Counts the beat up, if all heard of the last one. False if not.
  bool beat(Conversation& talk);

  // The transaction of the subtree.
  [[nodiscard]] bool in_transaction() const { return tx_ != Tx::kNone; }
  [[nodiscard]] bool may_use_transaction() const { return tx_ == Tx::kOpen; }
  void begin(Conversation& talk);
  void operate(Conversation& talk);
  void end(Conversation& talk, bool commit);

  // Changes that wait for their answer, and commits.
  [[nodiscard]] std::size_t unanswered_changes() const { return pending_.size(); }

  // The connection is gone with its transaction. With nothing unanswered all stays known; else
  // adopt() has to be told what is there.
  void disconnected();
  [[nodiscard]] bool is_certain() const { return pending_.empty(); }
  // Its client was a guest and died with all it owned: of the subtree, root and beat are left.
  void died();
  // The client is the guest `domid` from now on, and what is there is root and beat, as the board
  // knows it.
  void reborn(std::uint32_t domid);
  // "" if this is what was acknowledged, with some of the unanswered changes in their order.
  std::string adopt(const StoreDump& dump, Time now);
  // "" if all that was answered is there and nothing else. Nothing may be unanswered.
  [[nodiscard]] std::string compare(const StoreDump& dump) const {
    return acknowledged_.compare(dump);
  }

  struct Counts {
    std::uint64_t changes = 0;    // acknowledged
    std::uint64_t commits = 0;    // acknowledged
    std::uint64_t continued = 0;  // of them: of transactions that lived through a kill
    std::uint64_t doomed = 0;     // EAGAIN after a kill
  };
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  enum class Tx : std::uint8_t { kNone, kStarting, kOpen, kEnding };

  ModelRequest random_change(const Model& model);
  std::string random_path(const Model& model);
  std::string value(std::size_t length);
  void submit(Conversation& talk, ModelRequest request);
  void ask_read(Conversation& talk, const Model& model, std::uint32_t tx_id);
  std::string ended(const support::Frame& reply, bool commit, bool beats);
  std::uint64_t below(std::uint64_t n) { return random_() % n; }

  std::size_t client_;
  std::string root_perms_;
  std::uint32_t domid_ = 0;  // of a guest
  Board& board_;
  std::mt19937_64 random_;
  Model now_;           // with all that was asked
  Model acknowledged_;  // with all that was answered
  std::deque<std::vector<ModelRequest>> pending_;
  std::uint64_t serial_ = 0;
  Counts counts_;

  Tx tx_ = Tx::kNone;
  std::uint32_t tx_id_ = 0;
  std::uint64_t kills_at_start_ = 0;
  std::optional<Model> inside_;
  std::vector<ModelRequest> operations_;
};

}  // namespace vxs::test::kept
