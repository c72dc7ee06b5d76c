// What the dispatcher asks of the rings' transport (daemon/rings/), so that INTRODUCE, RELEASE and
// death reach it. SocketServer has no such interface, because no request opens a socket.
//
// One thread. A ring belongs to a domid; the Connection on top of it is the Server's.
#pragma once

#include <cstdint>

#include "daemon/hypervisor/hypervisor.hh"
#include "protocol/error.hh"

#include <tl/expected.hpp>

namespace vxs::daemon {

class Connection;

/// The page's `error` field (A17).
enum class RingError : std::uint32_t { kNone = 0, kCommunication = 1, kIndex = 2, kProtocol = 3 };

class Rings {
 public:
  virtual ~Rings() = default;

  /// Maps grant 1 and binds the remote port (or the page's own evtchn_port where it is not zero and
  /// `honour_page_port`, A23). Touches neither indices nor features; nothing is served yet. Returns
  /// the remote port bound. Errors: kInval if the page cannot be mapped or the port not bound;
  /// nothing is kept then.
  [[nodiscard]] virtual tl::expected<Port, protocol::Error> attach(DomId domid, Port remote_port,
                                                                   bool honour_page_port) = 0;

  enum class Begin : std::uint8_t {
    kFresh,    ///< first INTRODUCE: zero the indices, publish features, answer connection==1 (F2)
    kResumed,  ///< after a restart of the daemon: indices stay as the page has them, features are
               ///< only added (A19); unmask, notify, look for requests
  };
  /// Serves requests of an attached ring to `connection` from now on; it must outlive detach().
  virtual void serve(DomId domid, Connection& connection, Begin begin) = 0;

  /// Re-INTRODUCE (F3): binds the new port (a failure is tolerated and logged), drops partial input
  /// and what was half written, zeroes the indices, clears `error`, revives a frozen ring. Called
  /// after the Server dropped the connection's watches, transactions and output.
  virtual void reintroduce(DomId domid, Port remote_port) = 0;

  /// Stops serving, unbinds, unmaps. Harmless for a domid without a ring.
  virtual void detach(DomId domid) = 0;

  /// Input is not read while paused (quotas, G5, G6; credits, E12). Output goes on.
  virtual void pause(DomId domid, bool paused) = 0;
};

/// For a daemon without Xen (design §8): every attach() is kInval.
class NoRings final : public Rings {
 public:
  tl::expected<Port, protocol::Error> attach(DomId, Port, bool) override {
    return tl::unexpected(protocol::Error::kInval);
  }
  void serve(DomId, Connection&, Begin) override {}
  void reintroduce(DomId, Port) override {}
  void detach(DomId) override {}
  void pause(DomId, bool) override {}
};

}  // namespace vxs::daemon
