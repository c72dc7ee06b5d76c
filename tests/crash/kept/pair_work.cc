#include "tests/crash/kept/pair_work.hh"

#include "tests/crash/kept/judges.hh"

namespace vxs::test::kept {
namespace {

using support::Frame;
using support::zstrings;

std::string judge_ok(const Frame& reply) { return judge_outcome(reply, ""); }

}  // namespace

bool PairWork::may_step(Time now) const {
  return state_ == State::kIdle ||
         ((state_ == State::kStarted || state_ == State::kRead) && now >= think_until_);
}

void PairWork::step(Conversation& talk, Time now) {
  if (!may_step(now)) return;
  if (state_ == State::kIdle) return start(talk);
  if (state_ == State::kStarted) return ask_values(talk);
  finish(talk);
}

void PairWork::think() {
  // Some stay open for long enough to meet a kill or two.
  const auto longest = below(3) == 0 ? 80'000U : 1'000U;
  think_until_ = Clock::now() + std::chrono::microseconds(below(longest));
}

void PairWork::start(Conversation& talk) {
  pair_ = below(board_.pairs.size());
  least_ = pair().acknowledged();
  kills_at_start_ = board_.kills;
  state_ = State::kAsked;
  talk.ask(support::kTransactionStart, zstrings({""}), 0, [this](const Frame& reply) {
    state_ = State::kStarted;
    think();
    return judge_start(reply, tx_id_);
  });
}

void PairWork::ask_values(Conversation& talk) {
  state_ = State::kAsked;
  for (int half = 0; half < 2; ++half) {
    const std::string path = pair_path(pair_, half == 0 ? 'a' : 'b');
    talk.ask(support::kRead, zstrings({path}), tx_id_, [this, half](const Frame& reply) {
      if (reply.is_error()) return std::string("expected was a number");
      values_[half] = reply.payload;
      if (half == 1) {
        state_ = State::kRead;
        think();
      }
      return pair().judge(reply.payload, least_);
    });
  }
}

void PairWork::finish(Conversation& talk) {
  const auto dice = below(10);
  writes_ = dice > 1;  // else it only looks
  const bool commits = dice != 9;
  if (writes_) {
    for (const char half : {'a', 'b'}) {
      // Each from what was read of its own node: a torn reading would stay torn.
      const auto& value = values_[half == 'a' ? 0 : 1];
      talk.ask(support::kWrite,
               zstrings({pair_path(pair_, half)}) + std::to_string(number_of(value) + 1), tx_id_,
               judge_ok);
    }
  }
  state_ = State::kEnding;
  if (!commits) {
    talk.ask(support::kTransactionEnd, zstrings({"F"}), tx_id_, [this](const Frame& reply) {
      state_ = State::kIdle;
      return judge_ok(reply);
    });
    writes_ = false;
    return;
  }
  if (writes_) pair().commit_sent();
  talk.ask(support::kTransactionEnd, zstrings({"T"}), tx_id_,
           [this, writes = writes_](const Frame& reply) { return ended(reply, writes); });
}

std::string PairWork::ended(const Frame& reply, bool writes) {
  state_ = State::kIdle;
  writes_ = false;
  if (reply.error() == "EAGAIN") {
    ++counts_.conflicts;
    if (writes) pair().refused();
    return "";
  }
  if (reply.is_error()) return "expected was OK or EAGAIN";
  if (values_[0] != values_[1]) {
    return "a transaction that saw " + values_[0] + " and " + values_[1] +
           " in the two counters was not refused";
  }
  ++counts_.commits;
  if (board_.kills != kills_at_start_) ++counts_.continued;
  if (writes) pair().committed(static_cast<std::uint64_t>(number_of(values_[0])) + 1);
  return "";
}

void PairWork::read(Conversation& talk) {
  const std::size_t which = below(board_.pairs.size());
  for (const char half : {'a', 'b'}) {
    talk.ask(support::kRead, zstrings({pair_path(which, half)}), 0,
             [this, which, least = board_.pairs[which].acknowledged()](const Frame& reply) {
               if (reply.is_error()) return std::string("expected was a number");
               return board_.pairs[which].judge(reply.payload, least);
             });
  }
}

void PairWork::disconnected() {
  if (state_ == State::kEnding && writes_) pair().forgotten();
  state_ = State::kIdle;
  writes_ = false;
}

}  // namespace vxs::test::kept
