// What one client said on one connection and what it has to hear: every request is answered once,
// in order, and every answer is judged. No I/O, no clock.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "tests/crash/kept/clock.hh"
#include "tests/support/frame_client.hh"

namespace vxs::test::kept {

// A promise was broken; what() says which.
class Violation : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class Conversation {
 public:
  // Told the reply; "" if that is the right one, else what is wrong with it. May ask more.
  using Judge = std::function<std::string(const support::Frame&)>;
  using OnEvent = std::function<void(const support::Event&)>;
  // A request was answered that could have been answered since `since`.
  using OnAnswer = std::function<void(Time since, Time now)>;

  // `numbered`: each request has a req_id of its own; else all have 0, as libxenstore's.
  Conversation(bool numbered, OnEvent on_event, OnAnswer on_answer);

  // Queues a request.
  void ask(std::uint32_t type, std::string payload, std::uint32_t tx_id, Judge judge);
  // The next request leaves in two parts: so many bytes, and the others from `release` on.
  void split_next(std::size_t bytes, Time release);

  // What may leave now; then how many bytes of it did.
  [[nodiscard]] std::string_view leaving(Time now) const;
  void left(std::size_t bytes, Time now);
  [[nodiscard]] bool wants_to_send(Time now) const { return !leaving(now).empty(); }
  // When a second part may leave that is held back.
  [[nodiscard]] std::optional<Time> release() const;

  // Bytes from the daemon. Throws Violation.
  void arrived(std::string_view bytes, Time now);

  [[nodiscard]] std::size_t unanswered() const { return expected_.size(); }
  // From now on nothing leaves behind a TRANSACTION_START that was not answered.
  void let_starts_be_last() { lone_starts_ = true; }
  [[nodiscard]] std::size_t unsent() const { return out_.size() - out_done_; }
  // Since when the oldest request could have been answered; nothing if none was sent whole.
  [[nodiscard]] std::optional<Time> waiting_since() const;
  [[nodiscard]] std::uint64_t answered() const { return answered_; }
  [[nodiscard]] std::uint64_t events() const { return events_; }

  // A remark between the exchanges ("killed").
  void note(std::string text, Time now);
  // The last exchanges, with remarks and events in between, then what is unanswered.
  [[nodiscard]] std::string history() const;

 private:
  struct Expected {
    support::Frame asked;
    std::size_t end = 0;  // of its bytes in out_
    std::optional<Time> sent;
    Judge judge;
  };
  struct Line {
    Time at;
    char mark = '-';       // '>' sent, '<' received, '-' a remark
    support::Frame frame;  // its payload cut
    std::size_t bytes = 0;
  };
  struct Hold {
    std::size_t end = 0;  // in out_
    Time release;
  };
  void take(support::Frame frame, Time now);
  void take_reply(const support::Frame& reply, Time now);
  void take_event(const support::Frame& event, Time now);
  void remember(char mark, const support::Frame& frame, Time now);

  bool numbered_;
  OnEvent on_event_;
  OnAnswer on_answer_;
  std::uint32_t next_req_id_ = 1;
  std::string out_;
  std::size_t out_done_ = 0;
  bool lone_starts_ = false;
  std::string in_;
  std::deque<Expected> expected_;
  std::size_t sent_whole_ = 0;  // of expected_
  std::optional<Time> last_answer_;
  std::optional<Hold> hold_;
  std::optional<Hold> split_;  // for the next request; `end` counts its bytes
  std::deque<Line> lines_;
  std::uint64_t answered_ = 0, events_ = 0;
};

// "READ (req 7, tx 0, 12 bytes) /a"; `bytes` is the payload's length if it was cut.
std::string describe(const support::Frame& frame, std::size_t bytes = 0);

}  // namespace vxs::test::kept
