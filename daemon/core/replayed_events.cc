#include "daemon/core/replayed_events.hh"

#include <utility>
#include <variant>

namespace vxs::daemon {

void ReplayedEvents::add(const store::ReplayedRecord& replayed) {
  Event event{.seq = 0, .before = replayed.before, .after = replayed.after, .paths = {}};
  if (const auto* commit = std::get_if<store::CommitRecord>(&replayed.record)) {
    event.seq = commit->seq;
    std::vector<transactions::Fired> fired;
    transactions::fired_by_record(replayed.before, *commit, fired);
    for (const auto& one : fired) event.paths.push_back({std::string(one.path), one});
  } else if (const auto* record = std::get_if<store::StateRecord>(&replayed.record)) {
    event.seq = record->seq;
    if (const auto* made = std::get_if<store::DomainIntroduced>(&record->change)) {
      if (replayed.was_introduced || made->domid == control_domid_) return;
      event.special = "@introduceDomain";
      event.domid = made->domid;
    } else if (const auto* gone = std::get_if<store::DomainGone>(&record->change)) {
      if (!replayed.was_introduced) return;
      event.special = "@releaseDomain";
      event.domid = gone->domid;
    } else if (const auto* down = std::get_if<store::DomainShutdown>(&record->change)) {
      if (!down->seen) return;
      event.special = "@releaseDomain";
      event.domid = down->domid;
    }
  }
  if (event.paths.empty() && event.special.empty()) return;
  events_.push_back(std::move(event));
}

}  // namespace vxs::daemon
