// What the newest records of an earlier process told watches: fired once more, because it may have
// died before all of it was in its clients' outboxes (design §6).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/ids.hh"
#include "store/journal/journal.hh"
#include "store/tree.hh"
#include "transactions/fired.hh"

namespace vxs::daemon {

/// Pins the trees around each record that told something, until it is destroyed.
class ReplayedEvents {
 public:
  struct Path {
    std::string path;
    transactions::Fired fired;  ///< but for its path
  };
  struct Event {
    Seq seq = 0;
    store::Tree before;
    store::Tree after;
    std::vector<Path> paths;       ///< of a commit
    std::string_view special{};    ///< "@introduceDomain" or "@releaseDomain"
    std::optional<DomId> domid{};  ///< whose
  };

  /// `control_domid`: whose introduction is not told (F2).
  explicit ReplayedEvents(DomId control_domid) : control_domid_(control_domid) {}
  /// For store::ReplayHook.
  void add(const store::ReplayedRecord& replayed);
  [[nodiscard]] const std::vector<Event>& events() const noexcept { return events_; }

 private:
  DomId control_domid_;
  std::vector<Event> events_;
};

}  // namespace vxs::daemon
