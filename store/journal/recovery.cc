#include "store/journal/recovery.hh"

#include <algorithm>
#include <utility>

#include "store/journal/checkpoint.hh"
#include "store/journal/scan.hh"

namespace vxs::store {
namespace {

using State = FoundSegment::State;

tl::unexpected<JournalError> io_error(const IoError& error) {
  return tl::unexpected(JournalError{JournalError::Kind::kIo, error.code, error.what});
}

tl::unexpected<JournalError> newer_version(const std::string& path, const std::string& what) {
  return tl::unexpected(
      JournalError{JournalError::Kind::kNewerVersion, 0,
                   path + ": " + what +
                       "; it was written by a newer vxenstored: start that one, or move the "
                       "journal away"});
}

}  // namespace

Recovery::Recovery(Env& env, const JournalOptions& options, PermTable& perms, Tree& tree,
                   RecoveryReport& report, const std::function<void(const Record&)>& on_record,
                   const ReplayHook& replay, LoadedCheckpoint* loaded)
    : env_(env),
      options_(options),
      tree_(tree),
      initial_(tree),
      perms_(perms),
      report_(report),
      on_record_(on_record),
      hook_(replay),
      loaded_(loaded),
      decoder_(perms) {}

bool Recovery::same_boot(const SegmentIdentity& identity) const noexcept {
  return identity.boot_id == options_.boot_id;
}

std::string Recovery::path_of(Seq checkpoint) const {
  return options_.directory + "/" + checkpoint_name(checkpoint);
}

void Recovery::set_damage(const std::string& path, std::uint64_t offset, const std::string& what) {
  if (damage_) return;
  JournalError error;
  error.kind = JournalError::Kind::kDamaged;
  error.message = path + " at byte " + std::to_string(offset) + ": " + what +
                  "; the state is known up to Seq " + std::to_string(expected_ - 1) +
                  " only. Nothing was changed. Run `vxs fsck` to see what is left";
  damage_ = std::move(error);
}

tl::expected<void, JournalError> Recovery::run() {
  auto survey = survey_directory(env_, options_.directory);
  if (!survey) return io_error(survey.error());
  survey_ = std::move(*survey);
  verdicts_.resize(survey_.segments.size());
  for (std::size_t i = 0; i < survey_.segments.size(); ++i) {
    const FoundSegment& segment = survey_.segments[i];
    if (segment.state == State::kNewerVersion) {
      return newer_version(segment.path, "the format version is unknown");
    }
    verdicts_[i].remove = segment.state == State::kUnused;
    verdicts_[i].keep = segment.file_bytes;
    if (segment.state == State::kActive) {
      report_.starts = std::max(report_.starts, segment.identity.incarnation);
    }
  }
  compute_limits();
  if (auto loaded = load_newest_checkpoint(); !loaded) return loaded;
  look_at_boot();
  if (report_.other_boot && !options_.keep_after_reboot) {
    tree_ = initial_;
    report_.system = {};
    begins_empty_ = true;
    find_highest();
    return {};
  }
  auto replayed = replay();
  if (replayed && stop_before_ != kNoLimit) {
    // A record did not fit and may be half applied: once more, up to it.
    tree_ = initial_;
    report_.system = {};
    report_.records_replayed = 0;
    if (auto loaded = load_newest_checkpoint(); !loaded) return loaded;
    replayed = replay();
  }
  if (!replayed) return replayed;
  last_seq_ = expected_ - 1;
  report_.last_seq = last_seq_;
  if (!bad_checkpoints_.empty() && *bad_checkpoints_.rbegin() > last_seq_) {
    set_damage(path_of(*bad_checkpoints_.rbegin()), 0,
               "the checkpoint is damaged, and the records before it are gone");
  }
  report_.fresh = last_seq_ == 0 && !damage_;
  return {};
}

void Recovery::compute_limits() {
  limits_.assign(survey_.segments.size(), kNoLimit);
  Seq limit = kNoLimit;
  for (std::size_t i = survey_.segments.size(); i-- > 0;) {
    limits_[i] = limit;
    const FoundSegment& segment = survey_.segments[i];
    if (segment.state == State::kActive) limit = std::min(limit, segment.opening.continues_from);
  }
  for (std::size_t i = survey_.segments.size(); i-- > 0;) {
    const FoundSegment& segment = survey_.segments[i];
    if (segment.state != State::kActive || !segment.opening.begins_empty) continue;
    base_ = i;
    base_first_ = segment.opening.first_seq;
    break;
  }
}

tl::expected<void, JournalError> Recovery::load_newest_checkpoint() {
  expected_ = base_first_;
  for (std::size_t i = survey_.checkpoints.size(); i-- > 0;) {
    const Seq seq = survey_.checkpoints[i];
    if (seq < base_first_) break;  // of a life that ended
    if (seq >= stop_before_) continue;
    auto meta = take_checkpoint(seq);
    if (meta) {
      expected_ = seq + 1;
      report_.checkpoint_seq = seq;
      report_.starts = std::max(report_.starts, meta->starts);
      report_.last_connection = std::max(report_.last_connection, meta->last_connection);
      report_.history = meta->history;
      report_.other_boot = meta->boot_id != options_.boot_id;
      return {};
    }
    if (meta.error().kind != JournalError::Kind::kDamaged) return tl::unexpected(meta.error());
    bad_checkpoints_.insert(seq);
    report_.notes.push_back(meta.error().message + "; an older state and the records are used");
  }
  return {};
}

tl::expected<CheckpointMeta, JournalError> Recovery::take_checkpoint(Seq seq) {
  if (loaded_ == nullptr || loaded_->meta.seq != seq) {
    return load_checkpoint(env_, path_of(seq), perms_, tree_, report_.system);
  }
  LoadedCheckpoint& loaded = *std::exchange(loaded_, nullptr);  // once: its system goes
  tree_ = loaded.tree;
  report_.system = std::move(loaded.system);
  return loaded.meta;
}

Seq Recovery::previous_checkpoint() const noexcept {
  Seq previous = 0;
  for (const Seq seq : survey_.checkpoints) {
    if (seq >= base_first_ && seq < checkpoint_seq()) previous = seq;
  }
  return previous;
}

void Recovery::look_at_boot() {
  for (std::size_t i = survey_.segments.size(); i-- > 0;) {
    if (survey_.segments[i].state != State::kActive) continue;
    report_.other_boot = !same_boot(survey_.segments[i].identity);
    break;
  }
}

// State of another boot that is not wanted: only its numbers count.
void Recovery::find_highest() {
  if (!survey_.checkpoints.empty()) last_seq_ = survey_.checkpoints.back();
  for (std::size_t i = 0; i < survey_.segments.size(); ++i) {
    const FoundSegment& segment = survey_.segments[i];
    if (segment.state != State::kActive) continue;
    Seq reached = segment.opening.first_seq - 1;
    std::uint64_t keep = segment.file_bytes;
    if (auto file = env_.read_file(segment.path)) {
      SegmentScan scan(*file, segment.identity, segment.opening.first_seq,
                       same_boot(segment.identity));
      while (scan.next() == SegmentScan::Step::kRecord) {
        reached = scan.frame().seq;
        const Frame& frame = scan.frame();
        if (auto record = decoder_.decode(frame.seq, frame.type, frame.payload)) note(**record);
      }
      keep = scan.offset();
    }
    verdicts_[i].last_seq = std::min(reached, limits_[i]);
    verdicts_[i].keep = keep;
    last_seq_ = std::max(last_seq_, reached);
  }
  report_.checkpoint_seq = 0;
  report_.fresh = false;
  report_.notes.push_back(
      "the state found is of an earlier boot and was left to history; Seq goes "
      "on after " +
      std::to_string(last_seq_));
}

tl::expected<void, JournalError> Recovery::replay() {
  replayed_bytes_ = 0;
  report_.segments = 0;
  bool begun = report_.checkpoint_seq != 0;
  for (std::size_t i = 0; i < survey_.segments.size(); ++i) {
    const FoundSegment& segment = survey_.segments[i];
    if (segment.state == State::kUnused) continue;
    verdicts_[i].last_seq = limits_[i];
    const bool covered = limits_[i] != kNoLimit && limits_[i] < expected_;
    if (i < base_ || covered) continue;
    if (segment.state == State::kBad) {
      unreadable_segment(i);
      return {};
    }
    if (segment.opening.first_seq > expected_) {
      missing_before(i, begun);
      return {};
    }
    begun = true;
    ++report_.segments;  // not those that only history still needs
    auto more = replay_segment(i);
    if (!more) return tl::unexpected(more.error());
    if (!*more) return {};
  }
  return {};
}

bool Recovery::survives_only_its_boot(const FoundSegment& segment) const noexcept {
  return segment.identity.durability == Durability::kProcess && !same_boot(segment.identity);
}

// The first segment of a life and every checkpoint are synced with their names: a beginning that is
// gone (`begun` false) is damage under any policy.
void Recovery::missing_before(std::size_t index, bool begun) {
  const FoundSegment& segment = survey_.segments[index];
  const std::string what = "it begins with Seq " + std::to_string(segment.opening.first_seq) +
                           ", but Seq " + std::to_string(expected_) + " is nowhere";
  if (!begun || !survives_only_its_boot(segment)) {
    set_damage(segment.path, 0, what);
    return;
  }
  report_.notes.push_back(segment.path + ": " + what + "; cut after Seq " +
                          std::to_string(expected_ - 1));
  drop_from(index);
}

// A header that cannot be read: was it ever safe?
void Recovery::unreadable_segment(std::size_t index) {
  const FoundSegment& segment = survey_.segments[index];
  const SegmentIdentity* near = nullptr;
  for (std::size_t i = 0; i < survey_.segments.size(); ++i) {
    if (survey_.segments[i].state != State::kActive) continue;
    if (near == nullptr || i < index) near = &survey_.segments[i].identity;
  }
  // Without a neighbour the checkpoint tells the boot: segments went because it covers them.
  const Durability durability = near != nullptr ? near->durability : options_.durability;
  const bool other_boot = near != nullptr ? !same_boot(*near) : report_.other_boot;
  if (durability == Durability::kProcess && other_boot) {
    report_.notes.push_back(segment.path +
                            ": the header did not survive the reboot; the records "
                            "from Seq " +
                            std::to_string(expected_) + " on are lost");
    drop_from(index);
    return;
  }
  set_damage(segment.path, 0, "the segment's header is damaged");
}

void Recovery::drop_from(std::size_t index) {
  for (std::size_t i = index; i < survey_.segments.size(); ++i) {
    if (verdicts_[i].remove) continue;
    verdicts_[i].remove = true;
    report_.bytes_cut += survey_.segments[i].file_bytes;
    report_.notes.push_back(survey_.segments[i].path +
                            ": dropped, since records before it are lost");
  }
}

// Of one that was mapped in this boot only what was published counts; the rest, up to 16 MiB, is
// room.
IoResult<std::string> Recovery::read_segment(const FoundSegment& segment) const {
  const bool bounded = segment.identity.kind == SegmentKind::kMapped &&
                       same_boot(segment.identity) && segment.published >= kSegmentHeaderBytes &&
                       segment.published < segment.file_bytes;
  if (!bounded) return env_.read_file(segment.path);
  auto file = env_.open_file(segment.path, false);
  if (!file) return tl::unexpected(file.error());
  std::string bytes;
  const auto read = (*file)->read_at(0, static_cast<std::size_t>(segment.published), bytes);
  if (!read) return tl::unexpected(read.error());
  return bytes;
}

tl::expected<bool, JournalError> Recovery::replay_segment(std::size_t index) {
  const FoundSegment& segment = survey_.segments[index];
  auto file = read_segment(segment);
  if (!file) return io_error(file.error());
  if (segment.opening_inferred) {
    report_.notes.push_back(segment.path + ": the opening block is bad; its first record was used");
  }
  SegmentScan scan(*file, segment.identity, segment.opening.first_seq, same_boot(segment.identity));
  Seq reached = segment.opening.first_seq - 1;
  for (;;) {
    const std::uint64_t at = scan.offset();
    const SegmentScan::Step step = scan.next();
    if (step == SegmentScan::Step::kRecord && scan.frame().seq <= limits_[index]) {
      auto taken = take(segment, scan.frame(), at);
      if (!taken) return tl::unexpected(taken.error());
      if (!*taken) return false;
      reached = scan.frame().seq;
      verdicts_[index].keep = scan.offset();
      continue;
    }
    verdicts_[index].last_seq = reached;
    if (step == SegmentScan::Step::kRecord) {
      verdicts_[index].keep = at;
      return true;  // the rest was abandoned
    }
    if (reached == segment.opening.first_seq - 1) verdicts_[index].keep = kSegmentHeaderBytes;
    const std::string_view rest = std::string_view(*file).substr(
        std::min<std::size_t>(static_cast<std::size_t>(scan.offset()), file->size()));
    const std::size_t last = rest.find_last_not_of('\0');
    const std::uint64_t cut = last == std::string_view::npos ? 0 : last + 1;
    return segment_ended(index, reached, step == SegmentScan::Step::kTorn,
                         step == SegmentScan::Step::kDamaged, scan.offset(), cut, scan.reason());
  }
}

bool Recovery::segment_ended(std::size_t index, Seq reached, bool torn, bool damaged,
                             std::uint64_t offset, std::uint64_t cut, const std::string& reason) {
  const FoundSegment& segment = survey_.segments[index];
  const bool last = limits_[index] == kNoLimit &&
                    std::none_of(survey_.segments.begin() + static_cast<std::ptrdiff_t>(index) + 1,
                                 survey_.segments.end(),
                                 [](const FoundSegment& s) { return s.state == State::kBad; });
  if (limits_[index] != kNoLimit && reached >= limits_[index]) {
    return true;  // what is wrong lies in an abandoned tail
  }
  const bool clean = !torn && !damaged;
  if (clean && limits_[index] == kNoLimit) return true;
  // An unreadable segment behind a clean end has the records that are missing: it is what to name.
  if (clean && index + 1 < survey_.segments.size() &&
      survey_.segments[index + 1].state == State::kBad) {
    return true;
  }
  // Under process a power cut may take any of what was written since the boot, whole blocks too.
  const bool may_cut = !damaged && (torn || !last) && (last || survives_only_its_boot(segment));
  if (!may_cut) {
    set_damage(segment.path, offset,
               reason.empty() ? "it ends with Seq " + std::to_string(reached) +
                                    ", but a later segment continues from Seq " +
                                    std::to_string(limits_[index])
                              : reason);
    return false;
  }
  report_.bytes_cut += cut;
  report_.notes.push_back(segment.path + " at byte " + std::to_string(offset) + ": " +
                          (reason.empty() ? "the rest did not survive the reboot" : reason) +
                          "; cut after Seq " + std::to_string(reached));
  drop_from(index + 1);
  return false;
}

tl::expected<bool, JournalError> Recovery::take(const FoundSegment& segment, const Frame& frame,
                                                std::uint64_t at) {
  if (frame.seq < expected_) return true;  // in the checkpoint
  if (frame.seq >= stop_before_) {
    set_damage(segment.path, at, "the record does not fit the state");
    return false;
  }
  auto record = decoder_.decode(frame.seq, frame.type, frame.payload);
  if (record) {
    const bool hooked = hook_.from && frame.seq > *hook_.from && frame.seq > seen_;
    const bool is_commit = std::holds_alternative<CommitRecord>(**record);
    std::optional<Tree> before;
    if (hooked && hook_.tell && is_commit) before = tree_;
    const bool was_introduced = hooked && had_ring(**record);
    if (!apply(**record)) {
      stop_before_ = frame.seq;
      return false;
    }
    ++report_.records_replayed;
    if (on_record_ && frame.seq > seen_) on_record_(**record);
    if (hooked) {
      note_carried_out(**record);
      if (hook_.tell && (is_commit || std::holds_alternative<StateRecord>(**record))) {
        hook_.tell({**record, before ? *before : tree_, tree_, report_.system, was_introduced});
      }
    }
    seen_ = std::max(seen_, frame.seq);
  } else if (record.error() == RecordDecoder::Failure::kMalformed) {
    set_damage(segment.path, at, "the record cannot be decoded");
    return false;
  } else if ((frame.flags & kFrameMaySkip) == 0) {
    return newer_version(segment.path, "record " + std::to_string(frame.seq) + " has type " +
                                           std::to_string(frame.type));
  }
  replayed_bytes_ += frame.bytes;
  ++expected_;
  return true;
}

void Recovery::note(const Record& record) {
  const Origin* origin = nullptr;
  if (const auto* start = std::get_if<StartRecord>(&record)) {
    report_.starts = std::max(report_.starts, start->incarnation);
    report_.history = start->history;
  } else if (const auto* conflict = std::get_if<ConflictRecord>(&record)) {
    origin = &conflict->origin;
  } else if (const auto* commit = std::get_if<CommitRecord>(&record)) {
    origin = &commit->origin;
  } else if (const auto* state = std::get_if<StateRecord>(&record)) {
    note(*state);
  }
  if (origin != nullptr) {
    report_.last_connection = std::max(report_.last_connection, origin->connection);
  }
}

void Recovery::note(const StateRecord& record) {
  ConnectionId connection = 0;
  if (const auto* watch = std::get_if<WatchAdded>(&record.change)) connection = watch->connection;
  if (const auto* reset = std::get_if<ConnectionReset>(&record.change)) {
    connection = reset->connection;
  }
  if (const auto* ring = std::get_if<DomainIntroduced>(&record.change)) {
    connection = ring->connection;
  }
  connection = std::max(connection, record.request.connection);
  report_.last_connection = std::max(report_.last_connection, connection);
}

void Recovery::note_carried_out(const Record& record) {
  RequestId request;
  CarriedOut done{.seq = record_seq(record)};
  if (const auto* commit = std::get_if<CommitRecord>(&record)) {
    request = {commit->origin.connection, commit->origin.ordinal};
    done.tx_id = commit->tx_id;
  } else if (const auto* conflict = std::get_if<ConflictRecord>(&record)) {
    request = {conflict->origin.connection, conflict->origin.ordinal};
    done.tx_id = conflict->tx_id;
    done.conflict = true;
  } else if (const auto* state = std::get_if<StateRecord>(&record)) {
    request = state->request;
  }
  if (request.connection == 0 || request.ordinal == 0) return;
  done.ordinal = request.ordinal;
  CarriedOut& newest = report_.carried_out[request.connection];
  if (done.ordinal >= newest.ordinal) newest = done;
}

/// The domain that a state record is about is introduced.
bool Recovery::had_ring(const Record& record) const {
  const auto* state = std::get_if<StateRecord>(&record);
  if (state == nullptr) return false;
  std::optional<DomId> domid;
  if (const auto* gone = std::get_if<DomainGone>(&state->change)) domid = gone->domid;
  if (const auto* ring = std::get_if<DomainIntroduced>(&state->change)) domid = ring->domid;
  if (!domid) return false;
  const auto found = report_.system.domains.find(*domid);
  return found != report_.system.domains.end() && found->second.introduced;
}

bool Recovery::apply(const Record& record) {
  note(record);
  if (const auto* state = std::get_if<StateRecord>(&record)) {
    return report_.system.apply(state->change);
  }
  const auto* commit = std::get_if<CommitRecord>(&record);
  if (commit == nullptr) return true;
  for (std::span<const Change> rest = commit->changes; !rest.empty();) {
    if (!tree_.apply_run(take_run(rest), commit->seq)) return false;
  }
  return true;
}

}  // namespace vxs::store
