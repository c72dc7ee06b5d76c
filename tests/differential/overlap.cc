#include "tests/differential/overlap.hh"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "tests/differential/model.hh"

namespace vxs::differential {
namespace {

using support::Frame;
using support::zstrings;

constexpr std::array<const char*, 3> kNames = {"a", "b", "c"};
constexpr unsigned kWatcher = 0;              // the client with a watch on /m
constexpr unsigned kLongestTransaction = 12;  // requests, so that none becomes old

class Maker {
 public:
  Maker(uint64_t seed, Overlap overlap) : random_(seed), overlap_(overlap) {}

  Step next() {
    if (overlap_ == Overlap::kNever) return next_alone();
    const unsigned client = below(kSockets);
    const int slot = static_cast<int>(below(kSlots));
    unsigned& age = age_[client][static_cast<size_t>(slot)];
    if (below(3) == 0) return request(client, kNoTransaction);
    if (age == 0) {
      age = 1;
      return {Kind::kStart, client, 0, "", slot};
    }
    if (age > below(kLongestTransaction)) return end(client, slot, age);
    ++age;
    return request(client, slot);
  }

 private:
  unsigned below(unsigned bound) { return static_cast<unsigned>(random_() % bound); }

  Step end(unsigned client, int slot, unsigned& age) {
    age = 0;
    return {Kind::kEnd, client, 0, zstrings({below(8) == 0 ? "F" : "T"}), slot};
  }

  Step next_alone() {
    unsigned& age = age_[0][0];
    if (age == 0 && below(3) != 0) return request(below(kSockets), kNoTransaction);
    if (age == 0) {
      age = 1;
      return {Kind::kStart, 0, 0, "", 0};
    }
    if (age > below(kLongestTransaction)) return end(0, 0, age);
    ++age;
    return request(0, 0);
  }

  Step request(unsigned client, int slot) {
    constexpr std::array<uint32_t, 10> kTypes = {
        support::kRead,     support::kRead,    support::kWrite,     support::kWrite,
        support::kMkdir,    support::kRm,      support::kDirectory, support::kDirectory,
        support::kGetPerms, support::kSetPerms};
    Step step{Kind::kRequest, client, kTypes[below(kTypes.size())], "", slot};
    std::string path = "/m";
    for (unsigned depth = below(4); depth > 0; --depth) {
      path += std::string("/") + kNames[below(kNames.size())];
    }
    step.payload = zstrings({path});
    if (step.type == support::kWrite) step.payload += std::to_string(below(4));
    if (step.type == support::kSetPerms) step.payload += zstrings({"n" + std::to_string(below(3))});
    return step;
  }

  std::mt19937_64 random_;
  Overlap overlap_;
  std::array<std::array<unsigned, kSlots>, kClients> age_{};
};

// The daemon, the model, and the transactions open in both.
class Comparison {
 public:
  explicit Comparison(const StartServer& start) : side_(start) {
    const Step watch{Kind::kRequest, kWatcher, support::kWatch, zstrings({"/m", "w"}),
                     kNoTransaction};
    side_.quietly(watch, watch.type, watch.payload);
  }

  // Runs one step; false when it is left out. Sets result.failure.
  bool run(const Step& step, ModelResult& result) {
    auto* slot = step.slot >= 0 ? &open_[step.client][static_cast<size_t>(step.slot)] : nullptr;
    if (slot != nullptr && slot->has_value() == (step.kind == Kind::kStart)) return false;
    const Frame expected = model(step, slot);
    Observation seen;
    side_.send(step);
    side_.receive(step, seen);
    side_.drain_send();
    side_.drain_receive(seen);
    result.transcript += describe(step) + " -> " + reply_text(seen) + "\n";
    if (step.kind == Kind::kEnd) ++(seen.reply.is_error() ? result.conflicts : result.commits);
    if (seen.reply != expected) {
      Observation wanted;
      wanted.reply = expected;
      result.failure = describe(step) + ": the model says " + reply_text(wanted) + ", the daemon " +
                       reply_text(seen);
    } else {
      check_events(step, seen, result);
    }
    return true;
  }

  // Every node with value, children and permissions.
  void compare_tree(ModelResult& result) {
    for (const std::string& path : head_.paths()) {
      for (const uint32_t type : {support::kRead, support::kDirectory, support::kGetPerms}) {
        const Step step{Kind::kRequest, 0, type, zstrings({path}), kNoTransaction};
        if (result.failure.empty()) run(step, result);
      }
    }
  }

 private:
  // The model's answer; sets events_.
  Frame model(const Step& step, std::optional<ModelTransaction>* slot) {
    events_ = {};
    if (step.kind == Kind::kStart) {
      slot->emplace(head_);
      return {support::kTransactionStart, 0, 0, "an id"};
    }
    if (step.kind == Kind::kEnd) return end(step, *slot);
    if (slot != nullptr) return (*slot)->answer(step.type, step.payload);
    Frame reply = head_.answer(step.type, step.payload);
    const std::string path(first_argument(step.payload));
    // D4, D5: what was named, once; B3: nothing for a node that was there.
    if (head_.wrote()) events_ = {{path}, {path}};
    return reply;
  }

  Frame end(const Step& step, std::optional<ModelTransaction>& transaction) {
    const ModelTree before = head_;
    const bool abort = step.payload.front() == 'F';
    const bool done = abort || transaction->commit(head_);
    if (done && !abort) events_ = expected_events(*transaction, before, head_);
    transaction.reset();
    if (done) return {support::kTransactionEnd, 0, 0, zstrings({"OK"})};
    return {support::kError, 0, 0, zstrings({"EAGAIN"})};
  }

  void check_events(const Step& step, const Observation& seen, ModelResult& result) const {
    std::set<std::string> came;
    for (const auto& event : seen.events[kWatcher]) came.insert(event.path);
    const auto includes = [](const auto& all, const auto& some) {
      return std::includes(all.begin(), all.end(), some.begin(), some.end());
    };
    if (includes(came, events_.required) && includes(events_.allowed, came)) return;
    result.failure = describe(step) + ": events";
    for (const std::string& path : came) result.failure += " " + path;
    result.failure += ", required";
    for (const std::string& path : events_.required) result.failure += " " + path;
    result.failure += ", allowed besides";
    for (const std::string& path : events_.allowed) result.failure += " " + path;
  }

  Side side_;
  ModelTree head_;
  ExpectedEvents events_;  // of the last step
  std::array<std::array<std::optional<ModelTransaction>, kSlots>, kClients> open_;
};

}  // namespace

std::vector<Step> random_transactions(uint64_t seed, size_t count, Overlap overlap) {
  Maker maker(seed, overlap);
  std::vector<Step> steps;
  steps.reserve(count);
  for (size_t i = 0; i < count; ++i) steps.push_back(maker.next());
  return steps;
}

ModelResult run_against_model(const StartServer& start, const std::vector<Step>& steps) {
  ModelResult result;
  Comparison comparison(start);
  try {
    for (const Step& step : steps) {
      if (!result.failure.empty()) return result;
      if (comparison.run(step, result)) result.steps.push_back(step);
    }
    if (result.failure.empty()) comparison.compare_tree(result);
  } catch (const support::WireError& error) {
    result.failure = std::string("broken: ") + error.what();
  }
  return result;
}

}  // namespace vxs::differential
