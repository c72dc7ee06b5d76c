#include "tests/store/journal/workload.hh"

#include <chrono>
#include <cstdlib>
#include <thread>
#include <utility>

namespace vxs::store::test {

JournalOptions small_options(Durability durability) {
  JournalOptions options;
  options.directory = kDirectory;
  options.durability = durability;
  options.segment_bytes = 16384;
  options.budget_bytes = 64 * 16384;
  options.boot_id = kBoot;
  return options;
}

PermRef make_perms(PermTable& table, DomId owner, DomId reader) {
  const protocol::PermEntry entries[] = {{owner, protocol::Access::kNone, 0},
                                         {reader, protocol::Access::kRead, reader}};
  return table.intern(entries);
}

World::World()
    : root_perms(make_perms(perms, 0, 0)),
      tree(stats, root_perms, make_perms(perms, 0, 1), make_perms(perms, 0, 2)) {}

Workload::Workload(Env& e, JournalOptions o, std::uint64_t seed)
    : env(e), options(std::move(o)), random(seed) {
  hashes[0] = World().tree.state_hash();
  systems[0] = std::make_shared<SystemState>();
}

bool Workload::open() {
  journal.reset();
  unsafe.clear();
  seen.clear();
  world = std::make_unique<World>();
  auto opened = open_journal(
      env, options, world->perms, world->tree, report, [] {},
      [this](const Record& record) { seen.push_back(record_seq(record)); }, replay);
  if (!opened) {
    error = opened.error();
    return false;
  }
  journal = std::move(*opened);
  system = report.system;
  unsafe.emplace(journal->last_seq(), world->tree);
  return true;
}

std::string Workload::random_node() {
  std::string path = "/";
  for (int depth = 0; depth < 4; ++depth) {
    const Node* node = world->tree.find(path);
    if (node == nullptr || node->child_count() == 0 || random() % 4 == 0) break;
    auto skip = random() % node->child_count();
    NodeCursor c(*node);
    while (skip-- > 0) c.next();
    path += (path.size() > 1 ? "/" : "") + std::string(c->name());
  }
  return path;
}

Change Workload::random_change(std::vector<std::string>& strings, std::size_t value_bytes) {
  Change change;
  std::string path = random_node();
  std::string value(random() % (value_bytes + 1), static_cast<char>(random()));
  const auto dice = random() % 10;
  if (dice < 5 && world->tree.node_count() < 60) {
    change.kind = ChangeKind::kCreate;
    change.implicit = random() % 2 == 0;
    path += (path.size() > 1 ? "/" : "") + std::string("n") + std::to_string(random() % 1000000);
    change.perms = make_perms(world->perms, static_cast<DomId>(random() % 8),
                              static_cast<DomId>(random() % 8));
  } else if (dice < 8 || (dice == 8 && path == "/")) {
    change.kind = ChangeKind::kWrite;
  } else if (dice == 8) {
    change.kind = ChangeKind::kRemove;
  } else {
    change.kind = ChangeKind::kSetPerms;
    if (random() % 4 == 0) path = "@releaseDomain";
    change.perms = make_perms(world->perms, static_cast<DomId>(random() % 8),
                              static_cast<DomId>(random() % 8));
  }
  strings.push_back(std::move(path));
  change.path = strings.back();
  if (change.kind == ChangeKind::kCreate || change.kind == ChangeKind::kWrite) {
    strings.push_back(std::move(value));
    change.value = strings.back();
  }
  return change;
}

RequestId Workload::note_request(Seq seq, ConnectionId connection, std::size_t kind) {
  kinds[seq] = kind;
  return requests[seq] = {connection, seq % 4 == 0 ? 0 : 1000 + seq};
}

bool Workload::commit_state(Seq seq) {
  OwnedStateChange made;
  make_fitting_change(random, system, made);
  if (!journal->append(StateRecord{seq, 11, made.change, note_request(seq, 1 + seq % 50, 3)}))
    return false;
  if (!system.apply(made.change)) std::abort();  // the generator's error
  hashes[seq] = world->tree.state_hash();
  systems[seq] = std::make_shared<SystemState>(system);
  unsafe.insert_or_assign(seq, world->tree);
  note_safe();
  return true;
}

bool Workload::commit(std::size_t changes, std::size_t value_bytes) {
  Tree& tree = world->tree;
  const Tree before = tree;
  const Seq seq = journal->last_seq() + 1;
  std::vector<std::string> strings;
  std::vector<Change> steps;
  strings.reserve(2 * changes + 2);  // views point into them
  Record record;
  const auto dice = random() % 20;
  if (dice >= 15) return commit_state(seq);
  if (dice == 0) {
    (void)note_request(seq, 0, 2);
    record = StartRecord{.seq = seq,
                         .time_us = 7,
                         .boot_id = options.boot_id,
                         .incarnation = report.starts + 1,
                         .version = "test"};
  } else {
    const std::size_t count = 1 + random() % changes;
    for (std::size_t i = 0; i < count; ++i) {
      Change change = random_change(strings, value_bytes);
      if (dice != 1 && !tree.apply(change, seq)) continue;
      steps.push_back(std::move(change));
    }
    const RequestId request = note_request(seq, 1 + random() % 50, dice == 1 ? 1 : 0);
    const Origin origin{.domid = 3,
                        .incarnation = 9,
                        .connection = request.connection,
                        .pid = 42,
                        .uid = 1000,
                        .command = "xl",
                        .ordinal = request.ordinal};
    if (dice == 1) {
      record = ConflictRecord{.seq = seq,
                              .time_us = -5,
                              .origin = origin,
                              .tx_id = 8,
                              .base_seq = seq / 2,
                              .changes = steps,
                              .path = "/a",
                              .blocking_seq = seq - 1,
                              .blocking_domid = 4,
                              .request = "READ"};
    } else {
      record = CommitRecord{.seq = seq,
                            .time_us = 1234567,
                            .origin = origin,
                            .kind = CommitKind::kTransaction,
                            .tx_id = 1,
                            .base_seq = seq - 1,
                            .changes = steps,
                            .note = ""};
    }
  }
  if (!journal->append(record)) {
    tree = before;
    return false;
  }
  hashes[seq] = tree.state_hash();
  systems[seq] = std::make_shared<SystemState>(system);
  unsafe.insert_or_assign(seq, tree);
  note_safe();
  return true;
}

void Workload::note_safe() {
  const Seq safe = journal->safe_seq();
  promised = std::max(promised, safe);
  unsafe.erase(unsafe.begin(), unsafe.lower_bound(safe));
}

void Workload::roll_back() {
  journal->rollback();
  note_safe();
  const auto at = unsafe.find(journal->last_seq());
  if (at == unsafe.end()) return;  // the hash at the next recovery will tell
  world->tree = at->second;
  system = *systems.at(journal->last_seq());
  unsafe.erase(std::next(at), unsafe.end());
}

bool Workload::flush() {
  const auto flushed = journal->flush();
  if (!flushed) roll_back();
  note_safe();
  return flushed.has_value();
}

bool Workload::handle_failure() {
  if (journal->take_failure()) return false;
  roll_back();
  return true;
}

bool Workload::wait_safe() {
  if (!flush()) return false;
  while (journal->safe_seq() != journal->last_seq()) {
    if (handle_failure()) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  note_safe();
  return true;
}

bool Workload::checkpoint() {
  if (!wait_safe()) return false;
  const CheckpointMeta meta{.seq = journal->last_seq(),
                            .time_us = 99,
                            .boot_id = options.boot_id,
                            .starts = report.starts + 1,
                            .last_connection = 50,
                            .clean_shutdown = false};
  if (!write_checkpoint(env, options.directory, meta, world->tree, system)) return false;
  journal->checkpoint_done(meta.seq);
  return true;
}

}  // namespace vxs::store::test
