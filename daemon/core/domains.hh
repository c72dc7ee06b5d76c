// What the daemon knows of domains: who exists, their features and quotas
// (conformance F1, B19..B22). Without Xen every ordinary domid is known, with incarnation 0 (design
// §8).
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "daemon/config/quota.hh"
#include "daemon/core/connection.hh"
#include "protocol/ids.hh"

namespace vxs::daemon {

/// What is kept of a domain, introduced or not (F1).
struct DomainRecord {
  std::uint32_t features = kOfferedFeatures;
  config::QuotaSettings quotas;
};

class Domains {
 public:
  Domains(DomId store_domid, config::QuotaSettings globals)
      : store_domid_(store_domid), globals_(globals) {}

  [[nodiscard]] DomId store_domid() const noexcept { return store_domid_; }
  /// The life of `domid` that exists now; nothing if no such domain exists.
  [[nodiscard]] std::optional<Incarnation> incarnation(DomId domid) const noexcept {
    if (domid >= kDomIdFirstReserved) return std::nullopt;
    return 0;
  }
  [[nodiscard]] bool introduced(DomId domid) const noexcept { return domid == store_domid_; }

  /// The record of an existing domain, made from the globals when there is none yet; nullptr if no
  /// such domain exists. Valid until the domain goes.
  [[nodiscard]] DomainRecord* record(DomId domid);

  /// Global values: they seed records made later only (B22).
  [[nodiscard]] config::QuotaSettings& globals() noexcept { return globals_; }

 private:
  DomId store_domid_;
  config::QuotaSettings globals_;
  std::map<DomId, DomainRecord> records_;
};

}  // namespace vxs::daemon
