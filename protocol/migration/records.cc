#include "protocol/migration/records.hh"

#include <algorithm>

namespace vxs::protocol::migration {

std::string_view record_name(std::uint32_t type) noexcept {
  switch (static_cast<RecordType>(type)) {
    case RecordType::kEnd:
      return "END";
    case RecordType::kGlobal:
      return "GLOBAL_DATA";
    case RecordType::kConnection:
      return "CONNECTION_DATA";
    case RecordType::kWatch:
      return "WATCH_DATA";
    case RecordType::kTransaction:
      return "TRANSACTION_DATA";
    case RecordType::kNode:
      return "NODE_DATA";
    case RecordType::kGlobalQuota:
      return "GLOBAL_QUOTA_DATA";
    case RecordType::kDomain:
      return "DOMAIN_DATA";
    case RecordType::kWatchExtended:
      return "WATCH_DATA_EXTENDED";
  }
  return "UNKNOWN";
}

bool operator==(const Node& a, const Node& b) noexcept {
  return a.connection == b.connection && a.transaction == b.transaction && a.access == b.access &&
         a.path == b.path && a.value == b.value && std::ranges::equal(a.perms, b.perms);
}

bool operator==(const GlobalQuota& a, const GlobalQuota& b) noexcept {
  return std::ranges::equal(a.domain, b.domain) && std::ranges::equal(a.global, b.global);
}

bool operator==(const Domain& a, const Domain& b) noexcept {
  return a.domid == b.domid && a.features == b.features && std::ranges::equal(a.quotas, b.quotas);
}

}  // namespace vxs::protocol::migration
