#include "tests/differential/runner.hh"

#include <algorithm>
#include <utility>

#include "tests/differential/intended.hh"

namespace vxs::differential {
namespace {

using std::chrono::steady_clock;

constexpr size_t kLongestTranscript = 60;

NextStep from(const std::vector<Step>& steps, size_t& position) {
  return [&steps, &position](const Discipline&) -> std::optional<Step> {
    if (position == steps.size()) return std::nullopt;
    return steps[position++];
  };
}

void count(const Step& step, const Observation& seen, RunResult& result) {
  const std::string outcome = seen.reply.is_error() ? seen.reply.error() : "OK";
  ++result.answers[name_of(step) + " " + outcome];
  for (const auto& events : seen.events) result.events += events.size();
}

// One step, intended differences repaired. True to go on.
bool advance(Lockstep& pair, const Pairing& pairing, const Step& step, RunResult& result) {
  result.steps.push_back(step);
  const auto difference = pair.run(step);
  count(step, pair.last(), result);
  if (!difference) return true;
  const Intended* entry = pairing.allow_intended ? explain(*difference) : nullptr;
  if (entry == nullptr) {
    result.difference = *difference;
    return false;
  }
  ++result.intended[std::string(entry->item) + ": " + std::string(entry->what)];
  if (entry->repair != nullptr) entry->repair(pair, *difference);
  return true;
}

}  // namespace

RunResult run(const Pairing& pairing, const NextStep& next) {
  Lockstep pair(pairing.reference, pairing.subject);
  Discipline discipline;
  discipline.look(pair.world());
  RunResult result;
  while (const auto step = next(discipline)) {
    if (!discipline.admits(*step)) continue;
    if (!advance(pair, pairing, *step, result)) break;
    discipline.ran(*step, !pair.last().reply.is_error());
    discipline.look(pair.world());
  }
  return result;
}

RunResult run_random(const Pairing& pairing, uint64_t seed, size_t count, Mix mix) {
  Generator generator(seed, mix);
  const std::vector<Step> opening = generator.opening();
  size_t position = 0;
  return run(pairing, [&](const Discipline& discipline) -> std::optional<Step> {
    const size_t now = position++;
    if (now < opening.size()) return opening[now];
    if (now >= opening.size() + count) return std::nullopt;
    return generator.next(discipline);
  });
}

RunResult run_steps(const Pairing& pairing, const std::vector<Step>& steps) {
  size_t position = 0;
  return run(pairing, from(steps, position));
}

std::vector<Step> shrink(std::vector<Step> failing, const StillFails& still_fails,
                         std::chrono::seconds budget) {
  const auto deadline = steady_clock::now() + budget;
  std::vector<Step> best = std::move(failing);
  for (size_t chunk = std::max<size_t>(best.size() / 2, 1); steady_clock::now() < deadline;) {
    bool shorter = false;
    // From the front: what happened long ago matters least.
    for (size_t at = 0; at < best.size() && steady_clock::now() < deadline;) {
      std::vector<Step> candidate = best;
      const auto first = candidate.begin() + static_cast<std::ptrdiff_t>(at);
      candidate.erase(first,
                      first + static_cast<std::ptrdiff_t>(std::min(chunk, best.size() - at)));
      if (auto smaller = still_fails(candidate)) {
        best = *std::move(smaller);
        shorter = true;
      } else {
        at += chunk;
      }
    }
    if (chunk == 1 && !shorter) break;
    chunk = std::max<size_t>(chunk / 2, 1);
  }
  return best;
}

std::vector<Step> shrink(const Pairing& pairing, const RunResult& failed,
                         std::chrono::seconds budget) {
  const std::string signature = failed.difference->signature();
  const StillFails still_fails =
      [&](const std::vector<Step>& steps) -> std::optional<std::vector<Step>> {
    RunResult again = run_steps(pairing, steps);
    if (!again.difference || again.difference->signature() != signature) return std::nullopt;
    return std::move(again.steps);
  };
  return shrink(failed.steps, still_fails, budget);
}

std::string transcript(const Pairing& pairing, const std::vector<Step>& steps) {
  Lockstep pair(pairing.reference, pairing.subject);
  std::string text;
  const size_t shown_from = steps.size() - std::min(steps.size(), kLongestTranscript);
  for (size_t i = 0; i < steps.size(); ++i) {
    if (i == shown_from) text.clear();
    const auto difference = pair.run(steps[i]);
    const std::string number = std::to_string(i + 1) + ". ";
    if (!difference) {
      text += number + describe(steps[i]) + " -> " + reply_text(pair.last()) + "\n";
      continue;
    }
    text += number + difference->text() + "\n";
    const Intended* entry = pairing.allow_intended ? explain(*difference) : nullptr;
    if (entry == nullptr) break;
    text += "    intended: " + std::string(entry->item) + "\n";
    if (entry->repair != nullptr) entry->repair(pair, *difference);
  }
  return text;
}

}  // namespace vxs::differential
