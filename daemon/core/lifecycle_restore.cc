// From values to living domains and back: recovery, checkpoints, rollback.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "daemon/core/lifecycle.hh"
#include "daemon/core/server.hh"

namespace vxs::daemon {

using store::SystemState;

namespace {

/// A stream that began anew cannot be taken back: the newest beginning of each stays, and is to be
/// recorded (again).
void keep_resets(Server& server, const std::deque<StateTrail::Kept>& lost,
                 std::set<ConnectionId>& owed) {
  std::map<ConnectionId, bool> frozen;
  for (const auto& one : lost) {
    const auto* reset = std::get_if<store::ConnectionReset>(&one.change());
    if (reset == nullptr) continue;
    // A RESET_WATCHES is a request like others: it is about to be refused.
    const Connection* connection = server.find_connection(reset->connection);
    if (connection != nullptr && connection->pending &&
        connection->pending->required == one.seq() &&
        connection->pending->header.type ==
            static_cast<std::uint32_t>(protocol::MessageType::kResetWatches)) {
      continue;
    }
    frozen[reset->connection] = reset->frozen;
  }
  // Those that the journal never took are newer than what it lost.
  for (const ConnectionId id : owed) {
    const Connection* connection = server.find_connection(id);
    if (connection != nullptr && connection->owed_reset) frozen[id] = *connection->owed_reset;
  }
  for (const auto& [id, is_frozen] : frozen) {
    Connection* connection = server.find_connection(id);
    if (connection == nullptr) continue;
    server.watches().remove_all(*connection);
    connection->next_watch = 0;
    connection->frozen = is_frozen;
    connection->owed_reset = is_frozen;
    owed.insert(id);
  }
}

}  // namespace

// --- out ---------------------------------------------------------------------

SystemState Lifecycle::capture() const {
  SystemCapture whole(server_.connections());
  begin_capture(whole);
  while (!whole.gather(std::numeric_limits<std::size_t>::max())) continue;
  return whole.take();
}

std::uint64_t Lifecycle::state_hash() const {
  SystemCapture whole(server_.connections());
  begin_capture(whole);
  return whole.hash();
}

void Lifecycle::begin_capture(SystemCapture& capture) const {
  SystemState state;
  for (const auto& [domid, domain] : domains_.all()) {
    auto& out = state.domains[domid];
    out.incarnation = domain.incarnation;
    out.handle = domain.handle;
    out.unique_id = domain.unique_id;
    out.introduced = domain.introduced;
    out.connection = domain.connection_id;
    out.gfn = domain.gfn;
    out.remote_port = domain.remote_port;
    out.shutdown_seen = domain.shutdown_seen;
    out.target = domain.target;
    out.features = domain.own_features;
    for (const auto& quota : config::quota_infos()) {
      if (domain.own_quotas[static_cast<std::size_t>(quota.quota)]) {
        out.quotas.emplace(quota.name, domain.quotas[quota.quota]);
      }
    }
  }
  std::set<ConnectionId> waiting;
  for (const auto& [domid, session] : unattached_) {
    state.connections.insert(session.connections.begin(), session.connections.end());
    if (const Domain* domain = domains_.find(domid)) waiting.insert(domain->connection_id);
  }
  for (const auto& quota : config::quota_infos()) {
    if (domains_.set_globals()[static_cast<std::size_t>(quota.quota)]) {
      state.global_quotas.emplace(quota.name, domains_.globals()[quota.quota]);
    }
  }
  capture.begin(std::move(state), std::move(waiting), server_.next_connection_id());
}

// --- in ----------------------------------------------------------------------

void Lifecycle::take_globals(const SystemState& state) {
  domains_.reset_globals();
  for (const auto& [name, value] : state.global_quotas) {
    if (const auto quota = config::quota_from_name(name)) domains_.set_global(*quota, value);
  }
}

void Lifecycle::take_settings(Domain& domain, const SystemState::DomainState& state) {
  domain.shutdown_seen = state.shutdown_seen;
  domains_.set_target(domain, state.target);
  domain.own_features = state.features;
  for (const auto& quota : config::quota_infos()) {
    const auto index = static_cast<std::size_t>(quota.quota);
    const auto own = state.quotas.find(std::string(quota.name));
    domain.own_quotas[index] = own != state.quotas.end();
    domain.quotas[quota.quota] =
        own != state.quotas.end() ? own->second : domains_.configured()[quota.quota];
  }
}

Domain& Lifecycle::revive(DomId domid, const SystemState::DomainState& state) {
  Domain& domain = domains_.add(domid);
  domain.incarnation = state.incarnation;
  domain.handle = state.handle;
  domain.unique_id = state.unique_id;
  domain.introduced = state.introduced;
  domain.connection_id = state.connection;
  domain.gfn = state.gfn;
  domain.remote_port = state.remote_port;
  take_settings(domain, state);
  return domain;
}

void Lifecycle::take_watches(Connection& connection, const SystemState& state) {
  server_.watches().remove_all(connection);
  connection.next_watch = 0;
  connection.frozen = false;
  const auto found = state.connections.find(connection.id());
  if (found == state.connections.end()) return;
  const std::string base = fmt::format("/local/domain/{}/", connection.caller().domid);
  if (!server_.watches().take(connection, found->second, base.size())) {
    for (const auto& [key, kept] : found->second.watches) {
      Watch watch;
      watch.path = key.first;
      watch.token = key.second;
      watch.depth = kept.depth;
      if (kept.relative) watch.hidden_prefix = base.size();
      connection.next_watch = kept.number;
      (void)server_.watches().add(connection, std::move(watch));
    }
  }
  connection.next_watch = found->second.next_watch;
  connection.frozen = found->second.frozen;
}

void Lifecycle::recover(const SystemState& state, std::span<const DomainInfo> now,
                        const AttachOwn& attach_own) {
  take_globals(state);
  if (!with_xen()) {
    recover_without_xen(state);
    return;
  }
  nodes_.begin(server_.head().tree());
  if (!domains_.sockets_privileged()) {
    recover_served(
        domains_.control_domid(), state, [&] { return attach_control(state); },
        "nobody may introduce a guest or change a quota; --event says its port");
  }
  recover_served(domains_.store_domid(), state, attach_own,
                 "this daemon runs there, and its kernel has no access to the store");

  std::vector<DomId> gone;
  for (const auto& [domid, kept] : state.domains) {
    if (domains_.served_always(domid)) continue;
    Domain& domain = revive(domid, kept);
    const auto info =
        std::lower_bound(now.begin(), now.end(), domid,
                         [](const DomainInfo& one, DomId id) { return one.domid < id; });
    bool lives = info != now.end() && info->domid == domid && !info->dying &&
                 same_life(domain, *info) && (kept.incarnation != 0 || domains_.permanent(domid));
    if (lives && kept.introduced) lives = serve_again(domain, state);
    if (!lives) gone.push_back(domid);
  }
  for (const DomId domid : domains_.ids()) apply_target(*domains_.find(domid));
  for (const DomId domid : gone) {
    server_.observer().info(
        fmt::format("domain {} is not what it was before the restart: cleaning up", domid));
    dead_.insert(domid);
  }
}

void Lifecycle::bury_the_dead() {
  if (!with_xen()) return;
  for (const DomId domid : std::vector<DomId>(dead_.begin(), dead_.end())) {
    die(*domains_.find(domid));
  }
  // Nodes whose owner nobody remembers: the journal was lost, and the tree came from the history.
  std::set<DomId> strangers;
  for (const auto& [owner, account] : server_.accounts().all()) {
    const bool guest = owner.domid < kDomIdFirstReserved && !domains_.permanent(owner.domid);
    if (!guest || domains_.find(owner.domid) != nullptr) continue;
    if (account->level(config::Quota::kNodes).now != 0) strangers.insert(owner.domid);
  }
  for (const DomId domid : strangers) (void)clean_nodes(domid, "is not known any more");
}

const NodeIndex& Lifecycle::nodes() {
  nodes_.finish(server_.head().tree());
  return nodes_;
}

bool Lifecycle::build_index() {
  // A few milliseconds, and a minute at most in all.
  constexpr std::size_t kNodes = 4096;
  constexpr std::size_t kTurns = 64;
  const store::Tree& head = server_.head().tree();
  return nodes_.complete() || nodes_.build(head, std::max(kNodes, head.node_count() / kTurns));
}

// Design §6: where lives have no number, a port that can be bound again is the other half of the
// proof. Only Xen's no disproves it: want of memory or descriptors is nobody's death.
bool Lifecycle::serve_again(Domain& domain, const SystemState& state) {
  const DomId domid = domain.domid;
  if (domain.remote_port != 0) {
    const auto bound = rings_.attach(domid, domain.remote_port, false);
    if (bound) {
      connect(domain, domain.connection_id, Rings::Begin::kResumed, &state);
      return true;
    }
    if (bound.error().no_such_port && domain.unique_id == 0) return false;
  }
  server_.observer().error(
      fmt::format("domain {} cannot use the store: its ring could not be attached again; this is "
                  "tried again every second, and `xl` may introduce it anew",
                  domid));
  SystemState& waiting = unattached_[domid] = {};
  const auto session = state.connections.find(domain.connection_id);
  if (session != state.connections.end()) waiting.connections.insert(*session);
  server_.note_connection_id(domain.connection_id);
  return true;
}

bool Lifecycle::waits(ConnectionId connection) const {
  return std::any_of(unattached_.begin(), unattached_.end(), [connection](const auto& one) {
    return one.second.connections.contains(connection);
  });
}

void Lifecycle::attach_waiting() {
  constexpr std::int64_t kAgainUs = 1'000'000;
  const std::int64_t now = server_.clock().monotonic_us();
  if (unattached_.empty() || now < attach_due_us_) return;
  attach_due_us_ = now + kAgainUs;
  std::vector<DomId> waiting;
  for (const auto& [domid, session] : unattached_) waiting.push_back(domid);
  for (const DomId domid : waiting) {
    Domain* domain = domains_.find(domid);
    if (domain == nullptr || domain->remote_port == 0) continue;
    const auto bound = rings_.attach(domid, domain->remote_port, false);
    if (!bound) {
      if (bound.error().no_such_port && domain->unique_id == 0) die(*domain);
      continue;
    }
    const SystemState session = std::move(unattached_.extract(domid).mapped());
    connect(*domain, domain->connection_id, Rings::Begin::kResumed, &session);
    apply_target(*domain);
    // Events say "look again": nobody knows what it missed.
    std::vector<Watch*> watches;
    for (auto& [key, watch] : domain->connection->watches) watches.push_back(&watch);
    std::sort(watches.begin(), watches.end(),
              [](const Watch* a, const Watch* b) { return a->number < b->number; });
    for (Watch* watch : watches) {
      server_.send_event(*watch, Watches::visible_path(*watch, watch->path),
                         server_.journal().last_seq());
    }
  }
}

/// What it was bound to last, else what INTRODUCE would bind.
HypervisorResult<Port> Lifecycle::attach_control(const SystemState& state) {
  const DomId control = domains_.control_domid();
  const auto kept = state.domains.find(control);
  if (kept != state.domains.end() && kept->second.introduced) {
    if (const auto port = rings_.attach(control, kept->second.remote_port, false)) return *port;
  }
  const auto port = rings_.attach(control, options_.control_port, true);
  if (!port) return tl::unexpected(port.error().code);
  return *port;
}

void Lifecycle::recover_served(DomId domid, const SystemState& state, const AttachOwn& attach,
                               std::string_view cannot) {
  const auto kept = state.domains.find(domid);
  const bool was_introduced = kept != state.domains.end() && kept->second.introduced;
  if (kept != state.domains.end()) {
    (void)revive(domid, kept->second);
  } else {
    DomainInfo info;
    info.domid = domid;
    if (!make(info)) (void)domains_.add(domid);  // the record comes with the introduction's
  }
  Domain& domain = *domains_.find(domid);
  if (!attach) return;
  const auto port = attach();
  if (!port) {
    server_.observer().error(fmt::format("the ring of domain {} cannot be served ({}): {}", domid,
                                         std::strerror(port.error()), cannot));
    return;
  }
  const ConnectionId id = was_introduced ? domain.connection_id : server_.new_connection_id();
  const bool changed = !was_introduced || domain.remote_port != *port;
  domain.introduced = true;
  domain.remote_port = *port;
  connect(domain, id, Rings::Begin::kResumed, was_introduced ? &state : nullptr);
  if (!changed) return;
  owed_introductions_.insert(domid);
  settle_all();
}

void Lifecycle::recover_without_xen(const SystemState& state) {
  for (const auto& [domid, kept] : state.domains) {
    if (kept.incarnation == 0 && !kept.introduced) {
      (void)revive(domid, kept);
    } else {
      (void)record(store::DomainGone{.domid = domid});  // of a time with Xen
    }
  }
}

// --- back --------------------------------------------------------------------

void Lifecycle::roll_back(const SystemState& safe, const std::deque<StateTrail::Kept>& lost) {
  if (with_xen()) nodes_.rebuild(server_.head().tree());
  if (lost.empty()) return;
  scan_due_ = true;
  for (const DomId domid : domains_.ids()) {
    Domain& domain = *domains_.find(domid);
    const auto kept = safe.domains.find(domid);
    // A life, and the session it has: one that was released and introduced again has another.
    const bool same = kept != safe.domains.end() &&
                      kept->second.incarnation == domain.incarnation &&
                      kept->second.introduced == domain.introduced &&
                      kept->second.connection == domain.connection_id;
    if (same) continue;
    if (domains_.served_always(domid)) {
      if (domain.introduced) owed_introductions_.insert(domid);
    } else {
      forget(domain);  // what it was is made anew below
    }
  }
  take_globals(safe);
  // False if Xen says that the domain is dead, or that another life has its domid.
  const auto may_live = [this](const Domain& domain) {
    if (!with_xen() || domains_.permanent(domain.domid)) return true;
    const auto info = hypervisor_->domain(domain.domid);
    if (!info) return true;  // the scan asks until it is answered
    return *info && !(*info)->dying && same_life(domain, **info);
  };
  for (const auto& [domid, kept] : safe.domains) {
    Domain* domain = domains_.find(domid);
    if (domain == nullptr) {
      // Its end is what was lost. A released ring is served again; a dead one ends once more.
      domain = &revive(domid, kept);
      if (kept.introduced && !(may_live(*domain) && serve_again(*domain, safe))) {
        dead_.insert(domid);
      }
      continue;
    }
    take_settings(*domain, kept);
    if (domain->connection != nullptr) take_watches(*domain->connection, safe);
    // What the ring is bound to stays so, whoever was told otherwise.
    if (domain->introduced && domain->remote_port != kept.remote_port) {
      owed_introductions_.insert(domid);
    }
  }
  for (const DomId domid : domains_.ids()) apply_target(*domains_.find(domid));
  for (const auto& [id, connection] : server_.connections()) {
    if (connection->peer().kept && !connection->peer().ring) take_watches(*connection, safe);
  }
  keep_resets(server_, lost, owed_resets_);
}

}  // namespace vxs::daemon
