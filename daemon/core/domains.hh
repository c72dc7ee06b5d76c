// What the daemon knows of domains: a Domain per life of a domid, introduced or not (conformance
// F1), its features and quotas (B19..B22). A table of values; lifecycle.hh changes it.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "daemon/config/quota.hh"
#include "daemon/core/connection.hh"
#include "protocol/ids.hh"

namespace vxs::daemon {

/// One life of a domid.
struct Domain {
  DomId domid = 0;
  /// What permission entries of this life carry. 0 for the permanent domains and without Xen.
  Incarnation incarnation = 0;
  std::array<std::uint8_t, 16> handle{};  ///< Xen's UUID of it
  std::uint64_t unique_id = 0;            ///< Xen's, 0 where it has none
  bool introduced = false;
  /// The ring's connection, owned by the Server. nullptr: not introduced, or introduced and its
  /// ring is lost (a death that the journal could not take yet).
  Connection* connection = nullptr;
  ConnectionId connection_id = 0;  ///< its number, also where it is lost
  std::uint64_t gfn = 0;           ///< as INTRODUCE said
  std::uint32_t remote_port = 0;   ///< what the ring is bound to
  bool shutdown_seen = false;      ///< told, and not resumed since (F7, F13)
  /// The guest a stub domain serves; changed by Domains::set_target() alone.
  DomId target = kDomIdInvalid;
  std::optional<std::uint32_t> own_features;  ///< SET_FEATURE
  config::QuotaSettings quotas;
  std::bitset<config::kQuotaCount> own_quotas;  ///< those that were recorded for this domain

  [[nodiscard]] std::uint32_t features() const noexcept {
    return own_features.value_or(kOfferedFeatures);
  }
};

/// One thread.
class Domains {
 public:
  /// `globals` as configured. `control_domid` is the privileged domain (A4).
  Domains(DomId store_domid, config::QuotaSettings globals, DomId control_domid = 0)
      : store_domid_(store_domid),
        control_domid_(control_domid),
        configured_(globals),
        globals_(globals) {}

  /// The domain the daemon runs in: sockets act as it.
  [[nodiscard]] DomId store_domid() const noexcept { return store_domid_; }
  [[nodiscard]] DomId control_domid() const noexcept { return control_domid_; }
  /// A4: do sockets have the control domain's rights?
  [[nodiscard]] bool sockets_privileged() const noexcept { return store_domid_ == control_domid_; }
  /// Their rings are there from the start: nobody could introduce them (A24, A25).
  [[nodiscard]] bool served_always(DomId domid) const noexcept {
    return domid == store_domid_ || domid == control_domid_;
  }
  /// Domains that never go (F12); their incarnation is 0.
  [[nodiscard]] bool permanent(DomId domid) const noexcept {
    return domid == 0 || served_always(domid);
  }
  [[nodiscard]] bool introduced(DomId domid) const noexcept {
    const Domain* domain = find(domid);
    return domid == store_domid_ || (domain != nullptr && domain->introduced);
  }

  /// nullptr if this domid is not known. Valid until the domain goes.
  [[nodiscard]] Domain* find(DomId domid) noexcept {
    const auto found = domains_.find(domid);
    return found == domains_.end() ? nullptr : &found->second;
  }
  [[nodiscard]] const Domain* find(DomId domid) const noexcept {
    const auto found = domains_.find(domid);
    return found == domains_.end() ? nullptr : &found->second;
  }
  /// A new one, with the configured quotas. REQUIRES: the domid is not known.
  Domain& add(DomId domid);
  void remove(DomId domid);
  /// kDomIdInvalid: none.
  void set_target(Domain& stub, DomId target);
  /// The domains whose target `domid` is, known or not; a death costs no look at all others.
  [[nodiscard]] std::vector<DomId> stubs_of(DomId domid) const;
  [[nodiscard]] const std::map<DomId, Domain>& all() const noexcept { return domains_; }
  /// Their domids, for a loop in which domains go.
  [[nodiscard]] std::vector<DomId> ids() const;

  /// Global values: they seed domains made later only (B22).
  [[nodiscard]] const config::QuotaSettings& globals() const noexcept { return globals_; }
  /// Those that were set at run time.
  [[nodiscard]] const std::bitset<config::kQuotaCount>& set_globals() const noexcept {
    return set_globals_;
  }
  void set_global(config::Quota quota, std::uint32_t value) noexcept {
    globals_[quota] = value;
    set_globals_.set(static_cast<std::size_t>(quota));
  }
  [[nodiscard]] const config::QuotaSettings& configured() const noexcept { return configured_; }
  /// Back to what is configured.
  void reset_globals() noexcept {
    globals_ = configured_;
    set_globals_.reset();
  }

 private:
  DomId store_domid_;
  DomId control_domid_;
  config::QuotaSettings configured_;
  config::QuotaSettings globals_;
  std::bitset<config::kQuotaCount> set_globals_;
  std::map<DomId, Domain> domains_;
  std::set<std::pair<DomId, DomId>> targets_;  ///< target and stub, of all that have one
};

}  // namespace vxs::daemon
