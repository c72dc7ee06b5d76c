#include "store/system_state.hh"

#include <utility>

namespace vxs::store {
namespace {

/// One step; every overload either does all of it or returns false and nothing happened.
class Step {
 public:
  explicit Step(SystemState& state) noexcept : state_(state) {}

  bool operator()(const WatchAdded& change) {
    auto& connection = state_.connections[change.connection];
    const auto [watch, is_new] = connection.watches.try_emplace(
        std::pair(std::string(change.path), std::string(change.token)));
    if (!is_new) return false;
    watch->second = {change.depth, change.relative, connection.next_watch++};
    return true;
  }

  bool operator()(const WatchRemoved& change) {
    const auto connection = state_.connections.find(change.connection);
    if (connection == state_.connections.end()) return false;
    auto& watches = connection->second.watches;
    if (watches.erase(std::pair(std::string(change.path), std::string(change.token))) == 0) {
      return false;
    }
    if (watches.empty() && !connection->second.frozen) state_.connections.erase(connection);
    return true;
  }

  bool operator()(const ConnectionReset& change) {
    if (!change.frozen) {
      state_.connections.erase(change.connection);
      return true;
    }
    auto& connection = state_.connections[change.connection];
    connection = {};
    connection.frozen = true;
    return true;
  }

  bool operator()(const DomainKnown& change) {
    const auto [found, is_new] = state_.domains.try_emplace(change.domid);
    auto& domain = found->second;
    if (!is_new && domain.incarnation != change.incarnation) {
      // Another life: the end of the one before may be a record the journal could not take.
      if (domain.introduced) state_.connections.erase(domain.connection);
      domain = {};
    }
    domain.incarnation = change.incarnation;
    domain.handle = change.handle;
    domain.unique_id = change.unique_id;
    return true;
  }

  bool operator()(const DomainIntroduced& change) {
    auto* domain = find(change.domid);
    if (domain == nullptr || domain->incarnation != change.incarnation) return false;
    if (domain->introduced && domain->connection != change.connection) return false;
    domain->introduced = true;
    domain->connection = change.connection;
    domain->gfn = change.gfn;
    domain->remote_port = change.remote_port;
    return true;
  }

  bool operator()(const DomainGone& change) {
    const auto found = state_.domains.find(change.domid);
    if (found == state_.domains.end()) return false;
    if (found->second.introduced) state_.connections.erase(found->second.connection);
    state_.domains.erase(found);
    return true;
  }

  bool operator()(const DomainShutdown& change) {
    auto* domain = find(change.domid);
    if (domain == nullptr) return false;
    domain->shutdown_seen = change.seen;
    return true;
  }

  bool operator()(const DomainTarget& change) {
    auto* domain = find(change.domid);
    if (domain == nullptr) return false;
    domain->target = change.target;
    return true;
  }

  bool operator()(const DomainFeatures& change) {
    auto* domain = find(change.domid);
    if (domain == nullptr) return false;
    domain->features = change.features;
    return true;
  }

  bool operator()(const QuotaSet& change) {
    auto* quotas = &state_.global_quotas;
    if (change.domid) {
      auto* domain = find(*change.domid);
      if (domain == nullptr) return false;
      quotas = &domain->quotas;
    }
    quotas->insert_or_assign(std::string(change.name), change.value);
    return true;
  }

 private:
  [[nodiscard]] SystemState::DomainState* find(DomId domid) {
    const auto found = state_.domains.find(domid);
    return found == state_.domains.end() ? nullptr : &found->second;
  }

  SystemState& state_;
};

}  // namespace

bool SystemState::apply(const StateChange& change) { return std::visit(Step(*this), change); }

}  // namespace vxs::store
