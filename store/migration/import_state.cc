#include "store/migration/import_state.hh"

#include <map>
#include <optional>
#include <set>
#include <utility>

#include "protocol/escape.hh"
#include "protocol/path.hh"

namespace vxs::store::migration {
namespace {

namespace wire = protocol::migration;

/// What is wrong with a record that is right by itself; empty: nothing.
using Complaint = std::string;

class Importer {
 public:
  Importer(const ImportOptions& options, PermTable& perms, const Tree& initial)
      : options_(options), perms_(perms), tree_(initial) {}

  tl::expected<void, ImportError> run(std::string_view stream) {
    auto reader = wire::StreamReader::open(stream);
    if (!reader) return tl::unexpected(broken(reader.error()));
    out_.version = reader->version();
    // The daemon makes a first tree where "/" has never been written.
    const PermRef root_perms = tree_.root().perms();
    if (!tree_.load("/", {}, root_perms, options_.seq)) {
      return tl::unexpected(ImportError{.message = "the tree cannot be written"});
    }
    for (;;) {
      const auto record = reader->next();
      if (!record) return tl::unexpected(broken(record.error()));
      if (std::holds_alternative<wire::End>(*record)) break;
      Complaint complaint = std::visit([this](const auto& one) { return take(one); }, *record);
      if (complaint.empty()) continue;
      return tl::unexpected(ImportError{.record = reader->record(),
                                        .offset = reader->offset(),
                                        .message = "record " + std::to_string(reader->record()) +
                                                   ", byte " + std::to_string(reader->offset()) +
                                                   ": " + complaint});
    }
    finish();
    return {};
  }

  Imported out_;
  Tree& tree() noexcept { return tree_; }

 private:
  struct Session {
    ConnectionId id = 0;
    DomId domid = 0;
  };

  static ImportError broken(const wire::StreamError& error) {
    return {.record = error.record, .offset = error.offset, .message = wire::describe(error)};
  }
  void note(std::string sentence) {
    if (out_.notes.size() < kMaxImportNotes) out_.notes.push_back(std::move(sentence));
  }
  [[nodiscard]] bool is_permanent(DomId domid) const noexcept {
    return domid == 0 || domid == options_.store_domid || domid == options_.control_domid;
  }
  SystemState::DomainState& domain(DomId domid) {
    const auto [found, is_new] = out_.system.domains.try_emplace(domid);
    if (is_new && !is_permanent(domid)) found->second.incarnation = options_.seq;
    return found->second;
  }

  Complaint take(const wire::End&) { return {}; }

  Complaint take(const wire::Unknown& unknown) {
    note("a record of the unknown type " + std::to_string(unknown.type) + " was passed over");
    return {};
  }

  Complaint take(const wire::Transaction&) {
    ++transactions_;
    return {};
  }

  Complaint take(const wire::Global& global) {
    if (has_global_) return "there is a second GLOBAL_DATA";
    has_global_ = true;
    out_.descriptors = global;
    return {};
  }

  Complaint take(const wire::Connection& connection) {
    if (sessions_.size() >= kMaxImportedConnections) return "there are too many connections";
    LiveConnection live;
    live.id = options_.first_connection + sessions_.size();
    live.input = connection.input;
    live.output = connection.output;
    live.partial = connection.partial;
    Session session{.id = live.id, .domid = options_.store_domid};
    if (const auto* ring = std::get_if<wire::RingSpec>(&connection.spec)) {
      if (auto complaint = introduce(*ring, connection.unique_id, live); !complaint.empty()) {
        return complaint;
      }
      session.domid = ring->domid;
    } else {
      live.fd = std::get<wire::SocketSpec>(connection.spec).fd;
    }
    if (!sessions_.emplace(connection.id, session).second) {
      return "the connection " + std::to_string(connection.id) + " is there twice";
    }
    out_.connections.push_back(std::move(live));
    return {};
  }

  Complaint introduce(const wire::RingSpec& ring, std::optional<std::uint64_t> unique_id,
                      LiveConnection& live) {
    if (ring.domid >= kDomIdFirstReserved) {
      return "there can be no domain " + std::to_string(ring.domid);
    }
    if (ring.target != kDomIdInvalid && ring.target >= kDomIdFirstReserved) {
      return "there can be no target " + std::to_string(ring.target);
    }
    const bool was_named = out_.system.domains.contains(ring.domid);
    SystemState::DomainState& state = domain(ring.domid);
    if (state.introduced) {
      return "domain " + std::to_string(ring.domid) + " has a second ring";
    }
    state.introduced = true;
    state.connection = live.id;
    state.target = ring.target;
    if (unique_id && *unique_id != 0) {
      state.unique_id = *unique_id;
      // Permissions read before it have the other number already, and both are as good; one that
      // means "never" is none.
      const bool can_number = *unique_id != kIncarnationStale && !is_permanent(ring.domid);
      if (can_number && !was_named) state.incarnation = *unique_id;
    }
    live.ring = ring.domid;
    live.local_port = ring.local_port;
    return {};
  }

  Complaint take(const wire::Watch& watch) {
    const auto session = sessions_.find(watch.connection);
    if (session == sessions_.end()) {
      return "a watch of connection " + std::to_string(watch.connection) + ", which is unknown";
    }
    if (out_.watches >= kMaxImportedWatches) return "there are too many watches";
    const bool relative = watch.path.front() != '/' && watch.path.front() != '@';
    const auto path = protocol::canonicalize_path(watch.path,
                                                  {.base_domid = session->second.domid,
                                                   .allow_special = true,
                                                   .guest_limit = wire::kMaxStreamPath},
                                                  scratch_);
    if (!path) return "a watch on " + protocol::escaped(watch.path) + ", which is no path";
    if (watch.layout == wire::WatchLayout::kCut) {
      note("connection " + std::to_string(session->second.id) + ": the depth of the watch on " +
           protocol::escaped(*path) + " is missing in the stream; it fires at any depth");
    }
    SystemState::WatchState state{.depth = {}, .relative = relative};
    if (watch.depth) state.depth = *watch.depth;
    SystemState::ConnectionState& owner = out_.system.connections[session->second.id];
    state.number = owner.next_watch;
    const bool is_new =
        owner.watches.try_emplace(std::pair(std::string(*path), std::string(watch.token)), state)
            .second;
    if (is_new) {
      ++owner.next_watch;
      ++out_.watches;
    } else {
      note("connection " + std::to_string(session->second.id) + ": the watch on " +
           protocol::escaped(*path) + " is there twice; one was taken");
    }
    return {};
  }

  Complaint take(const wire::Node& node) {
    if (node.connection != 0) {
      if (!sessions_.contains(node.connection)) {
        return "a node of connection " + std::to_string(node.connection) + ", which is unknown";
      }
      return {};  // of a transaction, which does not survive
    }
    entries_.clear();
    for (const wire::NodePerm& perm : node.perms) {
      entries_.push_back({.domid = perm.domid, .access = perm.access, .incarnation = life(perm)});
    }
    PermRef list = perms_.intern(entries_);
    if (node.path.front() == '@') {
      if (tree_.find(node.path) == nullptr) {
        note("the special node " + protocol::escaped(node.path) + " was passed over");
      } else if (!tree_.load(node.path, {}, std::move(list), options_.seq)) {
        return "the permissions of " + protocol::escaped(node.path) + " cannot be set";
      }
      return {};
    }
    if (out_.nodes >= kMaxImportedNodes) return "there are too many nodes";
    if (node.path == "/" && std::exchange(has_root_, true)) return "the node / is there twice";
    if (!tree_.load(node.path, node.value, std::move(list), options_.seq)) {
      return "the node " + protocol::escaped(node.path) + " is there twice, or before its parent";
    }
    ++out_.nodes;
    return {};
  }

  Incarnation life(const wire::NodePerm& perm) {
    if (perm.stale) return kIncarnationStale;
    if (perm.domid >= kDomIdFirstReserved || is_permanent(perm.domid)) return 0;
    return domain(perm.domid).incarnation;
  }

  void take_quotas(std::span<const wire::QuotaValue> from,
                   std::map<std::string, std::uint32_t>& to) {
    for (const wire::QuotaValue& quota : from) {
      to.insert_or_assign(std::string(quota.name), quota.value);
    }
  }

  Complaint take(const wire::GlobalQuota& quota) {
    take_quotas(quota.domain, out_.system.global_quotas);
    for (const wire::QuotaValue& one : quota.global) {
      note("the quota " + protocol::escaped(one.name) +
           " of all domains together was passed over: there is none here");
    }
    return {};
  }

  Complaint take(const wire::Domain& record) {
    if (record.domid >= kDomIdFirstReserved) {
      note("the record of domain " + std::to_string(record.domid) +
           " was passed over: there can be none");
      return {};
    }
    if (!described_.insert(record.domid).second) {
      return "a second record of domain " + std::to_string(record.domid);
    }
    SystemState::DomainState& state = domain(record.domid);
    if (record.features && *record.features != options_.offered_features) {
      state.features = record.features;
    }
    take_quotas(record.quotas, state.quotas);
    return {};
  }

  void finish() {
    if (transactions_ != 0) {
      note(std::to_string(transactions_) + " open transactions were passed over: they end");
    }
    // A target that died is none.
    for (auto& [domid, state] : out_.system.domains) {
      if (state.target == kDomIdInvalid || out_.system.domains.contains(state.target)) continue;
      note("domain " + std::to_string(domid) + ": its target, domain " +
           std::to_string(state.target) + ", is not in the stream");
      state.target = kDomIdInvalid;
    }
  }

  const ImportOptions& options_;
  PermTable& perms_;
  Tree tree_;
  bool has_global_ = false;
  bool has_root_ = false;
  std::uint64_t transactions_ = 0;
  std::map<std::uint32_t, Session> sessions_;  ///< by their id in the stream
  std::set<DomId> described_;
  std::vector<protocol::PermEntry> entries_;
  std::string scratch_;
};

}  // namespace

tl::expected<Imported, ImportError> import_state(std::string_view stream,
                                                 const ImportOptions& options, PermTable& perms,
                                                 Tree& tree) {
  Importer importer(options, perms, tree);
  if (auto done = importer.run(stream); !done) return tl::unexpected(std::move(done.error()));
  tree = importer.tree();
  return std::move(importer.out_);
}

}  // namespace vxs::store::migration
