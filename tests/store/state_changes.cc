#include "tests/store/state_changes.hh"

#include <iterator>

namespace vxs::store::test {
namespace {

std::uint64_t some_u64(std::mt19937_64& random) {
  switch (random() % 4) {
    case 0:
      return 0;
    case 1:
      return random();
    case 2:
      return ~std::uint64_t{0};
    default:
      return random() % 300;
  }
}
std::uint32_t some_u32(std::mt19937_64& random) {
  return static_cast<std::uint32_t>(some_u64(random));
}
DomId some_domid(std::mt19937_64& random) { return static_cast<DomId>(some_u64(random)); }

template <typename Map>
auto pick(std::mt19937_64& random, const Map& map) {
  return std::next(map.begin(), static_cast<std::ptrdiff_t>(random() % map.size()));
}

}  // namespace

void make_any_change(std::mt19937_64& random, OwnedStateChange& out) {
  out.path = random() % 5 == 0 ? "@releaseDomain" : "/" + std::string(random() % 200, 'p');
  out.token = std::string(random() % 40, static_cast<char>(random()));
  const bool yes = random() % 2 == 0;
  const std::optional<std::uint32_t> number =
      yes ? std::optional<std::uint32_t>(some_u32(random)) : std::nullopt;
  switch (random() % std::variant_size_v<StateChange>) {
    case 0:
      out.change = WatchAdded{some_u64(random), out.path, out.token, number, random() % 2 == 0};
      break;
    case 1:
      out.change = WatchRemoved{some_u64(random), out.path, out.token};
      break;
    case 2:
      out.change = ConnectionReset{some_u64(random), yes};
      break;
    case 3: {
      DomainKnown known{some_domid(random), some_u64(random), {}, some_u64(random)};
      if (yes) {
        for (auto& byte : known.handle) byte = static_cast<std::uint8_t>(random());
      }
      out.change = known;
      break;
    }
    case 4:
      out.change = DomainIntroduced{some_domid(random), some_u64(random), some_u64(random),
                                    some_u64(random), some_u32(random)};
      break;
    case 5:
      out.change = DomainGone{some_domid(random)};
      break;
    case 6:
      out.change = DomainShutdown{some_domid(random), yes};
      break;
    case 7:
      out.change = DomainTarget{some_domid(random), some_domid(random)};
      break;
    case 8:
      out.change = DomainFeatures{some_domid(random), some_u32(random)};
      break;
    default:
      out.change = QuotaSet{number ? std::optional<DomId>(some_domid(random)) : std::nullopt,
                            out.path, some_u32(random)};
      break;
  }
}

void make_fitting_change(std::mt19937_64& random, const SystemState& state, OwnedStateChange& out) {
  const auto dice = random() % 20;
  const bool yes = random() % 2 == 0;
  const ConnectionId connection = 1 + random() % 6;
  if (dice < 6) {  // a watch, or where there is one already its end
    out.path = random() % 8 == 0 ? "@introduceDomain" : "/w" + std::to_string(random() % 4);
    out.token = std::string(random() % 2, 't');
    const auto watcher = state.connections.find(connection);
    if (watcher != state.connections.end() &&
        watcher->second.watches.contains({out.path, out.token})) {
      out.change = WatchRemoved{connection, out.path, out.token};
    } else {
      WatchAdded added{connection, out.path, out.token, {}, random() % 3 == 0};
      if (yes) added.depth = static_cast<std::uint32_t>(random() % 3);
      out.change = added;
    }
    return;
  }
  if (dice == 6) {
    out.change = ConnectionReset{connection, yes};
    return;
  }
  if (dice < 9 || state.domains.empty()) {
    const auto domid = static_cast<DomId>(random() % 8);
    if (!state.domains.contains(domid)) {
      DomainKnown known{domid, random() % 100, {}, random()};
      known.handle[3] = static_cast<std::uint8_t>(random());
      out.change = known;
      return;
    }
  }
  if (dice == 9 || state.domains.empty()) {
    out.path = yes ? "nodes" : "watches";
    out.change = QuotaSet{{}, out.path, static_cast<std::uint32_t>(random() % 5000)};
    return;
  }
  const auto& [domid, domain] = *pick(random, state.domains);
  if (dice < 13) {
    DomainIntroduced ring{domid, domain.incarnation, connection, random(),
                          static_cast<std::uint32_t>(random())};
    if (domain.introduced) ring.connection = domain.connection;
    out.change = ring;
  } else if (dice < 14) {
    out.change = DomainGone{domid};
  } else if (dice < 15) {
    out.change = DomainShutdown{domid, yes};
  } else if (dice < 16) {
    out.change = DomainTarget{domid, yes ? DomId{0} : static_cast<DomId>(random())};
  } else if (dice < 17) {
    out.change = DomainFeatures{domid, static_cast<std::uint32_t>(random() % 4)};
  } else {
    out.path = yes ? "nodes" : "watches";
    out.change = QuotaSet{domid, out.path, static_cast<std::uint32_t>(random() % 5000)};
  }
}

}  // namespace vxs::store::test
