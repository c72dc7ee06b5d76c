#include "tests/store/history/scenario.hh"

#include <stdexcept>

#include "protocol/path.hh"

namespace vxs::history_test {
namespace {

using store::ChangeKind;
using store::CommitKind;

constexpr Seq kVersionsKept = 64;

store::PermRef one_entry(store::PermTable& table, DomId domid, protocol::Access access) {
  const std::array entries{protocol::PermEntry{domid, access, 0}};
  return table.intern(entries);
}

store::PermRef release_perms(store::PermTable& table) {
  const std::array entries{protocol::PermEntry{0, protocol::Access::kNone, 0},
                           protocol::PermEntry{kDomIdAny, protocol::Access::kRead, 0}};
  return table.intern(entries);
}

}  // namespace

store::Record OwnedRecord::view(std::vector<store::Change>& out) const {
  out.clear();
  for (const OwnedChange& change : changes) {
    out.push_back({change.kind, change.implicit, change.path, change.value, change.perms});
  }
  if (kind == Kind::kStart) {
    store::StartRecord record = start;
    record.boot_id = text;
    return record;
  }
  if (kind == Kind::kConflict) {
    store::ConflictRecord record = conflict;
    record.changes = out;
    record.path = text;
    return record;
  }
  store::CommitRecord record = commit;
  record.changes = out;
  record.note = text;
  return record;
}

Scenario::Scenario()
    : default_perms_(one_entry(perm_table_, 0, protocol::Access::kNone)),
      tree_(stats_, default_perms_, default_perms_, release_perms(perm_table_)) {}

store::PermRef Scenario::perms(std::initializer_list<protocol::PermEntry> entries) {
  return perm_table_.intern(std::span(entries.begin(), entries.size()));
}

OwnedRecord& Scenario::push(OwnedRecord record) {
  records_.push_back(std::move(record));
  if (keep_versions) {
    versions_.insert_or_assign(seq_, tree_);
    if (versions_.size() > kVersionsKept) versions_.erase(versions_.begin());
  }
  return records_.back();
}

std::vector<OwnedChange> Scenario::write_changes(const store::Tree& tree, std::string path,
                                                 std::string value) {
  std::vector<OwnedChange> changes;
  if (tree.find(path) != nullptr) {
    changes.push_back({ChangeKind::kWrite, std::move(path), std::move(value), {}, false});
    return changes;
  }
  const std::size_t have = tree.lookup(path).ancestor_length;
  for (std::size_t end = path.find('/', have + 1); end != std::string::npos;
       end = path.find('/', end + 1)) {
    changes.push_back({ChangeKind::kCreate, path.substr(0, end), "", default_perms_, true});
  }
  changes.push_back(
      {ChangeKind::kCreate, std::move(path), std::move(value), default_perms_, false});
  return changes;
}

OwnedRecord& Scenario::write(std::string path, std::string value, DomId domid) {
  return commit(write_changes(tree_, std::move(path), std::move(value)), CommitKind::kSingle,
                domid);
}

OwnedRecord& Scenario::remove(std::string path, DomId domid) {
  return commit({{ChangeKind::kRemove, std::move(path), "", {}, false}}, CommitKind::kSingle,
                domid);
}

OwnedRecord& Scenario::set_perms(std::string path, store::PermRef perms, DomId domid) {
  return commit({{ChangeKind::kSetPerms, std::move(path), "", std::move(perms), false}},
                CommitKind::kSingle, domid);
}

OwnedRecord& Scenario::commit(std::vector<OwnedChange> changes, CommitKind kind, DomId domid,
                              Seq base_seq) {
  OwnedRecord record;
  record.changes = std::move(changes);
  ++seq_;
  time_us_ += time_step_us;
  for (const OwnedChange& change : record.changes) {
    const store::Change view{change.kind, change.implicit, change.path, change.value, change.perms};
    if (!tree_.apply(view, seq_)) throw std::logic_error("scenario: bad change of " + change.path);
  }
  record.commit.seq = seq_;
  record.commit.time_us = time_us_;
  record.commit.origin.domid = domid;
  record.commit.origin.connection = 17;
  record.commit.kind = kind;
  record.commit.base_seq = base_seq;
  if (kind == CommitKind::kTransaction || kind == CommitKind::kMerge) record.commit.tx_id = 7;
  return push(std::move(record));
}

OwnedRecord& Scenario::conflict(std::vector<OwnedChange> changes, DomId domid, Seq base_seq,
                                std::string path, Seq blocking_seq) {
  OwnedRecord record;
  record.kind = OwnedRecord::Kind::kConflict;
  record.changes = std::move(changes);
  record.text = std::move(path);
  record.conflict.seq = ++seq_;
  record.conflict.time_us = time_us_ += time_step_us;
  record.conflict.origin.domid = domid;
  record.conflict.origin.connection = 18;
  record.conflict.tx_id = 9;
  record.conflict.base_seq = base_seq;
  record.conflict.blocking_seq = blocking_seq;
  record.conflict.request = "READ";
  return push(std::move(record));
}

OwnedRecord& Scenario::start(std::string boot_id) {
  OwnedRecord record;
  record.kind = OwnedRecord::Kind::kStart;
  record.text = std::move(boot_id);
  record.start.seq = ++seq_;
  record.start.time_us = time_us_;
  return push(std::move(record));
}

std::string Scenario::random_path(std::mt19937_64& random) {
  static const std::vector<std::string> kNames = {"a",     "b",      "ab",   "a-b",
                                                  "a_b",   "0",      "5",    "12",
                                                  "99",    "100",    "1234", "vm",
                                                  "local", "domain", "tool", "backend",
                                                  "a@b",   "00",     "vif",  std::string(300, 'n')};
  static const std::vector<std::string> kRoots = {"", "", "/local/domain", "/vm",
                                                  "/local/domain/0/backend/vif"};
  std::string path = kRoots[random() % kRoots.size()];
  const std::size_t depth = 1 + random() % 4;
  for (std::size_t i = 0; i < depth; ++i) path += '/' + kNames[random() % kNames.size()];
  return path;
}

std::string Scenario::random_value(std::mt19937_64& random) {
  static const std::vector<std::string> kValues = {"",
                                                   "1",
                                                   "2",
                                                   "3",
                                                   "hello world",
                                                   "line\nbreak\n",
                                                   "\n",
                                                   "\x1b[31mred",
                                                   "gr\xc3\xbc\xc3\x9f e",
                                                   "\"quoted\"",
                                                   std::string("nul\0nul", 7),
                                                   std::string(3000, 'v')};
  return random() % 3 == 0 ? std::to_string(random() % 100000) : kValues[random() % kValues.size()];
}

void Scenario::random_step(std::mt19937_64& random) {
  const auto domid = static_cast<DomId>(random() % 8);
  const std::string path = random_path(random);
  const bool exists = tree_.find(path) != nullptr;
  const auto dice = random() % 100;
  if (dice < 8 && exists) {
    remove(path, domid);
  } else if (dice < 15) {
    const auto perms_now = perms({{domid, protocol::Access::kNone, random() % 3},
                                  {static_cast<DomId>(random() % 9), protocol::Access::kBoth,
                                   random() % 5 == 0 ? kIncarnationStale : 0}});
    const std::array<std::string, 3> others = {"/", "@introduceDomain", "@releaseDomain"};
    set_perms(exists ? path : others[random() % 3], perms_now, domid);
  } else if (dice < 16) {
    start("boot-" + std::to_string(random() % 3));
  } else if (dice < 30 && !versions_.empty()) {
    auto base = versions_.begin();
    std::advance(base, random() % versions_.size());
    std::vector<OwnedChange> on_base = write_changes(base->second, path, random_value(random));
    if (dice < 21) {
      conflict(std::move(on_base), domid, base->first, path, seq_);
    } else {
      commit(write_changes(tree_, path, random_value(random)), CommitKind::kMerge, domid,
             base->first);
    }
  } else if (dice < 45) {
    store::Tree scratch = tree_;
    std::vector<OwnedChange> all;
    for (std::uint64_t n = 1 + random() % 6; n > 0; --n) {
      const std::string next = random_path(random);
      const bool there = scratch.find(next) != nullptr;
      std::vector<OwnedChange> some;
      if (there && random() % 3 == 0) {
        some.push_back({ChangeKind::kRemove, next, "", {}, false});
      } else {
        some = write_changes(scratch, next, random_value(random));
      }
      for (OwnedChange& change : some) {
        if (!scratch.apply({change.kind, change.implicit, change.path, change.value, change.perms},
                           seq_ + 1)) {
          throw std::logic_error("scenario: bad step");
        }
        all.push_back(std::move(change));
      }
    }
    commit(std::move(all), CommitKind::kTransaction, domid, seq_);
  } else {
    write(path, random_value(random), domid);
  }
}

}  // namespace vxs::history_test
