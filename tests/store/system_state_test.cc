#include "store/system_state.hh"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "store/journal/record_codec.hh"
#include "tests/store/state_changes.hh"

namespace vxs::store::test {
namespace {

/// The plainest account of the same rules: lists, searched from end to end.
struct Model {
  struct Watch {
    ConnectionId connection;
    std::string path;
    std::string token;
    std::optional<std::uint32_t> depth;
    bool relative;
  };
  std::vector<Watch> watches;  ///< in order of registration
  std::set<ConnectionId> frozen;
  std::vector<DomainKnown> known;
  std::vector<DomainIntroduced> rings;
  std::map<DomId, bool> shutdown;
  std::map<DomId, DomId> target;
  std::map<DomId, std::uint32_t> features;
  std::map<std::pair<int, std::string>, std::uint32_t> quotas;  ///< -1: global

  void drop(ConnectionId connection) {
    std::erase_if(watches, [=](const Watch& w) { return w.connection == connection; });
    frozen.erase(connection);
  }
  void operator()(const WatchAdded& c) {
    watches.push_back(
        {c.connection, std::string(c.path), std::string(c.token), c.depth, c.relative});
  }
  void operator()(const WatchRemoved& c) {
    std::erase_if(watches, [&](const Watch& w) {
      return w.connection == c.connection && w.path == c.path && w.token == c.token;
    });
  }
  void operator()(const ConnectionReset& c) {
    drop(c.connection);
    if (c.frozen) frozen.insert(c.connection);
  }
  void operator()(const DomainKnown& c) { known.push_back(c); }
  void operator()(const DomainIntroduced& c) {
    std::erase_if(rings, [&](const auto& r) { return r.domid == c.domid; });
    rings.push_back(c);
  }
  void operator()(const DomainGone& c) {
    for (const auto& ring : rings) {
      if (ring.domid == c.domid) drop(ring.connection);
    }
    std::erase_if(rings, [&](const auto& r) { return r.domid == c.domid; });
    std::erase_if(known, [&](const auto& k) { return k.domid == c.domid; });
    std::erase_if(quotas, [&](const auto& q) { return q.first.first == int{c.domid}; });
    shutdown.erase(c.domid);
    target.erase(c.domid);
    features.erase(c.domid);
  }
  void operator()(const DomainShutdown& c) { shutdown[c.domid] = c.seen; }
  void operator()(const DomainTarget& c) { target[c.domid] = c.target; }
  void operator()(const DomainFeatures& c) { features[c.domid] = c.features; }
  void operator()(const QuotaSet& c) {
    quotas[{c.domid ? int{*c.domid} : -1, std::string(c.name)}] = c.value;
  }
};

void expect_same_watches(const Model& model, const SystemState& state) {
  // Connections with nothing to tell have no entry.
  std::set<ConnectionId> expected = model.frozen;
  for (const auto& watch : model.watches) expected.insert(watch.connection);
  std::set<ConnectionId> found;
  for (const auto& [id, connection] : state.connections) {
    found.insert(id);
    EXPECT_EQ(connection.frozen, model.frozen.contains(id));
    using Row =
        std::tuple<std::uint64_t, std::string, std::string, std::optional<std::uint32_t>, bool>;
    std::vector<Row> rows;
    for (const auto& [key, watch] : connection.watches) {
      rows.emplace_back(watch.number, key.first, key.second, watch.depth, watch.relative);
      EXPECT_LT(watch.number, connection.next_watch);
    }
    std::sort(rows.begin(), rows.end());
    std::size_t at = 0;
    for (const auto& watch : model.watches) {
      if (watch.connection != id) continue;
      ASSERT_LT(at, rows.size());
      EXPECT_EQ(rows[at],
                Row(std::get<0>(rows[at]), watch.path, watch.token, watch.depth, watch.relative));
      ++at;
    }
    EXPECT_EQ(at, rows.size());
  }
  EXPECT_EQ(found, expected);
}

void expect_same_domains(const Model& model, const SystemState& state) {
  ASSERT_EQ(state.domains.size(), model.known.size());
  std::map<std::pair<int, std::string>, std::uint32_t> quotas;
  for (const auto& [name, value] : state.global_quotas) quotas[{-1, name}] = value;
  for (const auto& known : model.known) {
    const auto& domain = state.domains.at(known.domid);
    EXPECT_EQ(domain.incarnation, known.incarnation);
    EXPECT_EQ(domain.handle, known.handle);
    EXPECT_EQ(domain.unique_id, known.unique_id);
    const auto ring = std::find_if(model.rings.begin(), model.rings.end(),
                                   [&](const auto& r) { return r.domid == known.domid; });
    ASSERT_EQ(domain.introduced, ring != model.rings.end());
    if (domain.introduced) {
      EXPECT_EQ(domain.connection, ring->connection);
      EXPECT_EQ(domain.gfn, ring->gfn);
      EXPECT_EQ(domain.remote_port, ring->remote_port);
    }
    const auto shutdown = model.shutdown.find(known.domid);
    EXPECT_EQ(domain.shutdown_seen, shutdown != model.shutdown.end() && shutdown->second);
    const auto target = model.target.find(known.domid);
    EXPECT_EQ(domain.target, target == model.target.end() ? kDomIdInvalid : target->second);
    const auto features = model.features.find(known.domid);
    EXPECT_EQ(domain.features.has_value(), features != model.features.end());
    if (domain.features) {
      EXPECT_EQ(*domain.features, features->second);
    }
    for (const auto& [name, value] : domain.quotas) quotas[{known.domid, name}] = value;
  }
  EXPECT_EQ(quotas, model.quotas);
}

TEST(SystemState, EncodedDecodedAndAppliedItIsTheModel) {
  PermTable perms;
  RecordEncoder encoder;
  RecordDecoder decoder(perms);
  OwnedStateChange made;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 random(seed);
    SystemState state;
    Model model;
    for (Seq seq = 1; seq <= 300; ++seq) {
      make_fitting_change(random, state, made);
      const StateRecord record{seq, 5, made.change};
      std::size_t size = 0;
      ASSERT_TRUE(encoder.measure(record, size));
      std::string bytes(size, '\0');
      encoder.write(record, bytes.data());
      const auto type = static_cast<std::uint16_t>(RecordEncoder::type_of(record));
      const auto decoded = decoder.decode(seq, type, bytes);
      ASSERT_TRUE(decoded.has_value());
      ASSERT_TRUE(state.apply(std::get<StateRecord>(**decoded).change));
      std::visit(model, made.change);
      expect_same_watches(model, state);
      expect_same_domains(model, state);
      ASSERT_FALSE(::testing::Test::HasFailure()) << "seed " << seed << ", change " << seq;
    }
  }
}

class SystemStateRules : public ::testing::Test {
 protected:
  SystemStateRules() {
    apply(DomainKnown{7, 3, {1, 2}, 99});
    apply(DomainIntroduced{7, 3, 40, 0xfeffd, 4});
    apply(WatchAdded{40, "/a", "t", {}, false});
    apply(WatchAdded{40, "/b", "t", 1, true});
  }
  void apply(const StateChange& change) { ASSERT_TRUE(state.apply(change)); }
  void refuse(const StateChange& change) {
    const SystemState before = state;
    EXPECT_FALSE(state.apply(change));
    EXPECT_EQ(state, before);
  }
  SystemState state;
};

TEST_F(SystemStateRules, WhatDoesNotFitIsRefusedAndChangesNothing) {
  refuse(WatchAdded{40, "/a", "t", 2, true});
  refuse(WatchRemoved{40, "/a", "other"});
  refuse(WatchRemoved{41, "/a", "t"});
  refuse(DomainIntroduced{7, 3, 41, 0, 0});
  refuse(DomainIntroduced{7, 4, 40, 0, 0});
  refuse(DomainIntroduced{8, 3, 42, 0, 0});
  refuse(DomainGone{8});
  refuse(DomainShutdown{8, true});
  refuse(DomainTarget{8, 7});
  refuse(DomainFeatures{8, 1});
  refuse(QuotaSet{8, "nodes", 1});
}

TEST_F(SystemStateRules, ADomainGoesWithItsConnectionAndAllWatches) {
  apply(WatchAdded{1, "/a", "t", {}, false});
  apply(QuotaSet{7, "nodes", 5});
  apply(DomainGone{7});
  EXPECT_TRUE(state.domains.empty());
  EXPECT_EQ(state.connections.size(), 1U);
  EXPECT_TRUE(state.connections.contains(1));
}

// A daemon without Xen forgot a domain whose end the journal refused; when somebody named that
// domid again, the record that made it known was damage to the next start.
TEST_F(SystemStateRules, Bug_AnotherLifeIsKnownThoughTheEndOfTheOneBeforeIsMissing) {
  apply(QuotaSet{7, "nodes", 5});
  apply(DomainKnown{7, 0, {}, 0});
  EXPECT_EQ(state.domains.at(7), SystemState::DomainState{});
  EXPECT_TRUE(state.connections.empty());
  apply(DomainKnown{7, 0, {3}, 0});  // the same one again keeps what it has
  apply(QuotaSet{7, "nodes", 6});
  apply(DomainKnown{7, 0, {3}, 0});
  EXPECT_EQ(state.domains.at(7).quotas.at("nodes"), 6U);
}

TEST_F(SystemStateRules, AResetDropsTheWatchesAndFreezesOrThaws) {
  apply(ConnectionReset{40, true});
  EXPECT_TRUE(state.connections.at(40).frozen);
  EXPECT_TRUE(state.connections.at(40).watches.empty());
  EXPECT_TRUE(state.domains.at(7).introduced);
  apply(ConnectionReset{40, false});
  EXPECT_FALSE(state.connections.contains(40));
}

TEST_F(SystemStateRules, IntroducedAgainTheDomainStaysWithItsNewRing) {
  apply(DomainFeatures{7, 2});
  apply(DomainIntroduced{7, 3, 40, 0x1234, 9});
  const auto& domain = state.domains.at(7);
  EXPECT_EQ(domain.gfn, 0x1234U);
  EXPECT_EQ(domain.remote_port, 9U);
  EXPECT_EQ(domain.features, 2U);
  EXPECT_EQ(domain.unique_id, 99U);
  EXPECT_EQ(state.connections.at(40).watches.size(), 2U);
}

TEST_F(SystemStateRules, WatchesKeepTheOrderOfRegistration_D10) {
  apply(WatchRemoved{40, "/a", "t"});
  apply(WatchAdded{40, "/a", "t", {}, false});
  const auto& watches = state.connections.at(40).watches;
  EXPECT_LT(watches.at({"/b", "t"}).number, watches.at({"/a", "t"}).number);
}

}  // namespace
}  // namespace vxs::store::test
