#include "daemon/config/quota.hh"

namespace vxs::config {
namespace {

constexpr std::array<QuotaInfo, kQuotaCount> kInfos{{
    {Quota::kNodes, "nodes", "", 1000, "nodes owned by a domain", false},
    {Quota::kWatches, "watches", "", 128, "watches of a domain", false},
    {Quota::kOutstanding, "outstanding", "", 20, "requests of a domain not completely answered",
     false},
    {Quota::kMemory, "memory", "", 2621440, "bytes of memory accounted to a domain", false},
    {Quota::kTransactions, "transactions", "transaction", 10, "open transactions of a domain",
     false},
    {Quota::kTransactionNodes, "transaction-nodes", "", 1024, "nodes touched by one transaction",
     false},
    {Quota::kNodePermissions, "node-permissions", "permissions", 5, "permissions of one node",
     false},
    {Quota::kPathMax, "path-max", "path-length", 2048, "bytes of a relative path", false},
    {Quota::kNodeSize, "node-size", "", 2048, "bytes of one node", false},
    {Quota::kSoftMemory, "soft-memory", "", 2097152,
     "bytes of memory above which a warning is logged", true},
}};

constexpr bool in_enum_order() {
  for (std::size_t i = 0; i < kQuotaCount; ++i) {
    if (static_cast<std::size_t>(kInfos[i].quota) != i) return false;
  }
  return true;
}
static_assert(in_enum_order());

constexpr std::string_view kSoftPrefix = "soft-";

}  // namespace

std::span<const QuotaInfo, kQuotaCount> quota_infos() noexcept { return kInfos; }

const QuotaInfo& quota_info(Quota quota) noexcept {
  return kInfos[static_cast<std::size_t>(quota)];
}

std::optional<Quota> quota_from_name(std::string_view name) noexcept {
  for (const QuotaInfo& info : kInfos) {
    if (name == info.name || (!info.alias.empty() && name == info.alias)) return info.quota;
  }
  return std::nullopt;
}

std::optional<Quota> soft_quota_from_name(std::string_view name) noexcept {
  for (const QuotaInfo& info : kInfos) {
    if (info.soft && name == info.name.substr(kSoftPrefix.size())) return info.quota;
  }
  return std::nullopt;
}

QuotaSettings::QuotaSettings() noexcept : values{} {
  for (const QuotaInfo& info : kInfos) {
    values[static_cast<std::size_t>(info.quota)] = info.default_value;
  }
}

}  // namespace vxs::config
