// Watches of all connections and the events they get (conformance B9..B11, D1..D19).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/core/connection.hh"
#include "daemon/core/system_capture.hh"
#include "daemon/core/watches_ahead.hh"
#include "daemon/watch/watch_index.hh"
#include "protocol/error.hh"
#include "store/tree.hh"
#include "transactions/fired.hh"

#include <tl/expected.hpp>

namespace vxs::daemon {

/// One thread. Holds pointers to the watches that connections own.
class Watches {
 public:
  /// Is told before a session changes.
  explicit Watches(SystemCapture& capture) : capture_(capture) {}

  /// Of Connection::watches.
  [[nodiscard]] static std::string key(std::string_view path, std::string_view token);
  /// Adds a watch. Errors: kExist for the same path and token (depth is not compared).
  [[nodiscard]] tl::expected<Watch*, protocol::Error> add(Connection& connection, Watch watch);
  /// Errors: kNoent.
  [[nodiscard]] tl::expected<void, protocol::Error> remove(Connection& connection,
                                                           std::string_view path,
                                                           std::string_view token);
  /// Comes before every other change of a session, also where there are no watches.
  void remove_all(Connection& connection);
  [[nodiscard]] static bool has(const Connection& connection, std::string_view path,
                                std::string_view token);

  // --- made ahead ----------------------------------------------------------------
  /// Once, before there is any watch.
  void begin_with(WatchesAhead& ahead);
  /// Gives a connection without watches all those of `session`, if they were made ahead and
  /// `session` is what they were made of. False: add() them. Does not touch `next_watch`.
  [[nodiscard]] bool take(Connection& connection,
                          const store::SystemState::ConnectionState& session,
                          std::size_t hidden_prefix);
  /// What nobody took goes.
  void drop_ahead();

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t bytes() const noexcept { return index_.bytes(); }
  /// How often permission was asked (D8): for each fired path once per connection that watches it,
  /// with however many watches.
  [[nodiscard]] std::uint64_t questions() const noexcept { return questions_; }

  /// Called with each event to queue, connections in order of creation, each connection's watches
  /// in order of registration (D10). `path` is as the watcher sees it (D3).
  using Emit = std::function<void(Watch& watch, std::string_view path)>;

  /// Reports one fired path. `before` and `after` are the tree around the commit.
  void fire(const transactions::Fired& fired, const store::Tree& before, const store::Tree& after,
            const Emit& emit);

  /// Reports "@name", or with `domid` "@name/<domid>" (D18), to those who may read the special node
  /// or "/" (D19).
  void fire_special(std::string_view name, std::optional<DomId> domid, const store::Tree& tree,
                    const Emit& emit);

  /// The path a watcher is told for `path` (D3).
  [[nodiscard]] static std::string_view visible_path(const Watch& watch, std::string_view path);

 private:
  void fire_node(const transactions::Fired& fired, const store::Tree& before,
                 const store::Tree& after, const Emit& emit);
  void fire_below(const transactions::Fired& fired, const store::Tree& before, const Emit& emit);

  /// Who may hear of what (D8): may_hear()'s question without the caller.
  struct Audience {
    std::string_view path;
    const store::PermRef& old_perms;
    bool consult_parent;
    const store::Tree& tree;
  };
  /// Puts `watches` in order and tells those who may hear.
  template <class Tell>
  void deliver(std::vector<Watch*>& watches, const Audience& audience, const Tell& tell);

  /// Of those that a connection has.
  void collect(Watch* watch) {
    if (watch->connection != nullptr) matches_.push_back(watch);
  }
  void drop(const WatchesAhead::Session& session);

  SystemCapture& capture_;
  WatchIndex index_;
  /// Sessions that nobody took yet; their watches are in the index.
  std::map<ConnectionId, WatchesAhead::Session> ahead_;
  std::size_t size_ = 0;
  std::uint64_t questions_ = 0;
  std::vector<Watch*> matches_;
};

/// D8: may `caller` hear of a change of `path`? By the node's list in `tree`, the list the node had
/// before, or its parent's. A removed node is judged by what it had (D7), in a transaction by
/// nothing else (D13).
[[nodiscard]] bool may_hear(const transactions::Caller& caller, std::string_view path,
                            const store::PermRef& old_perms, bool consult_parent,
                            const store::Tree& tree);

}  // namespace vxs::daemon
