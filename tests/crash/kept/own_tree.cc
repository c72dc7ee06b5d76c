#include "tests/crash/kept/own_tree.hh"

#include <utility>

#include "tests/crash/kept/judges.hh"

namespace vxs::test::kept {
namespace {

using support::Frame;
using support::zstrings;

constexpr std::size_t kMostNodes = 40;
constexpr std::size_t kBig = 3500;
constexpr std::size_t kBigOfGuests = 1800;  // G1: 2048 with permissions

}  // namespace

OwnTree::OwnTree(std::size_t client, const std::string& perms, Board& board, std::uint64_t seed)
    : client_(client),
      root_perms_(perms),
      board_(board),
      random_(seed),
      now_(root_of(client), perms),
      acknowledged_(root_of(client), perms) {
  const ModelRequest beat{.type = support::kWrite, .path = beat_path(client), .argument = "0"};
  (void)now_.apply(beat);
  (void)acknowledged_.apply(beat);
}

std::string OwnTree::value(std::size_t length) {
  // A number that no other value has, then bytes that tell their place.
  std::string bytes = std::to_string(++serial_) + ' ';
  while (bytes.size() < length) {
    bytes.push_back(static_cast<char>((bytes.size() * 7 + serial_) & 0xff));
  }
  return bytes;
}

std::string OwnTree::random_path(const Model& model) {
  if (below(2) == 0) {
    const std::string path = model.nth(below(1000));
    if (!path.empty() && !path.ends_with("/beat") && !path.ends_with("/big")) return path;
  }
  std::string path = model.root();
  for (auto depth = 1 + below(3); depth > 0; --depth) {
    path += "/n";
    path.push_back(static_cast<char>('a' + below(5)));
  }
  return path;
}

ModelRequest OwnTree::random_change(const Model& model) {
  const auto dice = below(100);
  std::string path = random_path(model);
  if (dice < 22 || model.size() > kMostNodes) {
    return {.type = support::kRm, .path = path, .argument = {}};
  }
  if (dice < 30) {
    std::string perms = "n" + std::to_string(domid_) + std::string(1, '\0');
    if (below(2) == 0) perms += "r" + std::to_string(1 + below(9)) + std::string(1, '\0');
    return {.type = support::kSetPerms, .path = path, .argument = perms};
  }
  if (dice < 38) return {.type = support::kMkdir, .path = path, .argument = {}};
  return {.type = support::kWrite, .path = path, .argument = value(below(60))};
}

void OwnTree::submit(Conversation& talk, ModelRequest request) {
  const std::string expected = now_.apply(request, domid_);
  pending_.push_back({request});
  const auto type = request.type;
  std::string payload = request.payload();
  talk.ask(type, std::move(payload), 0, [this, request, expected](const Frame& reply) {
    pending_.pop_front();
    if (std::string text = judge_outcome(reply, expected); !text.empty()) return text;
    (void)acknowledged_.apply(request, domid_);
    if (expected.empty()) ++counts_.changes;
    return std::string();
  });
}

void OwnTree::change(Conversation& talk) { submit(talk, random_change(now_)); }

void OwnTree::ask_read(Conversation& talk, const Model& model, std::uint32_t tx_id) {
  std::string path = below(5) == 0 ? random_path(model) : model.nth(below(1000));
  if (path.empty()) path = model.root();
  const std::string* found = model.value(path);
  const bool exists = found != nullptr;
  const std::string expected = exists ? *found : std::string();
  talk.ask(support::kRead, zstrings({path}), tx_id, [exists, expected](const Frame& reply) {
    if (!exists) return reply.error() == "ENOENT" ? "" : std::string("there is no such node");
    if (reply.is_error() || reply.payload != expected) {
      return "expected was " + describe({support::kRead, 0, 0, expected});
    }
    return std::string();
  });
}

void OwnTree::read(Conversation& talk) { ask_read(talk, now_, 0); }

void OwnTree::read_big(Conversation& talk) {
  const std::string path = root() + "/big";
  const std::string* there = now_.value(path);
  if (there == nullptr || (tx_ == Tx::kNone && below(50) == 0)) {
    if (tx_ != Tx::kNone) return read(talk);
    return submit(talk, {.type = support::kWrite,
                         .path = path,
                         .argument = value(domid_ == 0 ? kBig : kBigOfGuests)});
  }
  talk.ask(support::kRead, zstrings({path}), 0, [expected = *there](const Frame& reply) {
    return !reply.is_error() && reply.payload == expected
               ? ""
               : "expected was " + describe({support::kRead, 0, 0, expected});
  });
}

bool OwnTree::beat(Conversation& talk) {
  Beat& beat = board_.beats[client_];
  if (tx_ != Tx::kNone || !beat.may_go_on()) return false;
  const ModelRequest request{
      .type = support::kWrite, .path = beat_path(client_), .argument = std::to_string(beat.sent())};
  (void)now_.apply(request, domid_);
  pending_.push_back({request});
  talk.ask(request.type, request.payload(), 0, [this, request](const Frame& reply) {
    pending_.pop_front();
    if (std::string text = judge_outcome(reply, ""); !text.empty()) return text;
    (void)acknowledged_.apply(request, domid_);
    ++counts_.changes;
    board_.beats[client_].acknowledged(Clock::now());
    return std::string();
  });
  return true;
}

void OwnTree::begin(Conversation& talk) {
  tx_ = Tx::kStarting;
  kills_at_start_ = board_.kills;
  inside_ = now_;
  operations_.clear();
  talk.ask(support::kTransactionStart, zstrings({""}), 0, [this](const Frame& reply) {
    tx_ = Tx::kOpen;
    return judge_start(reply, tx_id_);
  });
}

void OwnTree::operate(Conversation& talk) {
  if (below(3) == 0) return ask_read(talk, *inside_, tx_id_);
  ModelRequest request = random_change(*inside_);
  const std::string expected = inside_->apply(request, domid_);
  talk.ask(request.type, request.payload(), tx_id_,
           [expected](const Frame& reply) { return judge_outcome(reply, expected); });
  operations_.push_back(std::move(request));
}

void OwnTree::end(Conversation& talk, bool commit) {
  Beat& beat = board_.beats[client_];
  const bool beats = commit && beat.may_go_on() && below(2) == 0;
  if (beats) {
    ModelRequest request{.type = support::kWrite,
                         .path = beat_path(client_),
                         .argument = std::to_string(beat.sent())};
    (void)inside_->apply(request, domid_);
    talk.ask(request.type, request.payload(), tx_id_,
             [](const Frame& reply) { return judge_outcome(reply, ""); });
    operations_.push_back(std::move(request));
  }
  tx_ = Tx::kEnding;
  pending_.push_back(commit ? operations_ : std::vector<ModelRequest>());
  talk.ask(support::kTransactionEnd, zstrings({commit ? "T" : "F"}), tx_id_,
           [this, commit, beats](const Frame& reply) { return ended(reply, commit, beats); });
}

std::string OwnTree::ended(const Frame& reply, bool commit, bool beats) {
  const std::vector<ModelRequest> operations = std::move(pending_.front());
  pending_.pop_front();
  tx_ = Tx::kNone;
  inside_.reset();
  const bool killed = board_.kills != kills_at_start_;
  if (commit && killed && reply.error() == "EAGAIN") {
    ++counts_.doomed;
    if (beats) board_.beats[client_].refused();
    return "";
  }
  // Nobody else touches this subtree: no answer can have become another one.
  if (std::string text = judge_outcome(reply, ""); !text.empty()) return text;
  for (const ModelRequest& one : operations) {
    (void)now_.apply(one, domid_);
    (void)acknowledged_.apply(one, domid_);
  }
  if (beats) board_.beats[client_].acknowledged(Clock::now());
  if (commit) {
    ++counts_.commits;
    if (killed) ++counts_.continued;
  }
  return "";
}

void OwnTree::disconnected() {
  tx_ = Tx::kNone;
  inside_.reset();
  if (is_certain()) now_ = acknowledged_;
}

void OwnTree::died() {
  tx_ = Tx::kNone;
  inside_.reset();
  pending_.clear();
}

void OwnTree::reborn(std::uint32_t domid) {
  domid_ = domid;
  acknowledged_ = Model(root_of(client_), root_perms_);
  (void)acknowledged_.apply({.type = support::kWrite,
                             .path = beat_path(client_),
                             .argument = std::to_string(board_.beats[client_].lowest())});
  now_ = acknowledged_;
}

std::string OwnTree::adopt(const StoreDump& dump, Time now) {
  Model candidate = acknowledged_;
  std::string text = candidate.compare(dump);
  while (!text.empty() && !pending_.empty()) {
    for (const ModelRequest& one : pending_.front()) (void)candidate.apply(one, domid_);
    pending_.pop_front();
    if (std::string other = candidate.compare(dump); other.empty()) text.clear();
  }
  if (!text.empty()) {
    return "neither what was acknowledged nor that with some unanswered changes; without them, " +
           text;
  }
  pending_.clear();
  now_ = acknowledged_ = candidate;
  const auto number = number_of(*now_.value(beat_path(client_)));
  if (number < 0 || !board_.beats[client_].found(static_cast<std::uint64_t>(number), now)) {
    return "the beat is " + *now_.value(beat_path(client_));
  }
  return "";
}

}  // namespace vxs::test::kept
