#include "protocol/migration/stream_writer.hh"

#include <algorithm>
#include <limits>

namespace vxs::protocol::migration {
namespace {

constexpr std::size_t kMaxShort = std::numeric_limits<std::uint16_t>::max();
constexpr std::string_view kIdent = "xenstore";
constexpr std::uint16_t kHasUniqueId = 1;
constexpr std::uint8_t kStale = 1;

constexpr std::size_t padded(std::size_t size) noexcept { return (size + 7) & ~std::size_t{7}; }

/// Fits a 16-bit length with its NUL.
bool is_short_string(std::string_view text) noexcept {
  return text.size() < kMaxShort && text.find('\0') == std::string_view::npos;
}

bool are_quotas(std::span<const QuotaValue> quotas) noexcept {
  return quotas.size() <= kMaxShort &&
         std::all_of(quotas.begin(), quotas.end(), [](const QuotaValue& quota) {
           return !quota.name.empty() && is_short_string(quota.name);
         });
}

std::size_t bytes_of(std::span<const QuotaValue> quotas) noexcept {
  std::size_t bytes = 0;
  for (const QuotaValue& quota : quotas) bytes += sizeof quota.value + quota.name.size() + 1;
  return bytes;
}

}  // namespace

StreamWriter::StreamWriter(std::string& out, Version version, ByteOrder order)
    : out_(out), version_(version), order_(order) {
  out_.append(kIdent);
  // Of the whole stream only these two are big-endian always.
  for (const std::uint32_t field :
       {static_cast<std::uint32_t>(version), std::uint32_t{order == ByteOrder::kBig}}) {
    const auto bytes = number_bytes(field, ByteOrder::kBig);
    out_.append(bytes.data(), bytes.size());
  }
}

void StreamWriter::begin(RecordType type, std::size_t body_bytes) {
  number(static_cast<std::uint32_t>(type));
  // As xenstored does, padding counts: its reader skips none.
  number(static_cast<std::uint32_t>(padded(body_bytes)));
  body_ = out_.size();
}

void StreamWriter::string(std::string_view text) {
  out_.append(text);
  out_.push_back('\0');
}

void StreamWriter::align() { out_.resize(body_ + padded(out_.size() - body_)); }

bool StreamWriter::put(const Global& global) {
  begin(RecordType::kGlobal, 8);
  number(global.socket_fd);
  number(global.event_fd);
  return true;
}

bool StreamWriter::put(const Connection& connection) {
  constexpr std::size_t kFixed = 24;
  if (connection.id == 0 || connection.input.size() > kMaxShort ||
      connection.output.size() > kMaxBodyBytes / 2 ||
      connection.partial > connection.output.size()) {
    return false;
  }
  const std::size_t data = kFixed + connection.input.size() + connection.output.size();
  begin(RecordType::kConnection, padded(data) + (connection.unique_id ? 8 : 0));
  const auto* const ring = std::get_if<RingSpec>(&connection.spec);
  number(connection.id);
  number<std::uint16_t>(ring != nullptr ? 0 : 1);
  number<std::uint16_t>(connection.unique_id ? kHasUniqueId : 0);
  if (ring != nullptr) {
    number(ring->domid);
    number(ring->target);
    number(ring->local_port);
  } else {
    number(std::get<SocketSpec>(connection.spec).fd);
    number<std::uint32_t>(0);
  }
  number(static_cast<std::uint16_t>(connection.input.size()));
  number(connection.partial);
  number(static_cast<std::uint32_t>(connection.output.size()));
  out_.append(connection.input);
  out_.append(connection.output);
  align();
  if (connection.unique_id) number(*connection.unique_id);
  return true;
}

bool StreamWriter::put(const Watch& watch) {
  if (watch.connection == 0 || watch.path.empty() || !is_short_string(watch.path) ||
      !is_short_string(watch.token)) {
    return false;
  }
  const bool extended = watch.depth && version_ != Version::k1;
  const std::size_t strings = watch.path.size() + 1 + watch.token.size() + 1;
  begin(extended ? RecordType::kWatchExtended : RecordType::kWatch, (extended ? 12 : 8) + strings);
  number(watch.connection);
  number(static_cast<std::uint16_t>(watch.path.size() + 1));
  number(static_cast<std::uint16_t>(watch.token.size() + 1));
  if (extended) {
    number(*watch.depth);
    number<std::uint16_t>(0);
  }
  string(watch.path);
  string(watch.token);
  align();
  return true;
}

bool StreamWriter::put(const Transaction& transaction) {
  if (transaction.connection == 0) return false;
  begin(RecordType::kTransaction, 8);
  number(transaction.connection);
  number(transaction.id);
  return true;
}

bool StreamWriter::put(const Node& node) {
  if (node.path.empty() || !is_short_string(node.path) || node.value.size() > kMaxShort ||
      node.perms.size() > kMaxShort || (node.connection == 0 && node.perms.empty())) {
    return false;
  }
  begin(RecordType::kNode, 16 + 4 * node.perms.size() + node.path.size() + 1 + node.value.size());
  number(node.connection);
  number(node.transaction);
  number(static_cast<std::uint16_t>(node.path.size() + 1));
  number(static_cast<std::uint16_t>(node.value.size()));
  number(node.access);
  number(static_cast<std::uint16_t>(node.perms.size()));
  for (const NodePerm& perm : node.perms) {
    out_.push_back(access_letter(perm.access));
    number<std::uint8_t>(perm.stale ? kStale : 0);
    number(perm.domid);
  }
  string(node.path);
  out_.append(node.value);
  align();
  return true;
}

bool StreamWriter::put(const GlobalQuota& quota) {
  if (!are_quotas(quota.domain) || !are_quotas(quota.global)) return false;
  const std::size_t bytes = 4 + bytes_of(quota.domain) + bytes_of(quota.global);
  if (bytes > kMaxBodyBytes - 8) return false;
  begin(RecordType::kGlobalQuota, bytes);
  number(static_cast<std::uint16_t>(quota.domain.size()));
  number(static_cast<std::uint16_t>(quota.global.size()));
  for (const auto& list : {quota.domain, quota.global}) {
    for (const QuotaValue& each : list) number(each.value);
  }
  for (const auto& list : {quota.domain, quota.global}) {
    for (const QuotaValue& each : list) string(each.name);
  }
  align();
  return true;
}

bool StreamWriter::put(const Domain& domain) {
  const std::size_t bytes = 8 + bytes_of(domain.quotas);
  if (!are_quotas(domain.quotas) || bytes > kMaxBodyBytes - 8) return false;
  begin(RecordType::kDomain, bytes);
  number(domain.domid);
  number(static_cast<std::uint16_t>(domain.quotas.size()));
  number(version_ == Version::k1 ? 0 : domain.features.value_or(0));
  for (const QuotaValue& each : domain.quotas) number(each.value);
  for (const QuotaValue& each : domain.quotas) string(each.name);
  align();
  return true;
}

bool StreamWriter::put(const End&) {
  begin(RecordType::kEnd, 0);
  return true;
}

bool StreamWriter::put(const Unknown&) { return false; }

bool StreamWriter::put(const Record& record) {
  return std::visit([this](const auto& each) { return this->put(each); }, record);
}

}  // namespace vxs::protocol::migration
