#include "store/migration/export_state.hh"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "protocol/escape.hh"
#include "protocol/migration/stream_writer.hh"
#include "protocol/path.hh"

namespace vxs::store::migration {
namespace {

namespace wire = protocol::migration;

constexpr std::size_t kPieceBytes = std::size_t{64} << 10;

class Exporter {
 public:
  Exporter(const SystemState& system, const ExportOptions& options, const StreamSink& sink)
      : system_(system), options_(options), sink_(sink), writer_(piece_, options.version) {}

  tl::expected<Exported, ExportError> run(const Tree& tree,
                                          std::span<const LiveConnection> connections) {
    put(options_.descriptors, "the descriptors");
    put_global_quotas();
    const auto is_own = [this](const LiveConnection& one) {
      return one.ring == options_.store_domid;
    };
    if (std::none_of(connections.begin(), connections.end(), is_own)) put_own_ring();
    for (const LiveConnection& one : connections) put_connection(one);
    lose_other_watches();
    tree.walk([this](std::string_view path, const Node& node) {
      ++out_.nodes;
      put_node(path, node);
      return !failed_;
    });
    for (const char* name : {"@releaseDomain", "@introduceDomain"}) {
      if (const Node* node = tree.find(name)) put_node(name, *node);
    }
    put_domains();
    put(wire::End{}, "the end");
    flush();
    if (failed_) return tl::unexpected(*failed_);
    return std::move(out_);
  }

 private:
  [[nodiscard]] bool is_old() const noexcept { return options_.version == wire::Version::k1; }

  template <typename Record>
  void put(const Record& record, std::string_view what) {
    if (failed_) return;
    if (!writer_.put(record)) {
      failed_ = {.sink_failed = false,
                 .message = protocol::escaped(what) + " does not fit a record of a state stream"};
    } else if (piece_.size() >= kPieceBytes) {
      flush();
    }
  }
  void flush() {
    if (failed_) return;
    if (!sink_(piece_)) failed_ = {.sink_failed = true, .message = "the stream cannot be written"};
    piece_.clear();
  }

  void put_global_quotas() {
    if (system_.global_quotas.empty()) return;
    std::vector<wire::QuotaValue> quotas;
    for (const auto& [name, value] : system_.global_quotas) {
      quotas.push_back({.name = name, .value = value});
      if (is_old()) {
        out_.losses.push_back({.kind = Loss::Kind::kGlobalQuota, .name = name, .number = value});
      }
    }
    put(wire::GlobalQuota{.domain = quotas, .global = {}}, "the global quotas");
  }

  void put_own_ring() {
    LiveConnection own;
    own.ring = options_.store_domid;
    const auto kept = system_.domains.find(options_.store_domid);
    if (kept != system_.domains.end() && kept->second.introduced) own.id = kept->second.connection;
    put_connection(own);
  }

  void put_connection(const LiveConnection& one) {
    wire::Connection record;
    record.id = ++last_id_;
    if (one.ring) {
      wire::RingSpec ring{.domid = *one.ring, .local_port = one.local_port};
      const auto domain = system_.domains.find(*one.ring);
      if (domain != system_.domains.end()) {
        ring.target = domain->second.target;
        if (domain->second.unique_id != 0) record.unique_id = domain->second.unique_id;
      }
      record.spec = ring;
      named_.insert(*one.ring);
    } else {
      record.spec = wire::SocketSpec{.fd = one.fd};
    }
    record.input = one.input;
    record.output = one.output;
    record.partial = one.partial;
    put(record, "connection " + std::to_string(one.id));
    ++out_.connections;
    put_watches(one);
  }

  void put_watches(const LiveConnection& one) {
    if (one.id == 0 || !carried_.insert(one.id).second) return;
    const auto session = system_.connections.find(one.id);
    if (session == system_.connections.end()) return;
    using Entry = decltype(session->second.watches)::value_type;
    std::vector<const Entry*> watches;
    for (const Entry& watch : session->second.watches) watches.push_back(&watch);
    std::sort(watches.begin(), watches.end(),
              [](const Entry* a, const Entry* b) { return a->second.number < b->second.number; });
    std::string base;
    protocol::append_domain_path(one.ring.value_or(options_.store_domid), base);
    base += '/';
    for (const Entry* watch : watches) {
      const auto& [path, token] = watch->first;
      wire::Watch record{.connection = last_id_, .path = path, .token = token};
      if (watch->second.relative && path.starts_with(base)) record.path.remove_prefix(base.size());
      // No path has so many components.
      if (watch->second.depth && *watch->second.depth < wire::kUnlimitedDepth) {
        record.depth = static_cast<std::uint16_t>(*watch->second.depth);
        if (is_old()) {
          out_.losses.push_back({.kind = Loss::Kind::kWatchDepth,
                                 .domid = one.ring,
                                 .connection = one.id,
                                 .name = path,
                                 .token = token,
                                 .number = *record.depth});
        }
      }
      put(record, "the watch on " + path);
      ++out_.watches;
    }
  }

  /// Connections that only the state knows: of sockets whose process is gone.
  void lose_other_watches() {
    for (const auto& [id, session] : system_.connections) {
      if (carried_.contains(id)) continue;
      for (const auto& [key, watch] : session.watches) {
        out_.losses.push_back({.kind = Loss::Kind::kWatch,
                               .domid = {},
                               .connection = id,
                               .name = key.first,
                               .token = key.second});
      }
    }
  }

  void put_node(std::string_view path, const Node& node) {
    perms_.clear();
    for (const protocol::PermEntry& entry : node.perms()->entries()) {
      perms_.push_back({.domid = entry.domid, .access = entry.access, .stale = is_stale(entry)});
    }
    if (!perms_.front().stale) named_.insert(perms_.front().domid);
    put(wire::Node{.perms = perms_, .path = path, .value = node.value()}, path);
  }

  [[nodiscard]] bool is_stale(const protocol::PermEntry& entry) const {
    if (entry.domid == kDomIdAny) return false;
    const auto domain = system_.domains.find(entry.domid);
    const Incarnation now = domain == system_.domains.end() ? 0 : domain->second.incarnation;
    return entry.incarnation != now;
  }

  void put_domains() {
    for (const auto& [domid, domain] : system_.domains) {
      const bool has_settings = domain.features.has_value() || !domain.quotas.empty();
      // xenstored ends itself over a domain that neither a ring nor a node made known (H10).
      if (!named_.contains(domid)) {
        if (has_settings) out_.losses.push_back({.kind = Loss::Kind::kDomain, .domid = domid});
        continue;
      }
      std::vector<wire::QuotaValue> quotas;
      for (const auto& [name, value] : domain.quotas) {
        quotas.push_back({.name = name, .value = value});
        if (is_old()) {
          out_.losses.push_back(
              {.kind = Loss::Kind::kDomainQuota, .domid = domid, .name = name, .number = value});
        }
      }
      if (is_old() && domain.features) {
        out_.losses.push_back(
            {.kind = Loss::Kind::kFeatures, .domid = domid, .number = *domain.features});
      }
      put(wire::Domain{.domid = domid,
                       .features = domain.features.value_or(options_.offered_features),
                       .quotas = quotas},
          "domain " + std::to_string(domid));
      ++out_.domains;
    }
  }

  const SystemState& system_;
  const ExportOptions& options_;
  const StreamSink& sink_;
  std::string piece_;
  wire::StreamWriter writer_;
  std::optional<ExportError> failed_;
  Exported out_;
  std::uint32_t last_id_ = 0;
  std::set<ConnectionId> carried_;  ///< their watches are in the stream
  std::set<DomId> named_;           ///< by a ring, or as the owner of a node
  std::vector<wire::NodePerm> perms_;
};

}  // namespace

tl::expected<Exported, ExportError> export_state(const Tree& tree, const SystemState& system,
                                                 std::span<const LiveConnection> connections,
                                                 const ExportOptions& options,
                                                 const StreamSink& sink) {
  return Exporter(system, options, sink).run(tree, connections);
}

std::vector<LiveConnection> rings_of(const SystemState& system) {
  std::vector<LiveConnection> rings;
  for (const auto& [domid, domain] : system.domains) {
    if (!domain.introduced) continue;
    LiveConnection ring;
    ring.id = domain.connection;
    ring.ring = domid;
    rings.push_back(std::move(ring));
  }
  std::sort(rings.begin(), rings.end(),
            [](const LiveConnection& a, const LiveConnection& b) { return a.id < b.id; });
  return rings;
}

}  // namespace vxs::store::migration
