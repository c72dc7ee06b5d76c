#include "daemon/core/watches.hh"

#include <algorithm>

#include "protocol/path.hh"

namespace vxs::daemon {
namespace {

using protocol::Error;

/// D10: connections in order of creation, in each by registration.
void sort_for_delivery(std::vector<Watch*>& watches) {
  if (watches.size() < 2) return;
  std::sort(watches.begin(), watches.end(), [](const Watch* a, const Watch* b) {
    const auto a_id = a->connection->id();
    const auto b_id = b->connection->id();
    return a_id != b_id ? a_id < b_id : a->number < b->number;
  });
}

/// Neither half can contain a NUL.
/// G6.
std::int64_t memory_of(const Watch& watch) noexcept {
  return static_cast<std::int64_t>(watch.path.size() + watch.token.size());
}

bool may_read(const transactions::Caller& caller, const store::Node* node) {
  return node != nullptr &&
         (transactions::rights_of(caller, *node->perms()) & transactions::kRightRead) != 0;
}

}  // namespace

bool may_hear(const transactions::Caller& caller, std::string_view path,
              const store::PermRef& old_perms, bool consult_parent, const store::Tree& tree) {
  if (caller.privileged) return true;
  if (may_read(caller, tree.find(path))) return true;
  if (old_perms && (transactions::rights_of(caller, *old_perms) & transactions::kRightRead) != 0) {
    return true;
  }
  return consult_parent && may_read(caller, tree.find(protocol::parent_path(path)));
}

std::string Watches::key(std::string_view path, std::string_view token) {
  std::string key;
  key.reserve(path.size() + 1 + token.size());
  key.append(path).push_back('\0');
  key.append(token);
  return key;
}

tl::expected<Watch*, Error> Watches::add(Connection& connection, Watch watch) {
  capture_.before_change(connection);
  const auto [at, fresh] =
      connection.watches.try_emplace(key(watch.path, watch.token), std::move(watch));
  if (!fresh) return tl::unexpected(Error::kExist);
  Watch& added = at->second;
  added.connection = &connection;
  added.number = connection.next_watch++;
  if (connection.account) connection.account->add_watches(1, memory_of(added));
  index_.add(added.path, added.depth, &added);
  ++size_;
  return &added;
}

tl::expected<void, Error> Watches::remove(Connection& connection, std::string_view path,
                                          std::string_view token) {
  const auto found = connection.watches.find(key(path, token));
  if (found == connection.watches.end()) return tl::unexpected(Error::kNoent);
  capture_.before_change(connection);
  index_.remove(found->second.path, &found->second);
  if (connection.account) connection.account->add_watches(-1, -memory_of(found->second));
  connection.watches.erase(found);
  --size_;
  return {};
}

void Watches::begin_with(WatchesAhead& ahead) {
  index_.swap(ahead.index_);
  ahead_.swap(ahead.sessions_);
}

bool Watches::take(Connection& connection, const store::SystemState::ConnectionState& session,
                   std::size_t hidden_prefix) {
  const auto found = ahead_.find(connection.id());
  if (found == ahead_.end()) return false;
  const auto made = ahead_.extract(found);
  WatchesAhead::Session& taken = made.mapped();
  if (!connection.watches.empty() || !still_true(taken, session)) {
    drop(taken);
    return false;
  }
  capture_.before_change(connection);
  std::int64_t memory = 0;
  for (Watch* watch : taken.in_order) {
    watch->connection = &connection;
    if (watch->hidden_prefix != 0) watch->hidden_prefix = hidden_prefix;
    memory += memory_of(*watch);
  }
  if (connection.account) {
    connection.account->add_watches(static_cast<std::int64_t>(taken.in_order.size()), memory);
  }
  size_ += taken.in_order.size();
  connection.watches = std::move(taken.watches);  // each stays where it is
  return true;
}

void Watches::drop(const WatchesAhead::Session& session) {
  for (Watch* watch : session.in_order) index_.remove(watch->path, watch);
}

void Watches::drop_ahead() {
  for (const auto& [id, session] : ahead_) drop(session);
  ahead_.clear();
}

bool Watches::has(const Connection& connection, std::string_view path, std::string_view token) {
  return connection.watches.contains(key(path, token));
}

void Watches::remove_all(Connection& connection) {
  capture_.before_change(connection);
  for (auto& [id, watch] : connection.watches) {
    index_.remove(watch.path, &watch);
    if (connection.account) connection.account->add_watches(-1, -memory_of(watch));
  }
  size_ -= connection.watches.size();
  connection.watches.clear();
}

std::string_view Watches::visible_path(const Watch& watch, std::string_view path) {
  return path.substr(std::min(watch.hidden_prefix, path.size()));
}

void Watches::fire(const transactions::Fired& fired, const store::Tree& before,
                   const store::Tree& after, const Emit& emit) {
  if (size_ == 0 || protocol::is_special(fired.path)) return;
  if (fired.removed && fired.children_first) fire_below(fired, before, emit);
  fire_node(fired, before, after, emit);
  if (fired.removed && !fired.children_first) fire_below(fired, before, emit);
}

template <class Tell>
void Watches::deliver(std::vector<Watch*>& watches, const Audience& audience, const Tell& tell) {
  sort_for_delivery(watches);
  const Connection* asked = nullptr;
  bool may = false;
  for (Watch* watch : watches) {
    if (watch->connection != asked) {
      asked = watch->connection;
      may = may_hear(asked->caller(), audience.path, audience.old_perms, audience.consult_parent,
                     audience.tree);
      ++questions_;
    }
    if (may) tell(*watch);
  }
}

void Watches::fire_special(std::string_view name, std::optional<DomId> domid,
                           const store::Tree& tree, const Emit& emit) {
  if (size_ == 0) return;
  std::string path(name);
  if (domid) path += '/' + std::to_string(*domid);
  matches_.clear();
  index_.match(path, [this](Watch* watch) { collect(watch); });
  const store::PermRef none;
  // Its own permissions alone: who may read "/" is not thereby told of other domains.
  deliver(matches_, {.path = name, .old_perms = none, .consult_parent = false, .tree = tree},
          [&](Watch& watch) { emit(watch, path); });
}

void Watches::fire_node(const transactions::Fired& fired, const store::Tree& before,
                        const store::Tree& after, const Emit& emit) {
  matches_.clear();
  index_.match(fired.path, [this](Watch* watch) { collect(watch); });
  const bool in_transaction = !fired.children_first;
  deliver(matches_,
          {.path = fired.path,
           .old_perms = fired.old_perms,
           .consult_parent = !(fired.removed && in_transaction),
           .tree = fired.removed && !in_transaction ? before : after},
          [&](Watch& watch) { emit(watch, visible_path(watch, fired.path)); });
}

void Watches::fire_below(const transactions::Fired& fired, const store::Tree& before,
                         const Emit& emit) {
  // Watches of one path come together; only nodes that existed have changed (D6).
  std::vector<Watch*> group;
  const auto flush = [&] {
    if (group.empty()) return;
    const std::string_view path = group.front()->path;
    if (const store::Node* node = before.find(path)) {
      deliver(group,
              {.path = path,
               .old_perms = node->perms(),
               .consult_parent = fired.children_first,
               .tree = before},
              [&](Watch& watch) { emit(watch, visible_path(watch, path)); });
    }
    group.clear();
  };
  index_.match_subtree_exact(fired.path, fired.children_first, [&](Watch* watch) {
    if (watch->connection == nullptr) return;  // nobody's yet
    if (!group.empty() && group.front()->path != watch->path) flush();
    group.push_back(watch);
  });
  flush();
}

}  // namespace vxs::daemon
