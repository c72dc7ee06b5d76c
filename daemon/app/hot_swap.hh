// Handing everything over to a program that is no vxenstored: the C xenstored (conformance
// H5..H12).
#pragma once

#include <optional>
#include <string>

#include "daemon/core/live_update.hh"
#include "daemon/process/descriptor.hh"

namespace vxs::daemon {

/// What LiveUpdater (live_updater.hh) calls when the file of `live-update -s` has no note of ours.
/// One thread, the loop's. The requester's `-s` is parked meanwhile: LiveUpdate::finish() answers
/// it if this process goes on, and the stream carries the reply (LiveUpdate::parked() has its
/// header) if it does not.
class HotSwap {
 public:
  virtual ~HotSwap() = default;
  /// `binary` is order.file, open for reading, close-on-exec. A text: refused, nothing changed.
  /// Nothing: it is under way; pass() goes on with it.
  [[nodiscard]] virtual std::optional<std::string> begin(const UpdateOrder& order,
                                                         process::Descriptor binary) = 0;
  /// To be given up: `-a`, or the requester is gone. Not under way any more; no finish().
  virtual void cancel() = 0;
  /// At the end of each pass of the loop while it is under way: all outboxes were flushed. True:
  /// still under way. False: it failed and finish() was called; success does not return.
  [[nodiscard]] virtual bool pass() = 0;
};

}  // namespace vxs::daemon
