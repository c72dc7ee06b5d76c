// Which rings began anew by the newest records of an earlier process: it may have been killed
// between such a record and the ring's page (design §6).
#pragma once

#include <map>

#include "protocol/ids.hh"
#include "store/journal/journal.hh"

namespace vxs::daemon {

/// A plain value.
class RingBeginnings {
 public:
  /// For store::ReplayHook. A ring begins with its introduction (F2), and anew when it connects
  /// again (A20) or is introduced again (F3).
  void add(const store::ReplayedRecord& replayed);
  /// The newest record by which the ring of this connection began, once; 0: none.
  [[nodiscard]] Seq take(ConnectionId connection);

 private:
  std::map<ConnectionId, Seq> newest_;
};

}  // namespace vxs::daemon
