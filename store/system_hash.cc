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

std::uint64_t state_hash(const SystemState& state) noexcept {
  std::uint64_t h = mix(1, state.domains.size());
  for (const auto& [domid, domain] : state.domains) h = mix_domain(mix(h, domid), domain);
  h = mix(h, state.connections.size());
  for (const auto& [id, connection] : state.connections) {
    h = mix(mix(mix(h, id), connection.next_watch), connection.frozen ? 1 : 0);
    h = mix(h, connection.watches.size());
    for (const auto& [key, watch] : connection.watches) {
      h = mix_text(mix_text(h, key.first), key.second);
      h = mix(mix(mix_optional(h, watch.depth), watch.relative ? 1 : 0), watch.number);
    }
  }
  return mix_quotas(h, state.global_quotas);
}

}  // namespace vxs::store
