// The quotas a domain can have (conformance G): names, defaults, limits of one set of values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace vxs::config {

/// One resource that is limited per domain. The order is that of CONTROL quota and GET_QUOTA.
enum class Quota : std::uint8_t {
  kNodes,             ///< nodes owned; count
  kWatches,           ///< watches of a connection; count
  kOutstanding,       ///< requests whose effects are not completely written (G5); count
  kMemory,            ///< memory accounted to a domain (G6); bytes
  kTransactions,      ///< open transactions; count
  kTransactionNodes,  ///< distinct nodes a transaction touched; count
  kNodePermissions,   ///< entries of one SET_PERMS; count
  kPathMax,           ///< length of a path without /local/domain/<n>/ (C5); bytes
  kNodeSize,          ///< size of one node by the formula of table G; bytes
  kSoftMemory,        ///< as kMemory, but only warns; bytes
};
inline constexpr std::size_t kQuotaCount = 10;

/// The largest value a quota can be given: the C daemon keeps them in an int.
inline constexpr std::uint32_t kQuotaValueMax = 0x7FFFFFFF;

/// What is known of a quota without looking at any domain.
struct QuotaInfo {
  Quota quota;
  std::string_view name;   ///< as in GET_QUOTA, "soft-" included
  std::string_view alias;  ///< older name of the same thing (C17, usage text); may be empty
  std::uint32_t default_value;
  std::string_view description;  ///< for CONTROL quota and the documents; no NUL, no newline
  bool soft;                     ///< exceeding it only warns
};

/// All quotas, in the order of the enum.
[[nodiscard]] std::span<const QuotaInfo, kQuotaCount> quota_infos() noexcept;
[[nodiscard]] const QuotaInfo& quota_info(Quota quota) noexcept;

/// By GET_QUOTA name ("nodes", "soft-memory") or alias ("permissions", "path-length").
[[nodiscard]] std::optional<Quota> quota_from_name(std::string_view name) noexcept;
/// By the name without "soft-", as -q and CONTROL quota-soft have it ("memory").
[[nodiscard]] std::optional<Quota> soft_quota_from_name(std::string_view name) noexcept;

/// One value per quota; 0 means unlimited. A plain value: copied from the globals into a domain.
struct QuotaSettings {
  std::array<std::uint32_t, kQuotaCount> values;

  /// The defaults of table G.
  QuotaSettings() noexcept;
  [[nodiscard]] std::uint32_t operator[](Quota quota) const noexcept {
    return values[static_cast<std::size_t>(quota)];
  }
  [[nodiscard]] std::uint32_t& operator[](Quota quota) noexcept {
    return values[static_cast<std::size_t>(quota)];
  }
  friend bool operator==(const QuotaSettings&, const QuotaSettings&) = default;
};

}  // namespace vxs::config
