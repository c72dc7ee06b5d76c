#include "daemon/core/lifecycle.hh"

#include <fmt/format.h>

#include <cstring>

#include "daemon/core/server.hh"

namespace vxs::daemon {

using protocol::Error;

Lifecycle::Lifecycle(Server& server, Domains& domains, Hypervisor* hypervisor, Rings& rings,
                     LifecycleOptions options)
    : server_(server),
      domains_(domains),
      hypervisor_(hypervisor),
      rings_(rings),
      options_(options),
      nodes_(domains) {}

Lifecycle::Result<void> Lifecycle::record(const store::StateChange& change) {
  return server_.record_state(change, Server::Completes::kRequest);
}

Lifecycle::Result<void> Lifecycle::record_step(const store::StateChange& change) {
  return server_.record_state(change, Server::Completes::kStep);
}

// --- who is known ------------------------------------------------------------

bool Lifecycle::same_life(const Domain& domain, const DomainInfo& info) noexcept {
  if (domain.unique_id != info.unique_id) return false;
  return domain.unique_id != 0 || domain.handle == info.handle;
}

Lifecycle::Result<Domain*> Lifecycle::know(DomId domid, Check check) {
  if (domid >= kDomIdFirstReserved) return tl::unexpected(Error::kNoent);
  Domain* domain = domains_.find(domid);
  const bool ask = hypervisor_ != nullptr && !domains_.permanent(domid);
  if (domain != nullptr && (!ask || check == Check::kNo)) return domain;
  DomainInfo info;
  info.domid = domid;
  if (ask) {
    const auto answer = hypervisor_->domain(domid);
    if (!answer) {
      server_.observer().warn(fmt::format("Xen cannot say whether there is a domain {} ({})", domid,
                                          std::strerror(answer.error())));
      return tl::unexpected(Error::kNoent);
    }
    if (!*answer || (*answer)->dying) return tl::unexpected(Error::kNoent);
    info = **answer;
  }
  if (domain != nullptr) {
    if (same_life(*domain, info) && !dead_.contains(domid)) return domain;
    // F8: another life has this domid. The old one goes first, or the new one would inherit.
    rings_.detach(domid);
    if (const auto gone = destroy(*domain, "died"); !gone) {
      dead_.insert(domid);
      return tl::unexpected(gone.error());
    }
  }
  return make(info);
}

Lifecycle::Result<Domain*> Lifecycle::make(const DomainInfo& info) {
  store::DomainKnown known{
      .domid = info.domid, .incarnation = 0, .handle = info.handle, .unique_id = info.unique_id};
  if (with_xen() && !domains_.permanent(info.domid)) {
    // Where Xen numbers no lives the record's number does: it is given once.
    known.incarnation = info.unique_id != 0 ? info.unique_id : server_.journal().last_seq() + 1;
  }
  if (const auto kept = record_step(known); !kept) return tl::unexpected(kept.error());
  Domain& domain = domains_.add(info.domid);
  domain.incarnation = known.incarnation;
  domain.handle = known.handle;
  domain.unique_id = known.unique_id;
  for (const auto& quota : config::quota_infos()) {
    if (!domains_.set_globals()[static_cast<std::size_t>(quota.quota)]) continue;
    // What was configured may differ after a restart; what was set at run time must not.
    const std::uint32_t value = domains_.globals()[quota.quota];
    domain.quotas[quota.quota] = value;
    const store::QuotaSet change{.domid = domain.domid, .name = quota.name, .value = value};
    if (record_step(change)) domain.own_quotas.set(static_cast<std::size_t>(quota.quota));
  }
  return &domain;
}

Lifecycle::Result<Incarnation> Lifecycle::life_of(DomId domid, Check check) {
  if (domid >= kDomIdFirstReserved) return tl::unexpected(Error::kNoent);
  if (!with_xen() || domains_.permanent(domid)) return Incarnation{0};
  const auto domain = know(domid, check);
  if (!domain) return tl::unexpected(domain.error());
  return (*domain)->incarnation;
}

// --- introduction ------------------------------------------------------------

Lifecycle::Result<void> Lifecycle::introduce(DomId domid, std::uint64_t gfn, Port remote_port) {
  if (!with_xen()) {
    server_.observer().warn(fmt::format(
        "INTRODUCE of domain {} answered EINVAL: without Xen there is no ring to map (this daemon "
        "serves sockets only)",
        domid));
    return tl::unexpected(Error::kInval);
  }
  if (domains_.permanent(domid)) {
    const Domain* domain = domains_.find(domid);
    const bool same = domain != nullptr && domain->introduced && domain->remote_port == remote_port;
    if (same) return {};
    if (domid == domains_.store_domid() || (domain != nullptr && domain->introduced)) {
      return tl::unexpected(Error::kInval);  // F5
    }
  }
  const auto known = know(domid, Check::kYes);
  if (!known) {
    return tl::unexpected(known.error() == Error::kNoent ? Error::kInval : known.error());
  }
  Domain& domain = **known;
  if (domain.introduced) return introduce_again(domain, gfn, remote_port);

  const auto bound = rings_.attach(domid, remote_port, true);
  if (!bound) return tl::unexpected(Error::kInval);
  const ConnectionId id = server_.new_connection_id();
  const auto kept = record(store::DomainIntroduced{.domid = domid,
                                                   .incarnation = domain.incarnation,
                                                   .connection = id,
                                                   .gfn = gfn,
                                                   .remote_port = *bound});
  if (!kept) {
    rings_.detach(domid);
    return kept;
  }
  domain.introduced = true;
  domain.gfn = gfn;
  domain.remote_port = *bound;
  connect(domain, id, Rings::Begin::kFresh);
  if (domid != domains_.control_domid()) fire("@introduceDomain", domid);
  return {};
}

/// F3. The ring may have been frozen: this revives it (A18).
Lifecycle::Result<void> Lifecycle::introduce_again(Domain& domain, std::uint64_t gfn,
                                                   Port remote_port) {
  if (domain.connection == nullptr) return introduce_waiting(domain, gfn, remote_port);
  // The reset that follows is what completes the request.
  const auto kept = record_step(store::DomainIntroduced{.domid = domain.domid,
                                                        .incarnation = domain.incarnation,
                                                        .connection = domain.connection_id,
                                                        .gfn = gfn,
                                                        .remote_port = remote_port});
  if (!kept) return kept;
  domain.gfn = gfn;
  domain.remote_port = remote_port;
  server_.reset_ring(*domain.connection);
  if (rings_.reintroduce(domain.domid, remote_port)) return {};
  // Or the next start would take a port that never was bound for the proof of another life.
  domain.remote_port = 0;
  owed_introductions_.insert(domain.domid);
  settle_all();
  return {};
}

/// The same for one whose ring could not be attached since the restart.
Lifecycle::Result<void> Lifecycle::introduce_waiting(Domain& domain, std::uint64_t gfn,
                                                     Port remote_port) {
  if (!unattached_.contains(domain.domid)) return tl::unexpected(Error::kInval);
  const auto bound = rings_.attach(domain.domid, remote_port, true);
  if (!bound) return tl::unexpected(Error::kInval);
  const auto kept = record_step(store::DomainIntroduced{.domid = domain.domid,
                                                        .incarnation = domain.incarnation,
                                                        .connection = domain.connection_id,
                                                        .gfn = gfn,
                                                        .remote_port = *bound});
  if (!kept) {
    rings_.detach(domain.domid);
    return kept;
  }
  domain.gfn = gfn;
  domain.remote_port = *bound;
  unattached_.erase(domain.domid);
  connect(domain, domain.connection_id, Rings::Begin::kFresh);
  apply_target(domain);
  session_ended(*domain.connection);
  rings_.beginning_recorded(domain.domid, server_.journal().last_seq());
  return {};
}

void Lifecycle::connect(Domain& domain, ConnectionId id, Rings::Begin begin,
                        const store::SystemState* state) {
  Connection::Peer peer;
  peer.id = id;
  peer.caller.domid = domain.domid;
  peer.caller.incarnation = domain.incarnation;
  peer.caller.privileged = domain.domid == domains_.control_domid();
  peer.features = domain.features();
  peer.ring = true;
  server_.note_connection_id(id);
  Connection& connection = server_.add_connection(std::move(peer));
  domain.connection = &connection;
  domain.connection_id = id;
  if (state != nullptr) take_watches(connection, *state);
  rings_.serve(domain.domid, connection, begin);
}

void Lifecycle::disconnect(Domain& domain) {
  rings_.detach(domain.domid);
  unattached_.erase(domain.domid);
  if (domain.connection == nullptr) return;
  owed_resets_.erase(domain.connection_id);
  server_.remove_connection(*domain.connection);
  domain.connection = nullptr;
}

Lifecycle::Result<void> Lifecycle::release(DomId domid) {
  Domain* domain = domains_.find(domid);
  if (domain == nullptr || !domain->introduced) return tl::unexpected(Error::kNoent);
  return destroy(*domain, "was released", true);
}

Lifecycle::Result<void> Lifecycle::resume(DomId domid) {
  Domain* domain = domains_.find(domid);
  if (domain == nullptr || !domain->introduced) return tl::unexpected(Error::kNoent);
  if (!domain->shutdown_seen) return {};
  if (const auto kept = record(store::DomainShutdown{.domid = domid, .seen = false}); !kept) {
    return kept;
  }
  domain->shutdown_seen = false;
  return {};
}

// --- targets, features, quotas -----------------------------------------------

Lifecycle::Result<void> Lifecycle::set_target(DomId domid, DomId target) {
  for (const DomId one : {domid, target}) {
    if (!domains_.introduced(one)) return tl::unexpected(Error::kNoent);
  }
  Domain* stub = domains_.find(domid);
  const Domain* guest = domains_.find(target);
  // Nobody acts for dom0, and dom0 needs to act for nobody.
  if (domains_.permanent(domid) || domains_.permanent(target)) return tl::unexpected(Error::kInval);
  if (stub->connection == nullptr || guest->connection == nullptr) {
    return tl::unexpected(Error::kInval);
  }
  const auto kept = record(store::DomainTarget{.domid = domid, .target = target});
  if (!kept) return kept;
  domains_.set_target(*stub, target);
  apply_target(*stub);
  return {};
}

void Lifecycle::apply_target(Domain& domain) {
  if (domain.connection == nullptr) return;
  const Domain* target = domain.target == kDomIdInvalid ? nullptr : domains_.find(domain.target);
  if (target == nullptr) {
    domain.connection->set_target(kDomIdInvalid, 0);
  } else {
    domain.connection->set_target(target->domid, target->incarnation);
  }
}

Lifecycle::Result<void> Lifecycle::set_features(Domain& domain, std::uint32_t features) {
  const auto kept = record(store::DomainFeatures{.domid = domain.domid, .features = features});
  if (kept) domain.own_features = features;
  return kept;
}

Lifecycle::Result<void> Lifecycle::set_quota(Domain* domain, config::Quota quota,
                                             std::uint32_t value) {
  store::QuotaSet change{.domid = {}, .name = config::quota_info(quota).name, .value = value};
  if (domain != nullptr) change.domid = domain->domid;
  if (const auto kept = record(change); !kept) return kept;
  if (domain == nullptr) {
    domains_.set_global(quota, value);
  } else {
    domain->quotas[quota] = value;
    domain->own_quotas.set(static_cast<std::size_t>(quota));
  }
  return {};
}

// --- records of sessions -----------------------------------------------------

store::ConnectionReset Lifecycle::reset_of(const Connection& connection) {
  return {.connection = connection.id(), .frozen = *connection.owed_reset};
}

Lifecycle::Result<void> Lifecycle::settle(Connection& connection) {
  if (!connection.owed_reset) return {};
  // Said before: a kill right after the record must not make the ring begin once more.
  if (!*connection.owed_reset) {
    rings_.beginning_recorded(connection.caller().domid, server_.journal().last_seq() + 1);
  }
  const auto kept = record_step(reset_of(connection));
  if (!kept) return kept;
  reset_recorded(connection);
  return {};
}

void Lifecycle::reset_recorded(Connection& connection) {
  connection.owed_reset.reset();
  owed_resets_.erase(connection.id());
}

void Lifecycle::session_ended(Connection& connection) {
  connection.owed_reset = connection.frozen;
  if (record(reset_of(connection))) {
    reset_recorded(connection);
  } else {
    owed_resets_.insert(connection.id());
  }
}

Lifecycle::Result<void> Lifecycle::watch_added(Connection& connection,
                                               const store::WatchAdded& watch) {
  if (!connection.peer().kept) return {};
  if (const auto settled = settle(connection); !settled) return settled;
  return record(watch);
}

Lifecycle::Result<void> Lifecycle::watch_removed(Connection& connection, std::string_view path,
                                                 std::string_view token) {
  if (!connection.peer().kept) return {};
  if (const auto settled = settle(connection); !settled) return settled;
  return record(store::WatchRemoved{.connection = connection.id(), .path = path, .token = token});
}

Lifecycle::Result<void> Lifecycle::watches_reset(Connection& connection) {
  if (!connection.peer().kept) return {};
  if (const auto settled = settle(connection); !settled) return settled;
  return record(store::ConnectionReset{.connection = connection.id(), .frozen = false});
}

}  // namespace vxs::daemon
