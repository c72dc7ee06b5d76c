#include "store/journal/record_codec.hh"
#include "store/journal/state_codec.hh"
#include "store/journal/wire_fields.hh"

namespace vxs::store {
namespace {

using namespace wire;

// A list that was not among the latest this many is written again rather than searched for, so
// that a commit of many lists stays linear.
constexpr std::size_t kListsSearched = 16;

std::size_t origin_size(const Origin& origin) noexcept {
  return number_size(origin.domid) + number_size(origin.incarnation) +
         number_size(origin.connection) + number_size(extend(origin.pid)) +
         number_size(origin.uid) + bytes_size(origin.command) + number_size(origin.ordinal);
}

char* put_origin(char* out, const Origin& origin) noexcept {
  out = put_header(out, 2, origin_size(origin));
  out = put_number(out, 1, origin.domid);
  out = put_number(out, 2, origin.incarnation);
  out = put_number(out, 3, origin.connection);
  out = put_number(out, 4, extend(origin.pid));
  out = put_number(out, 5, origin.uid);
  out = put_bytes(out, 6, origin.command);
  return put_number(out, 7, origin.ordinal);
}

std::size_t entry_size(const protocol::PermEntry& entry) noexcept {
  return number_size(entry.domid) + number_size(static_cast<std::uint8_t>(entry.access)) +
         number_size(entry.incarnation);
}

std::size_t list_size(const PermSet& set) noexcept {
  std::size_t size = 0;
  for (const auto& entry : set.entries()) size += message_size(entry_size(entry));
  return size;
}

char* put_list(char* out, const PermSet& set, std::size_t size) noexcept {
  out = put_header(out, 6, size);
  for (const auto& entry : set.entries()) {
    out = put_header(out, 1, entry_size(entry));
    out = put_number(out, 1, entry.domid);
    out = put_number(out, 2, static_cast<std::uint8_t>(entry.access));
    out = put_number(out, 3, entry.incarnation);
  }
  return out;
}

bool has_value(ChangeKind kind) noexcept {
  return kind == ChangeKind::kCreate || kind == ChangeKind::kWrite;
}
bool has_perms(ChangeKind kind) noexcept {
  return kind == ChangeKind::kCreate || kind == ChangeKind::kSetPerms;
}

std::size_t change_size(const Change& change, std::uint32_t list_number) noexcept {
  return 2 + (change.implicit ? 2U : 0U) + bytes_size(change.path) +
         (has_value(change.kind) ? bytes_size(change.value) : 0) + number_size(list_number);
}

}  // namespace

RecordType RecordEncoder::type_of(const Record& record) noexcept {
  if (std::holds_alternative<CommitRecord>(record)) return RecordType::kCommit;
  if (std::holds_alternative<ConflictRecord>(record)) return RecordType::kConflict;
  if (const auto* state = std::get_if<StateRecord>(&record)) return type_of_change(state->change);
  return RecordType::kStart;
}

std::uint32_t RecordEncoder::list_number(const PermSet* set) {
  const std::size_t count = lists_.size();
  const std::size_t first = count > kListsSearched ? count - kListsSearched : 0;
  for (std::size_t i = count; i > first; --i) {
    if (lists_[i - 1] == set) return static_cast<std::uint32_t>(i);
  }
  lists_.push_back(set);
  return static_cast<std::uint32_t>(count + 1);
}

bool RecordEncoder::measure_changes(std::span<const Change> changes, std::size_t& size) {
  lists_.clear();
  list_sizes_.clear();
  list_numbers_.clear();
  for (const Change& change : changes) {
    if (change.path.empty() || change.kind < ChangeKind::kCreate ||
        change.kind > ChangeKind::kSetPerms) {
      return false;
    }
    std::uint32_t number = 0;
    if (has_perms(change.kind)) {
      if (!change.perms || change.perms->entries().empty()) return false;
      number = list_number(change.perms.get());
    }
    list_numbers_.push_back(number);
    size += message_size(change_size(change, number));
  }
  for (const PermSet* set : lists_) {
    list_sizes_.push_back(list_size(*set));
    size += message_size(list_sizes_.back());
  }
  return true;
}

char* RecordEncoder::write_changes(std::span<const Change> changes, char* out) const {
  for (std::size_t i = 0; i < lists_.size(); ++i) out = put_list(out, *lists_[i], list_sizes_[i]);
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const Change& change = changes[i];
    out = put_header(out, 7, change_size(change, list_numbers_[i]));
    out = put_number(out, 1, static_cast<std::uint8_t>(change.kind));
    if (change.implicit) out = put_number(out, 2, 1);
    out = put_bytes(out, 3, change.path);
    if (has_value(change.kind)) out = put_bytes(out, 4, change.value);
    out = put_number(out, 5, list_numbers_[i]);
  }
  return out;
}

bool RecordEncoder::measure(const Record& record, std::size_t& size) {
  size = 0;
  if (const auto* commit = std::get_if<CommitRecord>(&record)) {
    if (commit->kind < CommitKind::kSingle || commit->kind > CommitKind::kDaemon) return false;
    size = number_size(zigzag(commit->time_us)) + message_size(origin_size(commit->origin)) + 2 +
           number_size(commit->tx_id) + number_size(commit->base_seq) + bytes_size(commit->note);
    return measure_changes(commit->changes, size);
  }
  if (const auto* conflict = std::get_if<ConflictRecord>(&record)) {
    size = number_size(zigzag(conflict->time_us)) + message_size(origin_size(conflict->origin)) +
           number_size(conflict->tx_id) + number_size(conflict->base_seq) +
           bytes_size(conflict->path) + number_size(conflict->blocking_seq) +
           number_size(conflict->blocking_domid) + bytes_size(conflict->request);
    return measure_changes(conflict->changes, size);
  }
  if (const auto* state = std::get_if<StateRecord>(&record)) {
    return measure_state(*state, size);
  }
  const auto& start = std::get<StartRecord>(record);
  size = number_size(zigzag(start.time_us)) + bytes_size(start.boot_id) +
         number_size(start.incarnation) + bytes_size(start.version) +
         number_size(start.history.off) + number_size(start.history.seq);
  return true;
}

void RecordEncoder::write(const Record& record, char* out) const {
  if (const auto* commit = std::get_if<CommitRecord>(&record)) {
    out = put_number(out, 1, zigzag(commit->time_us));
    out = put_origin(out, commit->origin);
    out = put_number(out, 3, static_cast<std::uint8_t>(commit->kind));
    out = put_number(out, 4, commit->tx_id);
    out = put_number(out, 5, commit->base_seq);
    out = write_changes(commit->changes, out);
    put_bytes(out, 8, commit->note);
  } else if (const auto* conflict = std::get_if<ConflictRecord>(&record)) {
    out = put_number(out, 1, zigzag(conflict->time_us));
    out = put_origin(out, conflict->origin);
    out = put_number(out, 4, conflict->tx_id);
    out = put_number(out, 5, conflict->base_seq);
    out = write_changes(conflict->changes, out);
    out = put_bytes(out, 8, conflict->path);
    out = put_number(out, 9, conflict->blocking_seq);
    out = put_number(out, 10, conflict->blocking_domid);
    put_bytes(out, 11, conflict->request);
  } else if (const auto* state = std::get_if<StateRecord>(&record)) {
    write_state(*state, out);
  } else {
    const auto& start = std::get<StartRecord>(record);
    out = put_number(out, 1, zigzag(start.time_us));
    out = put_bytes(out, 2, start.boot_id);
    out = put_number(out, 3, start.incarnation);
    out = put_bytes(out, 4, start.version);
    out = put_number(out, 5, start.history.off);
    put_number(out, 6, start.history.seq);
  }
}

}  // namespace vxs::store
