// What the dispatcher asks of the rings' transport (daemon/rings/), so that INTRODUCE, RELEASE and
// death reach it. SocketServer has no such interface, because no request opens a socket.
//
// One thread. A ring belongs to a domid; the Connection on top of it is the Server's.
#pragma once

#include <cerrno>
#include <cstdint>

#include "daemon/hypervisor/hypervisor.hh"
#include "protocol/ids.hh"

#include <tl/expected.hpp>

namespace vxs::daemon {

class Connection;

/// The page's `error` field (A17).
enum class RingError : std::uint32_t { kNone = 0, kCommunication = 1, kIndex = 2, kProtocol = 3 };

/// Why a ring could not be attached.
struct AttachError {
  int code = 0;  ///< errno
  /// Xen says that no port of the domain waits for us there: who had it may be another life. All
  /// else (no memory, no descriptor, a page that cannot be mapped) says nothing of who it is.
  bool no_such_port = false;
};

class Rings {
 public:
  virtual ~Rings() = default;

  /// Maps grant 1 and binds the remote port (or the page's own evtchn_port where it is not zero and
  /// `honour_page_port`, A23). Touches neither indices nor features; nothing is served yet. Returns
  /// the remote port bound. If the page cannot be mapped or the port not bound nothing is kept.
  [[nodiscard]] virtual tl::expected<Port, AttachError> attach(DomId domid, Port remote_port,
                                                               bool honour_page_port) = 0;

  enum class Begin : std::uint8_t {
    kFresh,    ///< first INTRODUCE: zero the indices, publish features, answer connection==1 (F2)
    kResumed,  ///< after a restart of the daemon: goes on where it was, as its slot of the wire
               ///< area says, or where it has none the page; features are only added (A19); unmask,
               ///< notify, look for requests. Begins anew if it was about to
  };
  /// Serves requests of an attached ring to `connection` from now on; it must outlive detach().
  virtual void serve(DomId domid, Connection& connection, Begin begin) = 0;

  /// Re-INTRODUCE (F3): binds the new port (a failure is tolerated and logged: false), drops
  /// partial input and what was half written, zeroes the indices, clears `error`, revives a frozen
  /// ring. Called after the Server dropped the connection's watches, transactions and output.
  [[nodiscard]] virtual bool reintroduce(DomId domid, Port remote_port) = 0;

  /// Stops serving, unbinds, unmaps. Harmless for a domid without a ring.
  virtual void detach(DomId domid) = 0;

  /// The ring began anew before the journal could take the record of that, which is `seq` now.
  virtual void beginning_recorded(DomId, Seq) {}

  /// Input is not read while paused (quotas, G5, G6; credits, E12). Output goes on.
  virtual void pause(DomId domid, bool paused) = 0;
};

/// For a daemon without Xen (design §8): nothing can be attached.
class NoRings final : public Rings {
 public:
  tl::expected<Port, AttachError> attach(DomId, Port, bool) override {
    return tl::unexpected(AttachError{.code = ENOSYS});
  }
  void serve(DomId, Connection&, Begin) override {}
  bool reintroduce(DomId, Port) override { return false; }
  void detach(DomId) override {}
  void pause(DomId, bool) override {}
};

}  // namespace vxs::daemon
