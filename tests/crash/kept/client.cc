#include "tests/crash/kept/client.hh"

#include <algorithm>
#include <utility>

namespace vxs::test::kept {
namespace {

using support::Frame;
using support::zstrings;

constexpr std::size_t kMostUnsent = 128U << 10;
constexpr std::size_t kFlood = 100;  // long answers: more than a socket holds
constexpr std::size_t kFloodOfGuests = 30;
constexpr std::size_t kDomains = 60'000;

}  // namespace

Client::Client(ClientSetting setting, Board& board, Pauses& pauses, Connect connect, Dump dump)
    : setting_(std::move(setting)),
      board_(board),
      pauses_(pauses),
      connect_(std::move(connect)),
      dump_(std::move(dump)),
      random_(setting_.seed),
      tree_(setting_.number, setting_.root_perms, board, random_()),
      pair_(board, random_()),
      watching_(setting_.number, setting_.depths, board, random_()),
      dead_(setting_.guest) {}

std::string Client::name() const {
  constexpr const char* kNames[] = {"busy", "calm", "visitor", "slow", "halting"};
  return (setting_.guest ? "guest " : "client ") + std::to_string(setting_.number) + " (" +
         kNames[static_cast<std::size_t>(setting_.manner)] +
         (setting_.numbered ? ", numbered" : ", req_id 0") + ")";
}

Time Client::in(std::uint64_t shortest_us, std::uint64_t longest_us, Time now) {
  return now + std::chrono::microseconds(shortest_us + below(longest_us - shortest_us + 1));
}

// ------------------------------------------------------------------------------- the connection

void Client::step(Time now) {
  if (!link_) connect(now);
  if (link_ && now >= deaf_until_) receive(now);
  if (link_) plan(now);
  if (link_) send(now);
  set_due(now);
}

void Client::connect(Time now) {
  if (now < connect_at_ || (quiet_ && tree_.is_certain() && !setting_.guest)) return;
  connect_at_ = in(1'000, 5'000, now);  // if it fails
  auto link = connect_();
  if (!link) return;
  if (!tree_.is_certain()) {
    const auto dump = dump_(tree_.root());
    if (!dump) return;
    if (const std::string text = tree_.adopt(*dump, now); !text.empty()) throw Violation(text);
  }
  link_ = std::move(link);
  if (std::exchange(dead_, false)) tree_.reborn(link_->domid());
  talk_.emplace(
      setting_.numbered, [this](const support::Event& event) { watching_.on_event(event, *talk_); },
      [this](Time since, Time answered) {
        // Who does not listen waits for himself.
        if (since >= deaf_until_) pauses_.answered(since, answered);
      });
  if (setting_.lone_starts) talk_->let_starts_be_last();
  // While it is down, it may be the dying one that was met.
  kills_survived_ = board_.kills - (board_.down ? 1 : 0);
  leaving_ = false;
  leave_at_ =
      setting_.manner == Manner::kVisitor ? in(20'000, 400'000, now) : in(500'000, 4'000'000, now);
  next_ask_ = now;
  ++counts_.visits;
}

void Client::disconnect(Time now) {
  counts_.answers += talk_->answered();
  counts_.events += talk_->events();
  talk_->note("the end of this connection", now);
  past_ = talk_->history();
  talk_.reset();
  link_.reset();
  if (dead_) {
    ++counts_.deaths;
    tree_.died();
  } else {
    tree_.disconnected();
  }
  pair_.disconnected();
  watching_.disconnected();
  connect_at_ = in(0, 60'000, now);
  deaf_until_ = Time{};
}

void Client::lost(Time now) {
  if (setting_.kept) throw Violation("the daemon closed the connection");
  if (kills_survived_ == board_.kills) {
    throw Violation("the daemon closed the connection, and it was not killed");
  }
  ++counts_.lost;
  disconnect(now);
}

void Client::receive(Time now) {
  std::string bytes;
  const bool open = link_->receive(bytes);
  talk_->arrived(bytes, now);
  if (!open) lost(now);
}

void Client::send(Time now) {
  while (talk_->wants_to_send(now)) {
    const long sent = link_->send(talk_->leaving(now));
    if (sent < 0) return lost(now);
    if (sent == 0) return;
    talk_->left(static_cast<std::size_t>(sent), now);
  }
}

pollfd Client::for_input(Time now) const {
  return {link_ && now >= deaf_until_ ? link_->fd() : -1, POLLIN, 0};
}

pollfd Client::for_output(Time now) const {
  return talk_ && talk_->wants_to_send(now) ? link_->room() : pollfd{-1, 0, 0};
}

void Client::killed(Time now) {
  if (talk_) talk_->note("killed " + std::to_string(board_.kills), now);
}

// --------------------------------------------------------------------------------- what it asks

std::size_t Client::most_unanswered() const {
  switch (setting_.manner) {
    case Manner::kCalm:
      return 1;
    case Manner::kVisitor:
      return 4;
    default:
      return 8;
  }
}

void Client::plan(Time now) {
  const bool goes = setting_.manner == Manner::kVisitor || setting_.guest;
  if (goes && !quiet_ && !leaving_ && now >= leave_at_) begin_to_leave();
  if (quiet_ || leaving_) {
    if (quiet_ || !abandons_) end_what_is_open(now);
    if (leaving_ && may_leave()) leave(now);
    return;
  }
  for (std::size_t n = most_unanswered(); n > 0; --n) {
    if (now < next_ask_ || now < deaf_until_ || talk_->unanswered() >= most_unanswered() ||
        talk_->unsent() > kMostUnsent) {
      return;
    }
    if (below(setting_.manner == Manner::kHalting ? 6 : 80) == 0) {
      talk_->split_next(1 + below(40), in(500, 60'000, now));
    }
    ask_one(now);
    if (setting_.manner == Manner::kCalm) next_ask_ = in(0, 15'000, now);
  }
}

void Client::ask_one(Time now) {
  const auto dice = below(100);
  if (setting_.manner == Manner::kSlow && below(60) == 0) return read_late(now);
  if (dice < 8) return ping();
  if (dice < 16 && tree_.is_known() && tree_.beat(*talk_)) return;
  if (dice < 30) return ask_in_transaction(now);
  if (dice < 44) {
    if (pair_.may_step(now)) return pair_.step(*talk_, now);
    return pair_.read(*talk_);
  }
  if (dice < 48) {
    return watching_.ask_something(*talk_, !tree_.in_transaction() && !pair_.in_transaction());
  }
  if (!tree_.is_known()) return ping();
  if (dice < 70) return tree_.read(*talk_);
  if (dice < 73) return tree_.read_big(*talk_);
  if (!tree_.in_transaction()) return tree_.change(*talk_);
  ask_in_transaction(now);
}

// GET_DOMAIN_PATH's answer is as good as a number: with req_id 0, it is what shows the order.
void Client::ping() {
  const std::string domid = std::to_string(below(kDomains));
  talk_->ask(support::kGetDomainPath, zstrings({domid}), 0, [domid](const Frame& reply) {
    const std::string expected = zstrings({"/local/domain/" + domid});
    return reply.payload == expected ? "" : "expected was " + expected;
  });
}

void Client::ask_in_transaction(Time now) {
  if (!tree_.is_known()) return ping();
  if (!tree_.in_transaction()) {
    transaction_left_ = 1 + below(8);
    // Some stay open for long enough to meet a kill or two.
    end_transaction_at_ = in(0, below(3) == 0 ? 80'000 : 1'000, now);
    return tree_.begin(*talk_);
  }
  if (!tree_.may_use_transaction()) return ping();
  if (transaction_left_ > 0) {
    --transaction_left_;
    return tree_.operate(*talk_);
  }
  if (now >= end_transaction_at_) return tree_.end(*talk_, below(6) != 0);
  tree_.read(*talk_);
}

void Client::read_late(Time now) {
  if (!tree_.is_known()) return ping();
  const auto flood = setting_.guest ? kFloodOfGuests : kFlood;
  for (std::size_t n = 0; n < flood; ++n) tree_.read_big(*talk_);
  deaf_until_ = in(5'000, 150'000, now);
}

void Client::end_what_is_open(Time now) {
  if (tree_.may_use_transaction()) tree_.end(*talk_, below(2) == 0);
  if (pair_.in_transaction()) pair_.step(*talk_, std::max(now, pair_.thinks_until()));
}

void Client::begin_to_leave() {
  leaving_ = true;
  abandons_ = below(2) == 0;
  dies_ = setting_.guest && (below(2) == 0 || !setting_.reconnects);
}

bool Client::may_leave() const {
  // A dead guest's changes go with it; who comes again has to know what is there.
  if (dies_ && abandons_) return true;
  return tree_.unanswered_changes() == 0 && !pair_.is_ending();
}

// Whatever else is open or unanswered changes nothing: to leave like this is no violation of its
// own.
void Client::leave(Time now) {
  if (below(3) == 0) {
    talk_->split_next(1 + below(20), now + std::chrono::hours(1));
    ping();
  }
  send(now);
  if (!link_) return;
  link_->depart(dies_);
  dead_ = dies_;
  disconnect(now);
}

// ------------------------------------------------------------------------------- what is due

void Client::set_due(Time now) {
  Time due = now + std::chrono::milliseconds(500);
  const auto at = [&due, now](Time time) {
    if (time > now) due = std::min(due, time);
  };
  if (!link_) {
    at(connect_at_);
  } else {
    at(deaf_until_);
    at(next_ask_);
    if (setting_.manner == Manner::kVisitor || setting_.guest) at(leave_at_);
    if (const auto release = talk_->release()) at(*release);
  }
  due_ = due;
}

std::string Client::late(Time from, Time now) const {
  if (!talk_) return "";
  const auto since = talk_->waiting_since();
  if (since && now - std::max({from, *since, deaf_until_}) > board_.patience) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now - *since).count();
    return "no answer for " + std::to_string(ms) + " ms";
  }
  return watching_.late(from, now);
}

void Client::set_quiet(bool quiet) {
  quiet_ = quiet;
  if (quiet_) leaving_ = false;
  due_ = Time{};
}

bool Client::is_quiet() const {
  if (!tree_.is_certain()) return false;
  if (!talk_) return !setting_.guest;
  return talk_->unanswered() == 0 && talk_->unsent() == 0 && !tree_.in_transaction() &&
         !pair_.in_transaction() && watching_.is_settled();
}

std::string Client::history() const { return talk_ ? talk_->history() : past_; }

Client::Counts& Client::Counts::operator+=(const Counts& other) {
  answers += other.answers;
  events += other.events;
  visits += other.visits;
  lost += other.lost;
  deaths += other.deaths;
  tree.changes += other.tree.changes;
  tree.commits += other.tree.commits;
  tree.continued += other.tree.continued;
  tree.doomed += other.tree.doomed;
  pair.commits += other.pair.commits;
  pair.conflicts += other.pair.conflicts;
  pair.continued += other.pair.continued;
  watches.set += other.watches.set;
  watches.survived += other.watches.survived;
  return *this;
}

Client::Counts Client::counts() const {
  Counts counts = counts_;
  if (talk_) {
    counts.answers += talk_->answered();
    counts.events += talk_->events();
  }
  counts.tree = tree_.counts();
  counts.pair = pair_.counts();
  counts.watches = watching_.counts();
  return counts;
}

}  // namespace vxs::test::kept
