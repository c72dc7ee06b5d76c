// Any state to a stream and back.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "tests/store/migration/states.hh"

namespace vxs::store::migration::test {
namespace {

bool coin() { return *rc::gen::arbitrary<bool>(); }
template <typename Number>
Number below(Number bound) {
  return *rc::gen::inRange<Number>(0, bound);
}

/// A state that a stream of version 2 can carry completely.
class AnyState {
 public:
  AnyState() {
    add_domains();
    add_sockets();
    add_nodes();
    if (coin()) state.system.global_quotas["nodes"] = below(5000U);
  }

  State state;
  std::vector<LiveConnection> connections;

 private:
  void add_domains() {
    for (DomId domid = 0; domid < 7; ++domid) {
      if (domid != 0 && coin()) continue;
      auto& domain = state.system.domains[domid];
      if (domid == 0 || coin()) {
        domain.introduced = true;
        domain.unique_id = coin() ? *rc::gen::positive<std::uint64_t>() : 0;
        LiveConnection live;
        live.ring = domid;
        live.local_port = *rc::gen::arbitrary<std::uint32_t>();
        domain.connection = connect(std::move(live), domid);
      }
      if (domid != 0) domain.incarnation = domain.unique_id != 0 ? domain.unique_id : 1;
      if (coin()) domain.features = below(kOffered);
      if (coin()) domain.quotas["nodes"] = below(5000U);
      if (coin()) domain.quotas["soft-memory"] = 0;
    }
    for (auto& [domid, domain] : state.system.domains) {
      const DomId target = below<DomId>(7);
      const bool can = domid != 0 && domain.introduced && state.system.domains.contains(target);
      if (can && coin()) domain.target = target;
    }
  }
  void add_sockets() {
    for (int i = below(3); i > 0; --i) {
      LiveConnection live;
      live.fd = below(1000);
      connect(std::move(live), 0);
    }
  }
  ConnectionId connect(LiveConnection live, DomId domid) {
    live.id = connections.size() + 1;
    if (coin()) live.input = "part of a request";
    if (coin()) live.output = "the rest of a reply";
    live.partial = static_cast<std::uint16_t>(below(live.output.size() + 1));
    const std::string base = "/local/domain/" + std::to_string(domid) + "/";
    SystemState::ConnectionState session;
    for (int i = below(4); i > 0; --i) {
      SystemState::WatchState watch{.depth = {}, .relative = coin(), .number = session.next_watch};
      if (coin()) watch.depth = below(5U);
      std::string path = coin() ? "@releaseDomain" : "/w" + std::to_string(below(3));
      if (watch.relative) path = base + "w" + std::to_string(below(3));
      const bool is_new =
          session.watches.try_emplace({path, std::string(below(3U), 't')}, watch).second;
      if (is_new) ++session.next_watch;
    }
    if (!session.watches.empty()) state.system.connections[live.id] = session;
    connections.push_back(std::move(live));
    return connections.back().id;
  }
  std::vector<PermEntry> entries(DomId owner) {
    std::vector<PermEntry> list{entry(owner)};
    for (int i = below(3); i > 0; --i) {
      const auto at = std::next(state.system.domains.begin(),
                                static_cast<std::ptrdiff_t>(below(state.system.domains.size())));
      list.push_back(entry(at->first));
      if (coin()) list.back() = {.domid = kDomIdAny, .access = Access::kRead};
      if (coin()) list.back() = {.domid = below<DomId>(9), .incarnation = kIncarnationStale};
    }
    return list;
  }
  PermEntry entry(DomId domid) {
    return {.domid = domid,
            .access = static_cast<Access>(below(4)),
            .incarnation = state.system.domains[domid].incarnation};
  }
  void add_nodes() {
    state.node("/", coin() ? "root" : "", entries(0));
    std::vector<std::string> paths{""};
    // Each domain owns one, or nothing in the stream would name it.
    for (const auto& [domid, domain] : state.system.domains) {
      paths.push_back("/" + std::to_string(domid));
      state.node(paths.back(), "", entries(domid));
    }
    for (int i = below(30); i > 0; --i) {
      const std::string parent = paths[below(paths.size())];
      paths.push_back(parent + "/n" + std::to_string(i));
      state.node(paths.back(), std::string(below(20U), static_cast<char>(i)), entries(0));
    }
    state.node("@releaseDomain", "", entries(0));
    state.node("@introduceDomain", "", entries(0));
  }
};

RC_GTEST_PROP(StateStream, H8_Version2CarriesEverything, ()) {
  const AnyState any;
  std::string stream;
  const auto exported = export_to(stream, any.state, any.connections, wire::Version::k2);
  RC_ASSERT(exported.has_value());
  RC_ASSERT(exported->losses.empty());
  State again;
  const auto imported = import_from(stream, again);
  if (!imported) RC_FAIL(imported.error().message);
  RC_ASSERT(imported->notes.empty());
  RC_ASSERT(imported->connections == any.connections);
  RC_ASSERT(again.system == any.state.system);
  RC_ASSERT(again.tree.state_hash() == any.state.tree.state_hash());
  RC_ASSERT(imported->nodes == exported->nodes);
  RC_ASSERT(imported->watches == exported->watches);
}

RC_GTEST_PROP(StateStream, H8_Version1LosesWhatItSaysItLoses, ()) {
  const AnyState any;
  std::string stream;
  const auto exported = export_to(stream, any.state, any.connections, wire::Version::k1);
  RC_ASSERT(exported.has_value());
  // The same state without what was named as lost; quotas are written, for those who read them.
  SystemState expected = any.state.system;
  for (const Loss& loss : exported->losses) {
    switch (loss.kind) {
      case Loss::Kind::kWatchDepth: {
        auto& watch = expected.connections.at(loss.connection).watches.at({loss.name, loss.token});
        RC_ASSERT(watch.depth == loss.number);
        watch.depth.reset();
        break;
      }
      case Loss::Kind::kFeatures:
        RC_ASSERT(expected.domains.at(*loss.domid).features == loss.number);
        expected.domains.at(*loss.domid).features.reset();
        break;
      case Loss::Kind::kDomainQuota:
        RC_ASSERT(expected.domains.at(*loss.domid).quotas.at(loss.name) == loss.number);
        break;
      case Loss::Kind::kGlobalQuota:
        RC_ASSERT(expected.global_quotas.at(loss.name) == loss.number);
        break;
      default:
        RC_FAIL(describe(loss));
    }
  }
  State again;
  const auto imported = import_from(stream, again);
  if (!imported) RC_FAIL(imported.error().message);
  RC_ASSERT(imported->connections == any.connections);
  RC_ASSERT(again.system == expected);
  RC_ASSERT(again.tree.state_hash() == any.state.tree.state_hash());
}

RC_GTEST_PROP(StateStream, H8_AnyByteMayBeAnotherAndTheTreeStaysOrIsWhole, ()) {
  const AnyState any;
  std::string stream;
  RC_ASSERT(export_to(stream, any.state, any.connections, wire::Version::k2).has_value());
  for (int i = below(4); i >= 0; --i) stream[below(stream.size())] = *rc::gen::arbitrary<char>();
  State again;
  const auto before = again.tree.state_hash();
  const auto imported = import_from(stream, again);
  if (imported) {
    std::uint64_t nodes = 0;
    again.tree.walk([&nodes](std::string_view, const Node&) { return ++nodes != 0; });
    RC_ASSERT(nodes == again.tree.node_count());
    return;
  }
  RC_ASSERT(again.tree.state_hash() == before);
  RC_ASSERT(imported.error().offset <= stream.size());
}

}  // namespace
}  // namespace vxs::store::migration::test
