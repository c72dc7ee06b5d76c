#include "store/journal/system_codec.hh"

#include <algorithm>
#include <limits>
#include <string>

#include "store/journal/state_codec.hh"

namespace vxs::store {
namespace {

constexpr std::uint64_t kFrozen = 1;
constexpr std::uint64_t kRelative = 1;
constexpr std::uint64_t kIntroduced = 1;
constexpr std::uint64_t kShutdownSeen = 2;
constexpr std::uint64_t kHasFeatures = 4;

void append_bytes(std::string& out, std::string_view bytes) {
  append_varint(out, bytes.size());
  out.append(bytes);
}

template <typename Number>
bool take(EntryReader& in, Number& out) noexcept {
  std::uint64_t value = 0;
  if (!in.varint(value) || value > std::numeric_limits<Number>::max()) return false;
  out = static_cast<Number>(value);
  return true;
}

/// 0 is nothing, else 1 + the number.
template <typename Number>
void append_optional(std::string& out, const std::optional<Number>& value) {
  append_varint(out, value ? std::uint64_t{*value} + 1 : 0);
}
template <typename Number>
bool take_optional(EntryReader& in, std::optional<Number>& out) noexcept {
  std::uint64_t value = 0;
  if (!in.varint(value)) return false;
  if (value == 0) return true;
  if (value - 1 > std::numeric_limits<Number>::max()) return false;
  out = static_cast<Number>(value - 1);
  return true;
}

void append_domain(std::string& out, DomId domid, const SystemState::DomainState& domain) {
  append_varint(out, domid);
  append_varint(out, domain.incarnation);
  append_bytes(out, {reinterpret_cast<const char*>(domain.handle.data()), domain.handle.size()});
  append_varint(out, domain.unique_id);
  append_varint(out, (domain.introduced ? kIntroduced : 0) |
                         (domain.shutdown_seen ? kShutdownSeen : 0) |
                         (domain.features ? kHasFeatures : 0));
  append_varint(out, domain.connection);
  append_varint(out, domain.gfn);
  append_varint(out, domain.remote_port);
  append_varint(out, domain.target);
  append_varint(out, domain.features.value_or(0));
}

void append_quota(std::string& out, std::optional<DomId> domid, std::string_view name,
                  std::uint32_t value) {
  append_optional(out, domid);
  append_bytes(out, name);
  append_varint(out, value);
}

}  // namespace

void write_system_entries(const SystemState& state, const EntrySink& sink) {
  std::string entry;
  const auto put = [&](Section section) {
    sink(section, entry);
    entry.clear();
  };
  for (const auto& [id, connection] : state.connections) {
    append_varint(entry, id);
    append_varint(entry, connection.frozen ? kFrozen : 0);
    append_varint(entry, connection.next_watch);
    put(Section::kConnections);
  }
  for (const auto& [id, connection] : state.connections) {
    for (const auto& [key, watch] : connection.watches) {
      append_varint(entry, id);
      append_bytes(entry, key.first);
      append_bytes(entry, key.second);
      append_optional(entry, watch.depth);
      append_varint(entry, watch.relative ? kRelative : 0);
      append_varint(entry, watch.number);
      put(Section::kWatches);
    }
  }
  for (const auto& [domid, domain] : state.domains) {
    append_domain(entry, domid, domain);
    put(Section::kDomains);
  }
  for (const auto& [name, value] : state.global_quotas) {
    append_quota(entry, {}, name, value);
    put(Section::kQuotas);
  }
  for (const auto& [domid, domain] : state.domains) {
    for (const auto& [name, value] : domain.quotas) {
      append_quota(entry, domid, name, value);
      put(Section::kQuotas);
    }
  }
}

bool SystemLoader::knows(std::uint16_t section) noexcept {
  return section >= static_cast<std::uint16_t>(Section::kWatches) &&
         section <= static_cast<std::uint16_t>(Section::kQuotas);
}

bool SystemLoader::block(std::uint16_t section, std::string_view payload) {
  EntryReader in(payload);
  while (!in.done()) {
    bool good = false;
    switch (static_cast<Section>(section)) {
      case Section::kWatches:
        good = watch(in);
        break;
      case Section::kConnections:
        good = connection(in);
        break;
      case Section::kDomains:
        good = domain(in);
        break;
      case Section::kQuotas:
        good = quota(in);
        break;
      default:
        break;
    }
    if (!good) return false;
  }
  return true;
}

bool SystemLoader::connection(EntryReader& in) {
  ConnectionId id = 0;
  std::uint64_t flags = 0;
  std::uint64_t next_watch = 0;
  if (!take(in, id) || !take(in, flags) || !take(in, next_watch) || flags > kFrozen) return false;
  const auto [found, is_new] = state_.connections.try_emplace(id);
  found->second.frozen = (flags & kFrozen) != 0;
  found->second.next_watch = next_watch;
  return is_new;
}

bool SystemLoader::watch(EntryReader& in) {
  ConnectionId id = 0;
  std::string_view path;
  std::string_view token;
  std::uint64_t flags = 0;
  SystemState::WatchState watch;
  if (!take(in, id) || !in.bytes(path) || !in.bytes(token) || !take_optional(in, watch.depth) ||
      !take(in, flags) || !take(in, watch.number) || flags > kRelative || !is_watch_path(path)) {
    return false;
  }
  watch.relative = (flags & kRelative) != 0;
  const auto found = state_.connections.find(id);
  if (found == state_.connections.end() || watch.number >= found->second.next_watch) return false;
  return found->second.watches.try_emplace(std::pair(std::string(path), std::string(token)), watch)
      .second;
}

bool SystemLoader::domain(EntryReader& in) {
  DomId domid = 0;
  std::string_view handle;
  std::uint64_t flags = 0;
  std::uint32_t features = 0;
  SystemState::DomainState domain;
  if (!take(in, domid) || !take(in, domain.incarnation) || !in.bytes(handle) ||
      handle.size() != domain.handle.size() || !take(in, domain.unique_id) || !take(in, flags) ||
      flags > (kIntroduced | kShutdownSeen | kHasFeatures) || !take(in, domain.connection) ||
      !take(in, domain.gfn) || !take(in, domain.remote_port) || !take(in, domain.target) ||
      !take(in, features)) {
    return false;
  }
  std::copy(handle.begin(), handle.end(), domain.handle.begin());
  domain.introduced = (flags & kIntroduced) != 0;
  domain.shutdown_seen = (flags & kShutdownSeen) != 0;
  if ((flags & kHasFeatures) != 0) domain.features = features;
  return state_.domains.try_emplace(domid, std::move(domain)).second;
}

bool SystemLoader::quota(EntryReader& in) {
  std::optional<DomId> domid;
  std::string_view name;
  std::uint32_t value = 0;
  if (!take_optional(in, domid) || !in.bytes(name) || name.empty() || !take(in, value)) {
    return false;
  }
  auto* quotas = &state_.global_quotas;
  if (domid) {
    const auto found = state_.domains.find(*domid);
    if (found == state_.domains.end()) return false;
    quotas = &found->second.quotas;
  }
  return quotas->try_emplace(std::string(name), value).second;
}

}  // namespace vxs::store
