// Opens a journal: recovery, clearing up, and the right kind of writer.
#include "store/journal/journal.hh"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "store/journal/damaged_journal.hh"
#include "store/journal/disk_journal.hh"
#include "store/journal/mapped_journal.hh"
#include "store/journal/open_from.hh"
#include "store/journal/recovery.hh"
#include "store/journal/written_journal.hh"

namespace vxs::store {
namespace {

using State = FoundSegment::State;

tl::unexpected<JournalError> io_error(const IoError& error) {
  return tl::unexpected(JournalError{JournalError::Kind::kIo, error.code, error.what});
}

// Frees what the last run reserved and cuts a torn end. Best effort: where it cannot be done, the
// next segment's opening says the same to the next recovery.
std::uint64_t cut_file(Env& env, const FoundSegment& segment, std::uint64_t keep) {
  if (keep >= segment.file_bytes) return segment.file_bytes;
  auto file = env.open_file(segment.path, true);
  if (!file || !(*file)->truncate(keep)) return segment.file_bytes;
  (void)(*file)->sync();
  return keep;
}

void adopt_segments(Env& env, const Recovery& recovery, SegmentStore& store, bool touch) {
  const auto& segments = recovery.survey().segments;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const FoundSegment& found = segments[i];
    const Recovery::Verdict& verdict = recovery.verdicts()[i];
    if (verdict.remove && touch) {
      if (env.remove_file(found.path)) continue;
    }
    if (found.state != State::kActive || verdict.remove) continue;
    auto segment = std::make_shared<Segment>();
    segment->identity = found.identity;
    segment->seed = found.identity.seed();
    segment->path = found.path;
    segment->opening = found.opening;
    segment->last_seq = std::min(verdict.last_seq, recovery.last_seq());
    segment->bytes = touch ? cut_file(env, found, verdict.keep) : found.file_bytes;
    store.adopt(std::move(segment));
  }
}

// An ended life's checkpoints must not be taken for this one's.
void remove_old_life(Env& env, const JournalOptions& options, const Survey& survey) {
  for (const Seq seq : survey.checkpoints) {
    (void)env.remove_file(options.directory + "/" + checkpoint_name(seq));
  }
}

}  // namespace

tl::expected<std::unique_ptr<Journal>, JournalError> open_journal(
    Env& env, const JournalOptions& options, PermTable& perms, Tree& tree, RecoveryReport& report,
    std::function<void()> on_safe, const std::function<void(const Record&)>& on_record,
    const ReplayHook& replay) {
  return open_journal_from(nullptr, env, options, perms, tree, report, std::move(on_safe),
                           on_record, replay);
}

tl::expected<std::unique_ptr<Journal>, JournalError> open_journal_from(
    LoadedCheckpoint* loaded, Env& env, const JournalOptions& options, PermTable& perms, Tree& tree,
    RecoveryReport& report, std::function<void()> on_safe,
    const std::function<void(const Record&)>& on_record, const ReplayHook& replay) {
  report = {};
  if (auto made = env.make_directories(options.directory); !made) return io_error(made.error());
  Recovery recovery(env, options, perms, tree, report, on_record, replay, loaded);
  if (auto run = recovery.run(); !run) return tl::unexpected(run.error());
  if (recovery.damage() && !options.accept_damage) return tl::unexpected(*recovery.damage());
  if (replay.confirm) {
    if (auto confirmed = replay.confirm(tree, report); !confirmed) {
      return tl::unexpected(
          JournalError{JournalError::Kind::kIo, ECANCELED, std::move(confirmed).error()});
    }
  }

  const Survey& survey = recovery.survey();
  const bool mapped =
      options.durability == Durability::kMemory ||
      (options.durability == Durability::kProcess && env.is_memory_file_system(options.directory));
  const std::uint64_t next_number = survey.segments.empty() ? 1 : survey.segments.back().number + 1;
  auto store = std::make_shared<SegmentStore>(env, options,
                                              mapped ? SegmentKind::kMapped : SegmentKind::kWritten,
                                              report.starts + 1, next_number);
  adopt_segments(env, recovery, *store, !recovery.damage());
  if (recovery.damage()) {
    report.damage = recovery.damage()->message;
    return std::make_unique<DamagedJournal>(std::move(store), recovery.last_seq(),
                                            IoError{EIO, report.damage});
  }
  report.half_checkpoint = !survey.leftovers.empty();
  for (const std::string& path : survey.leftovers) (void)env.remove_file(path);
  // The records made up for them. Else one would count as "the one before" when the next is
  // written, and the good one would go.
  for (const Seq seq : recovery.bad_checkpoints()) {
    (void)env.remove_file(options.directory + "/" + checkpoint_name(seq));
  }

  std::unique_ptr<JournalCore> journal;
  if (mapped) {
    journal = std::make_unique<MappedJournal>(std::move(store), recovery.last_seq());
  } else if (options.durability == Durability::kDisk) {
    journal =
        std::make_unique<DiskJournal>(std::move(store), recovery.last_seq(), std::move(on_safe));
  } else {
    journal = std::make_unique<WrittenJournal>(std::move(store), recovery.last_seq());
  }
  journal->set_checkpoint(recovery.checkpoint_seq(), recovery.previous_checkpoint(),
                          recovery.bytes_since_checkpoint());
  journal->begin({recovery.last_seq() + 1, recovery.last_seq(), recovery.begins_empty()});
  if (journal->failing()) {
    report.notes.push_back("no segment could be made: writes are refused until one can");
  } else if (options.durability != Durability::kMemory) {
    journal->store()->remove_empty();
    if (recovery.begins_empty()) remove_old_life(env, options, survey);
  }
  return journal;
}

std::unique_ptr<Journal> make_refusing_journal(Env& env, const JournalOptions& options,
                                               Seq last_seq, IoError failure) {
  auto store = std::make_shared<SegmentStore>(env, options, SegmentKind::kWritten, 0, 1);
  return std::make_unique<DamagedJournal>(std::move(store), last_seq, std::move(failure));
}

}  // namespace vxs::store
