// Life and death of domains: who is known, introduced, shut down, gone (conformance B14..B20,
// F1..F14). What the handlers, the event channel of Xen and a restart do to Domains, rings and tree
// goes through here; each change is recorded before it takes effect.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <vector>

#include "daemon/core/domains.hh"
#include "daemon/core/node_index.hh"
#include "daemon/core/rings.hh"
#include "daemon/core/state_trail.hh"
#include "daemon/core/system_capture.hh"
#include "daemon/hypervisor/hypervisor.hh"
#include "protocol/error.hh"
#include "store/state_change.hh"
#include "store/system_state.hh"

#include <tl/expected.hpp>

namespace vxs::daemon {

class Server;

struct LifecycleOptions {
  /// -K: nodes of a dead domain go to the control domain instead of being removed.
  bool keep_orphans = false;
  /// Where the control domain is not the store domain: the port of its ring, unless the ring's page
  /// says it (A23). 0: not known.
  Port control_port = 0;
};

/// One thread. Errors of requests are the wire's; kNospc and kIo say that the journal could not
/// take a record, and then what the record says did not happen.
class Lifecycle {
 public:
  template <class T>
  using Result = tl::expected<T, protocol::Error>;

  /// Without Xen `hypervisor` is nullptr: every ordinary domid is then known, with incarnation 0
  /// (design §8). All references outlive this object.
  Lifecycle(Server& server, Domains& domains, Hypervisor* hypervisor, Rings& rings,
            LifecycleOptions options);

  [[nodiscard]] bool with_xen() const noexcept { return hypervisor_ != nullptr; }
  /// Complete.
  [[nodiscard]] const NodeIndex& nodes();
  /// Some of what a restart left undone: call it now and then, until it says true.
  bool build_index();

  // --- requests ----------------------------------------------------------------
  /// Whether Xen is asked if a known domain still is the one it was.
  enum class Check : std::uint8_t { kNo, kYes };
  /// The domain, made and recorded if Xen knows it and we do not (F1). Errors: kNoent if it does
  /// not exist.
  [[nodiscard]] Result<Domain*> know(DomId domid, Check check);
  /// The incarnation a permission entry set now is about (B8.4); kNoent: there is no such domain.
  [[nodiscard]] Result<Incarnation> life_of(DomId domid, Check check);
  /// B14, F2, F3, F5. Errors: kInval when there is no such domain, page or port.
  [[nodiscard]] Result<void> introduce(DomId domid, std::uint64_t gfn, Port remote_port);
  /// B15, F6. REQUIRES: introduced and not permanent.
  [[nodiscard]] Result<void> release(DomId domid);
  /// B15, F13. REQUIRES: introduced.
  [[nodiscard]] Result<void> resume(DomId domid);
  /// B16, F11. Errors: kNoent if one is not introduced; kInval if one is permanent or without ring.
  [[nodiscard]] Result<void> set_target(DomId domid, DomId target);
  /// B20, without the checks of the request.
  [[nodiscard]] Result<void> set_features(Domain& domain, std::uint32_t features);
  /// B22; nullptr: the global value.
  [[nodiscard]] Result<void> set_quota(Domain* domain, config::Quota quota, std::uint32_t value);
  /// Records of a kept connection's watches; others end with the process and have none.
  [[nodiscard]] Result<void> watch_added(Connection& connection, const store::WatchAdded& watch);
  [[nodiscard]] Result<void> watch_removed(Connection& connection, std::string_view path,
                                           std::string_view token);
  [[nodiscard]] Result<void> watches_reset(Connection& connection);

  // --- rings and Xen -----------------------------------------------------------
  /// A ring was frozen or begun anew, whatever the journal says: what it cannot take now is
  /// recorded later, and before anything else of this connection.
  void session_ended(Connection& connection);
  /// What Xen said of all domains, by ascending domid (F7..F10).
  void scan(std::span<const DomainInfo> now);
  /// The same after asking Xen; an answer that does not come is asked for again.
  void scan_now();
  /// Tries again what the journal or Xen refused. Cheap when nothing waits.
  void retry();

  // --- restarts ----------------------------------------------------------------
  /// Attaches the store domain's own ring; an errno where it has none.
  using AttachOwn = std::function<HypervisorResult<Port>()>;
  /// At start, once: serves the store domain's own ring and, in a split store, the control
  /// domain's, whom nobody could introduce; then the rings of `state` whose domains are still what
  /// they were, with the watches they had (design §6). Without Xen: quotas and features only.
  void recover(const store::SystemState& state, std::span<const DomainInfo> now,
               const AttachOwn& attach_own);
  /// Once all connections of before are there, to hear of it, and before the first request: cleans
  /// up after the domains that recover() found gone, and removes the nodes of those that nobody
  /// knows any more.
  void bury_the_dead();
  /// Gives the connection the watches it has in `state`, in place of those it has.
  void take_watches(Connection& connection, const store::SystemState& state);
  /// Its ring could not be attached since the restart, and is still to be: its session waits.
  [[nodiscard]] bool waits(ConnectionId connection) const;
  /// The state at the newest record.
  [[nodiscard]] store::SystemState capture() const;
  /// store::state_hash() of it, without a copy.
  [[nodiscard]] std::uint64_t state_hash() const;
  /// capture(), begun: sessions are copied by `capture` later, as they are now.
  void begin_capture(SystemCapture& capture) const;

  // --- the Server's side -------------------------------------------------------
  /// The head got a commit.
  void committed(std::span<const store::Change> changes) {
    if (with_xen()) nodes_.apply(changes);
  }
  /// Back to `safe`: `lost` was appended after it and is gone. The head is back already.
  void roll_back(const store::SystemState& safe, const std::deque<StateTrail::Kept>& lost);

 private:
  /// Appends a record, with which the request being handled, if there is one, is carried out.
  [[nodiscard]] Result<void> record(const store::StateChange& change);
  /// Appends one after which the request still has to be done.
  [[nodiscard]] Result<void> record_step(const store::StateChange& change);
  [[nodiscard]] Result<Domain*> make(const DomainInfo& info);
  [[nodiscard]] static bool same_life(const Domain& domain, const DomainInfo& info) noexcept;
  [[nodiscard]] Result<void> introduce_again(Domain& domain, std::uint64_t gfn, Port remote_port);
  /// Gives an introduced domain its connection and has the ring served.
  /// With the watches of `state`, if there is one.
  void connect(Domain& domain, ConnectionId id, Rings::Begin begin,
               const store::SystemState* state = nullptr);
  void disconnect(Domain& domain);
  /// Serves the ring of an introduced domain again as `state` says, or as soon as it can be
  /// attached. False: its port proves that another life has the domid (design §6).
  [[nodiscard]] bool serve_again(Domain& domain, const store::SystemState& state);
  /// Attaches what could not be attached before.
  void attach_waiting();
  [[nodiscard]] Result<void> introduce_waiting(Domain& domain, std::uint64_t gfn, Port remote_port);
  /// What a connection may do as the stub domain of its target.
  void apply_target(Domain& domain);
  /// Records of a connection that are owed come before its next one.
  [[nodiscard]] Result<void> settle(Connection& connection);
  void reset_recorded(Connection& connection);
  /// REQUIRES: connection.owed_reset.
  [[nodiscard]] static store::ConnectionReset reset_of(const Connection& connection);
  void settle_all();

  /// The end of a life: nodes, permissions, targets, ring, record, event (F9). If the journal
  /// refuses, what is not done stays to be done.
  [[nodiscard]] Result<void> destroy(Domain& domain, std::string_view how,
                                     bool completes_request = false);
  /// The same for one that is dead whatever the journal says.
  void die(Domain& domain);
  /// Removes the nodes of `domid` and takes it out of all lists.
  [[nodiscard]] Result<void> clean_nodes(DomId domid, std::string_view how);
  void forget(Domain& domain);
  void fire(std::string_view name, std::optional<DomId> domid);

  void take_settings(Domain& domain, const store::SystemState::DomainState& state);
  void take_globals(const store::SystemState& state);
  [[nodiscard]] Domain& revive(DomId domid, const store::SystemState::DomainState& state);
  /// A domain that is served always: its ring goes on where it was. `cannot` says what it means if
  /// it has none.
  void recover_served(DomId domid, const store::SystemState& state, const AttachOwn& attach,
                      std::string_view cannot);
  [[nodiscard]] HypervisorResult<Port> attach_control(const store::SystemState& state);
  void recover_without_xen(const store::SystemState& state);

  Server& server_;
  Domains& domains_;
  Hypervisor* hypervisor_;
  Rings& rings_;
  LifecycleOptions options_;
  NodeIndex nodes_;
  std::set<DomId> dead_;  ///< to be destroyed as soon as the journal can take it
  std::set<ConnectionId> owed_resets_;
  std::set<DomId> owed_introductions_;  ///< what they are bound to is to be recorded
  /// Introduced and alive, but their rings could not be attached at the restart; with the sessions
  /// that they had.
  std::map<DomId, store::SystemState> unattached_;
  std::int64_t attach_due_us_ = 0;
  bool scan_due_ = false;  ///< what Xen said last was not all carried out
};

}  // namespace vxs::daemon
