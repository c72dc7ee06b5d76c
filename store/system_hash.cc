// SystemState in eight bytes. Every map is gone through in the order of its keys, with its size
// before its entries, so that equal states and no others give the same words.
#include "store/state_mix.hh"
#include "store/system_state.hh"

namespace vxs::store {
namespace {

std::uint64_t mix_optional(std::uint64_t h, const std::optional<std::uint32_t>& value) noexcept {
  return mix(mix(h, value.has_value() ? 1 : 0), value.value_or(0));
}

std::uint64_t mix_quotas(std::uint64_t h,
                         const std::map<std::string, std::uint32_t>& quotas) noexcept {
  h = mix(h, quotas.size());
  for (const auto& [name, value] : quotas) h = mix(mix_text(h, name), value);
  return h;
}

std::uint64_t mix_domain(std::uint64_t h, const SystemState::DomainState& domain) noexcept {
  h = mix(h, domain.incarnation);
  for (const std::uint8_t byte : domain.handle) h = mix(h, byte);
  h = mix(h, domain.unique_id);
  h = mix(h, domain.introduced ? 1 : 0);
  h = mix(h, domain.connection);
  h = mix(h, domain.gfn);
  h = mix(h, domain.remote_port);
  h = mix(h, domain.shutdown_seen ? 1 : 0);
  h = mix(h, domain.target);
  h = mix_optional(h, domain.features);
  return mix_quotas(h, domain.quotas);
}

}  // namespace

SystemHash::SystemHash(const SystemState& rest, std::size_t connections) noexcept
    : rest_(rest), hash_(mix(1, rest.domains.size())) {
  for (const auto& [domid, domain] : rest.domains) hash_ = mix_domain(mix(hash_, domid), domain);
  hash_ = mix(hash_, connections);
}

void SystemHash::add(ConnectionId id, std::uint64_t next_watch, bool frozen,
                     std::size_t watches) noexcept {
  hash_ = mix(mix(mix(hash_, id), next_watch), frozen ? 1 : 0);
  hash_ = mix(hash_, watches);
}

void SystemHash::add(std::string_view path, std::string_view token,
                     const SystemState::WatchState& watch) noexcept {
  hash_ = mix_text(mix_text(hash_, path), token);
  hash_ = mix(mix(mix_optional(hash_, watch.depth), watch.relative ? 1 : 0), watch.number);
}

std::uint64_t SystemHash::end() const noexcept { return mix_quotas(hash_, rest_.global_quotas); }

std::uint64_t state_hash(const SystemState& state) noexcept {
  SystemHash hash(state, state.connections.size());
  for (const auto& [id, connection] : state.connections) {
    hash.add(id, connection.next_watch, connection.frozen, connection.watches.size());
    for (const auto& [key, watch] : connection.watches) hash.add(key.first, key.second, watch);
  }
  return hash.end();
}

}  // namespace vxs::store
