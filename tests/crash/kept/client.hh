// One client of the soak: says a lot on one connection, in one of several manners, and checks every
// answer, every event, and that nobody closes.
#pragma once

#include <memory>
#include <optional>
#include <random>
#include <string>

#include "tests/crash/kept/board.hh"
#include "tests/crash/kept/conversation.hh"
#include "tests/crash/kept/link.hh"
#include "tests/crash/kept/own_tree.hh"
#include "tests/crash/kept/pair_work.hh"
#include "tests/crash/kept/pauses.hh"
#include "tests/crash/kept/watching.hh"

namespace vxs::test::kept {

enum class Manner : std::uint8_t {
  kBusy,     // several requests under way at any time
  kCalm,     // one now and then
  kVisitor,  // comes and goes
  kSlow,     // asks for much and reads late
  kHalting,  // stops in the middle of requests
};

struct ClientSetting {
  std::size_t number = 0;
  Manner manner = Manner::kBusy;
  bool numbered = true;      // req_ids
  bool depths = true;        // WATCH takes a depth
  bool lone_starts = false;  // asks nothing behind a TRANSACTION_START that was not answered
  bool kept = true;          // a closed connection is a violation
  bool guest = false;        // its connection is a ring; it may die
  bool reconnects = true;    // or begin anew
  std::uint64_t seed = 1;
  std::string root_perms;
};

class Client {
 public:
  // Dumps a subtree by a connection of its own; nothing if the daemon is not there.
  using Dump = std::function<std::optional<StoreDump>(const std::string& root)>;

  Client(ClientSetting setting, Board& board, Pauses& pauses, Connect connect, Dump dump);

  [[nodiscard]] std::size_t number() const { return setting_.number; }
  [[nodiscard]] bool is_guest() const { return setting_.guest; }
  [[nodiscard]] const OwnTree& tree() const { return tree_; }

  // Reads, asks, sends: what is possible now without waiting. Throws Violation.
  void step(Time now);
  // -1: not connected.
  [[nodiscard]] int fd() const { return link_ ? link_->fd() : -1; }
  // To poll for what it waits for.
  [[nodiscard]] pollfd for_input(Time now) const;
  [[nodiscard]] pollfd for_output(Time now) const;
  // When step() is due although nothing happened.
  [[nodiscard]] Time due() const { return due_; }

  // "" unless an answer or an event is late, not counting the time before `from`.
  [[nodiscard]] std::string late(Time from, Time now) const;
  // The daemon was killed.
  void killed(Time now);

  // Ends what it began, asks nothing more, stays connected.
  void set_quiet(bool quiet);
  [[nodiscard]] bool is_quiet() const;

  [[nodiscard]] std::string name() const;
  [[nodiscard]] std::string history() const;

  struct Counts {
    std::uint64_t answers = 0, events = 0, visits = 0, lost = 0;
    std::uint64_t deaths = 0;
    OwnTree::Counts tree;
    PairWork::Counts pair;
    Watching::Counts watches;
    Counts& operator+=(const Counts& other);
  };
  [[nodiscard]] Counts counts() const;
  [[nodiscard]] std::size_t watches() const { return watching_.count(); }

 private:
  void connect(Time now);
  void disconnect(Time now);
  void lost(Time now);
  void receive(Time now);
  void send(Time now);
  void plan(Time now);
  void ask_one(Time now);
  void ask_in_transaction(Time now);
  void read_late(Time now);
  void end_what_is_open(Time now);
  void ping();
  void begin_to_leave();
  void leave(Time now);
  void set_due(Time now);
  [[nodiscard]] std::size_t most_unanswered() const;
  [[nodiscard]] bool may_leave() const;
  Time in(std::uint64_t shortest_us, std::uint64_t longest_us, Time now);
  std::uint64_t below(std::uint64_t n) { return random_() % n; }

  ClientSetting setting_;
  Board& board_;
  Pauses& pauses_;
  Connect connect_;
  Dump dump_;
  std::mt19937_64 random_;
  OwnTree tree_;
  PairWork pair_;
  Watching watching_;
  std::unique_ptr<Link> link_;
  std::optional<Conversation> talk_;
  std::string past_;  // the history of the connection before, for a failure's report
  bool quiet_ = false, leaving_ = false, abandons_ = false;
  bool dies_ = false;                 // leaves for good
  bool dead_ = false;                 // and is not born again yet
  std::uint64_t kills_survived_ = 0;  // what happened before the daemon that it connected to
  std::size_t transaction_left_ = 0;  // requests
  Time connect_at_{}, leave_at_{}, next_ask_{}, deaf_until_{}, due_{}, end_transaction_at_{};
  Counts counts_;
};

}  // namespace vxs::test::kept
