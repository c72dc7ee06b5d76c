// A store with its journal, driven at random, that remembers what it was promised.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "store/journal/checkpoint.hh"
#include "store/journal/journal.hh"
#include "tests/store/state_changes.hh"

namespace vxs::store::test {

inline constexpr const char* kDirectory = "/journal";
inline constexpr const char* kBoot = "0a1b2c3d-0000-4000-8000-000000000001";
inline constexpr const char* kOtherBoot = "0a1b2c3d-0000-4000-8000-000000000002";

/// Small segments, so that a test crosses many of their borders.
[[nodiscard]] JournalOptions small_options(Durability durability);

/// A tree with what it needs to live.
struct World {
  World();
  PermTable perms;
  TreeStats stats;
  PermRef root_perms;
  Tree tree;
};

[[nodiscard]] PermRef make_perms(PermTable& table, DomId owner, DomId reader);

/// The one that runs: a tree and a journal in step, as the daemon keeps them.
class Workload {
 public:
  Workload(Env& env, JournalOptions options, std::uint64_t seed);

  /// Opens the journal on a new World and replays. False: `error` says why.
  [[nodiscard]] bool open();
  /// A random valid commit of 1..`changes` changes (a conflict or start record now and then).
  /// False: the journal refused it, and the tree is as before.
  bool commit(std::size_t changes = 3, std::size_t value_bytes = 20);
  /// flush(), with rollback where it fails.
  bool flush();
  /// kDisk: waits until all is safe or has failed (then it rolls back). True if all is safe.
  bool wait_safe();
  /// Writes a checkpoint of tree and system now, tells the journal.
  bool checkpoint();
  /// `system` is what it was when the journal's last record was appended.
  [[nodiscard]] bool system_is_as_recorded() const {
    return system == *systems.at(journal->last_seq());
  }
  /// Takes a pending failure, if any, and rolls back.
  bool handle_failure();
  /// Destroys the journal as a kill would leave it: env must be frozen or dead already.
  void drop() { journal.reset(); }

  /// state_hash after each Seq as appended last (rolled back ones are overwritten).
  std::map<Seq, std::uint64_t> hashes;
  /// The same of the state beside the tree.
  std::map<Seq, std::shared_ptr<const SystemState>> systems;
  /// The request each record said it carried out, if it named one.
  std::map<Seq, RequestId> requests;
  std::map<Seq, std::size_t> kinds;  ///< index into Record
  Seq promised = 0;                  ///< highest safe_seq seen

  Env& env;
  JournalOptions options;
  std::mt19937_64 random;
  std::unique_ptr<World> world;
  SystemState system;
  std::unique_ptr<Journal> journal;
  RecoveryReport report;
  JournalError error;
  std::vector<Seq> seen;  ///< Seqs on_record told at the last open
  ReplayHook replay;      ///< for open()
  /// Trees of records that are not safe yet, by Seq; the last safe one is kept.
  std::map<Seq, Tree> unsafe;

 private:
  [[nodiscard]] bool commit_state(Seq seq);
  /// Notes what the record names. Ordinals of a connection rise, as the daemon counts them.
  RequestId note_request(Seq seq, ConnectionId connection, std::size_t kind);
  void note_safe();
  void roll_back();
  [[nodiscard]] Change random_change(std::vector<std::string>& strings, std::size_t value_bytes);
  [[nodiscard]] std::string random_node();
};

}  // namespace vxs::store::test
