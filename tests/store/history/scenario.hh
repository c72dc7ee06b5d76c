// Makes records as the daemon would, together with the trees they lead to.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "store/record.hh"
#include "store/tree.hh"

namespace vxs::history_test {

/// A change that owns its strings.
struct OwnedChange {
  store::ChangeKind kind = store::ChangeKind::kWrite;
  std::string path;
  std::string value;
  store::PermRef perms;
  bool implicit = false;
};

/// A record that owns everything it names.
struct OwnedRecord {
  store::CommitRecord commit;
  store::ConflictRecord conflict;
  store::StartRecord start;
  enum class Kind : std::uint8_t { kCommit, kConflict, kStart } kind = Kind::kCommit;
  std::vector<OwnedChange> changes;
  std::string text;  ///< note, path of a conflict or boot id

  /// A record with views into this object.
  [[nodiscard]] store::Record view(std::vector<store::Change>& changes_out) const;
};

/// Grows a tree change by change and remembers every version's handle and the records.
class Scenario {
 public:
  Scenario();

  [[nodiscard]] store::PermRef perms(std::initializer_list<protocol::PermEntry> entries);
  [[nodiscard]] const store::Tree& tree() const { return tree_; }
  [[nodiscard]] Seq last_seq() const { return seq_; }
  [[nodiscard]] std::deque<OwnedRecord>& records() { return records_; }
  /// The tree right after record `seq` (as far as keep_versions is on).
  [[nodiscard]] const store::Tree& at(Seq seq) const { return versions_.at(seq); }
  bool keep_versions = true;
  std::int64_t time_step_us = 250'000;  ///< between records

  /// What a WRITE of `path` does: missing ancestors are created.
  [[nodiscard]] std::vector<OwnedChange> write_changes(const store::Tree& tree, std::string path,
                                                       std::string value);
  OwnedRecord& write(std::string path, std::string value, DomId domid = 0);
  OwnedRecord& remove(std::string path, DomId domid = 0);
  OwnedRecord& set_perms(std::string path, store::PermRef perms, DomId domid = 0);
  OwnedRecord& commit(std::vector<OwnedChange> changes, store::CommitKind kind, DomId domid = 0,
                      Seq base_seq = 0);
  OwnedRecord& conflict(std::vector<OwnedChange> changes, DomId domid, Seq base_seq,
                        std::string path, Seq blocking_seq);
  OwnedRecord& start(std::string boot_id);
  /// One random record of any kind, a merge or a conflict among them.
  void random_step(std::mt19937_64& random);

 private:
  OwnedRecord& push(OwnedRecord record);
  std::string random_path(std::mt19937_64& random);
  std::string random_value(std::mt19937_64& random);

  store::PermTable perm_table_;
  store::TreeStats stats_;
  store::PermRef default_perms_;
  store::Tree tree_;
  std::map<Seq, store::Tree> versions_;
  std::deque<OwnedRecord> records_;
  Seq seq_ = 0;
  std::int64_t time_us_ = 1'700'000'000'000'000;
};

}  // namespace vxs::history_test
