// How domains end: what Xen says of them, and what is cleaned up.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "daemon/core/lifecycle.hh"
#include "daemon/core/server.hh"

namespace vxs::daemon {
namespace {

using protocol::Access;
using protocol::PermEntry;
using store::Change;
using store::ChangeKind;

/// Usually all is one commit. Other guests may have named a domain in very many lists, and a record
/// has to fit the journal.
constexpr std::size_t kMaxCommitBytes = std::size_t{4} << 20;
constexpr std::size_t kBytesPerChange = 64;

/// Byte order with '/' before everything, so that a subtree is a range.
bool tree_order(std::string_view a, std::string_view b) {
  const auto [x, y] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (x == a.end() || y == b.end()) return y != b.end();
  const auto rank = [](char c) { return c == '/' ? 0 : static_cast<unsigned char>(c); };
  return rank(*x) < rank(*y);
}

bool is_below(std::string_view path, std::string_view root) {
  return path.size() > root.size() && path[root.size()] == '/' && path.starts_with(root);
}

/// The list without `domid`; an owner's place is taken by `heir`.
std::vector<PermEntry> without(const store::PermSet& perms, DomId domid, DomId heir) {
  std::vector<PermEntry> kept;
  for (const auto& entry : perms.entries()) {
    if (entry.domid != domid) {
      kept.push_back(entry);
    } else if (kept.empty()) {
      kept.push_back(PermEntry{.domid = heir, .access = entry.access});
    }
  }
  return kept;
}

}  // namespace

Lifecycle::Result<void> Lifecycle::clean_nodes(DomId domid, std::string_view how) {
  if (!with_xen()) return {};
  struct Touched {
    std::string path;
    store::PermRef perms;
  };
  std::vector<Touched> touched;
  for (const auto& node : nodes().named(domid)) {
    touched.push_back({std::string(node.path), node.perms});
  }
  std::sort(touched.begin(), touched.end(),
            [](const Touched& a, const Touched& b) { return tree_order(a.path, b.path); });

  // Removed subtrees first, an event for each; then, without events, the lists that stay (F9).
  std::vector<Change> removed;
  std::vector<Change> changed;
  for (const auto& node : touched) {
    if (!removed.empty() && is_below(node.path, removed.back().path)) continue;
    const bool can_go = node.path != "/" && node.path.front() != '@';
    if (node.perms->owner() == domid && can_go && !options_.keep_orphans) {
      removed.push_back(Change{.kind = ChangeKind::kRemove,
                               .implicit = false,
                               .path = node.path,
                               .value = {},
                               .perms = {}});
    } else {
      changed.push_back(Change{.kind = ChangeKind::kSetPerms,
                               .implicit = true,
                               .path = node.path,
                               .value = {},
                               .perms = server_.head().perm_table().intern(
                                   without(*node.perms, domid, domains_.control_domid()))});
    }
  }
  removed.insert(removed.end(), changed.begin(), changed.end());

  const std::string note = fmt::format("domain {} {}", domid, how);
  for (auto begin = removed.begin(); begin != removed.end();) {
    auto end = begin;
    for (std::size_t bytes = 0; end != removed.end() && bytes < kMaxCommitBytes; ++end) {
      bytes += end->path.size() + kBytesPerChange;
      if (end->perms) bytes += end->perms->entries().size() * sizeof(PermEntry);
    }
    const auto kept = server_.commit_daemon({begin, end}, note);
    if (!kept) return kept;
    begin = end;
  }
  return {};
}

Lifecycle::Result<void> Lifecycle::destroy(Domain& domain, std::string_view how,
                                           bool completes_request) {
  const DomId domid = domain.domid;
  Connection* connection = domain.connection;
  // F6: it does not hear of its own clean-up.
  const bool was_deaf = connection != nullptr && connection->deaf;
  if (connection != nullptr) connection->deaf = true;
  auto done = clean_nodes(domid, how);
  for (const DomId id : domains_.stubs_of(domid)) {
    if (done) done = record_step(store::DomainTarget{.domid = id, .target = kDomIdInvalid});
    if (!done) break;
    Domain& stub = *domains_.find(id);
    domains_.set_target(stub, kDomIdInvalid);
    apply_target(stub);
  }
  const store::DomainGone gone{.domid = domid};
  if (done) done = completes_request ? record(gone) : record_step(gone);
  if (!done) {
    if (connection != nullptr) connection->deaf = was_deaf;
    return done;
  }
  const bool told = domain.introduced;
  forget(domain);
  if (told) fire("@releaseDomain", domid);
  return {};
}

void Lifecycle::forget(Domain& domain) {
  const DomId domid = domain.domid;
  disconnect(domain);
  dead_.erase(domid);
  owed_introductions_.erase(domid);
  domains_.remove(domid);
}

void Lifecycle::die(Domain& domain) {
  const DomId domid = domain.domid;
  rings_.detach(domid);  // a page that stays mapped would keep a zombie
  if (domain.connection != nullptr) {
    // Even if the journal refuses the rest: nobody reads what is for it.
    domain.connection->deaf = true;
    domain.connection->outbox.clear();
  }
  if (!destroy(domain, "died")) dead_.insert(domid);
}

void Lifecycle::fire(std::string_view name, std::optional<DomId> domid) {
  const Seq seq = server_.journal().last_seq();
  const auto emit = [&](Watch& watch, std::string_view path) {
    server_.send_event(watch, path, seq);
  };
  server_.watches().fire_special(name, {}, server_.head().tree(), emit);
  if (domid) server_.watches().fire_special(name, domid, server_.head().tree(), emit);
}

void Lifecycle::scan(std::span<const DomainInfo> now) {
  scan_due_ = false;
  // Both are in the order of domids. Of most there is nothing new.
  std::vector<DomId> dead;
  std::vector<DomId> shut_down;
  auto info = now.begin();
  for (const auto& [domid, domain] : domains_.all()) {
    if (domains_.permanent(domid)) continue;
    while (info != now.end() && info->domid < domid) ++info;
    if (info == now.end() || info->domid != domid || info->dying || !same_life(domain, *info)) {
      dead.push_back(domid);
    } else if (info->shutdown && !domain.shutdown_seen && domain.introduced) {
      shut_down.push_back(domid);
    }
  }
  for (const DomId domid : dead) die(*domains_.find(domid));
  bool told = false;
  for (const DomId domid : shut_down) {
    Domain& domain = *domains_.find(domid);
    if (!record(store::DomainShutdown{.domid = domid, .seen = true})) {
      scan_due_ = true;
      continue;
    }
    domain.shutdown_seen = true;
    told = true;
    const Seq seq = server_.journal().last_seq();
    server_.watches().fire_special(
        "@releaseDomain", domid, server_.head().tree(),
        [&](Watch& watch, std::string_view path) { server_.send_event(watch, path, seq); });
  }
  if (told) fire("@releaseDomain", {});  // D18: one for all that shut down
}

void Lifecycle::scan_now() {
  scan_due_ = with_xen();
  if (!scan_due_) return;
  const auto now = hypervisor_->domains();
  if (now) {
    scan(*now);
  } else {
    server_.observer().warn(
        fmt::format("Xen cannot say which domains there are ({})", std::strerror(now.error())));
  }
}

void Lifecycle::settle_all() {
  for (const ConnectionId id :
       std::vector<ConnectionId>(owed_resets_.begin(), owed_resets_.end())) {
    Connection* connection = server_.find_connection(id);
    if (connection == nullptr) {
      owed_resets_.erase(id);
    } else if (!settle(*connection)) {
      return;
    }
  }
  while (!owed_introductions_.empty()) {
    const Domain* domain = domains_.find(*owed_introductions_.begin());
    if (domain != nullptr && domain->introduced) {
      const auto known = record_step(store::DomainKnown{.domid = domain->domid,
                                                        .incarnation = domain->incarnation,
                                                        .handle = domain->handle,
                                                        .unique_id = domain->unique_id});
      if (!known) return;
      const auto kept = record_step(store::DomainIntroduced{.domid = domain->domid,
                                                            .incarnation = domain->incarnation,
                                                            .connection = domain->connection_id,
                                                            .gfn = domain->gfn,
                                                            .remote_port = domain->remote_port});
      if (!kept) return;
    }
    owed_introductions_.erase(owed_introductions_.begin());
  }
}

void Lifecycle::retry() {
  const bool owes = !owed_resets_.empty() || !owed_introductions_.empty();
  if (dead_.empty() && unattached_.empty() && !owes && !scan_due_) return;
  if (server_.journal().failing()) return;
  settle_all();
  attach_waiting();
  for (const DomId domid : std::vector<DomId>(dead_.begin(), dead_.end())) {
    if (Domain* domain = domains_.find(domid)) {
      die(*domain);
    } else {
      dead_.erase(domid);
    }
  }
  if (scan_due_) scan_now();
}

}  // namespace vxs::daemon
