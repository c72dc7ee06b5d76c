#include "store/journal/inspect.hh"

#include <algorithm>
#include <utility>

#include "store/journal/checkpoint_scan.hh"
#include "store/journal/record_codec.hh"
#include "store/journal/scan.hh"
#include "store/journal/survey.hh"
#include "store/journal/system_codec.hh"
#include "store/system_state.hh"

namespace vxs::store {
namespace {

using Severity = Finding::Severity;
using State = FoundSegment::State;

tl::unexpected<JournalError> io_error(const IoError& error) {
  return tl::unexpected(JournalError{JournalError::Kind::kIo, error.code, error.what});
}

SegmentInfo describe(const FoundSegment& found) {
  SegmentInfo info;
  info.path = found.path;
  info.number = found.number;
  info.file_bytes = found.file_bytes;
  info.unused = found.state == State::kUnused;
  if (found.state != State::kActive) return info;
  info.mapped = found.identity.kind == SegmentKind::kMapped;
  info.data_bytes = info.mapped ? found.published : 0;
  info.durability = found.identity.durability;
  info.incarnation = found.identity.incarnation;
  info.boot_id = found.identity.boot_id;
  info.begins_empty = found.opening.begins_empty;
  info.first_seq = found.opening.first_seq;
  return info;
}

class Inspector {
 public:
  Inspector(Env& env, const std::string& directory, const std::string& boot_id)
      : env_(env), directory_(directory), boot_id_(boot_id), decoder_(perms_) {}

  tl::expected<JournalInspection, JournalError> run(bool deep) {
    auto survey = survey_directory(env_, directory_);
    if (!survey) return io_error(survey.error());
    for (const Seq seq : survey->checkpoints) look_at_checkpoint(seq, deep);
    for (std::size_t i = 0; i < survey->segments.size(); ++i) {
      look_at_segment(*survey, i, deep);
    }
    for (const std::string& path : survey->leftovers) {
      add(Severity::kNote,
          path + ": a checkpoint that was not finished; the next start removes it");
    }
    if (deep) {
      look_at_gaps();
      count_system();
    }
    return std::move(out_);
  }

 private:
  void add(Severity severity, std::string text) {
    out_.findings.push_back({severity, std::move(text)});
  }

  void look_at_checkpoint(Seq seq, bool deep) {
    CheckpointInfo info;
    info.path = directory_ + "/" + checkpoint_name(seq);
    info.meta.seq = seq;
    auto file = env_.open_file(info.path, false);
    if (!file) return;  // superseded meanwhile
    if (auto size = (*file)->size()) info.file_bytes = *size;
    out_.bytes += info.file_bytes;
    if (deep) {
      SystemLoader beside;
      auto meta = scan_checkpoint(
          env_, info.path, [&beside](const BlockHeader& header, std::string_view payload) {
            const bool good =
                !SystemLoader::knows(header.section) || beside.block(header.section, payload);
            return good ? BlockUse::kTaken : BlockUse::kMalformed;
          });
      info.good = meta.has_value();
      if (meta) {
        info.meta = *meta;
        system_ = std::move(beside.state());
        system_seq_ = meta->seq;
      } else if (env_.exists(info.path)) {
        add(Severity::kWarning, meta.error().message + "; recovery takes an older checkpoint");
      }
    } else {
      std::string head;
      info.good = (*file)->read_at(0, kCheckpointHeaderBytes, head).has_value() &&
                  decode_checkpoint_header(head, info.meta) == HeaderState::kGood;
    }
    if (info.good) out_.last_seq = std::max(out_.last_seq, info.meta.seq);
    out_.checkpoints.push_back(std::move(info));
  }

  void look_at_segment(const Survey& survey, std::size_t index, bool deep) {
    const FoundSegment& found = survey.segments[index];
    SegmentInfo info = describe(found);
    out_.bytes += info.file_bytes;
    if (found.state == State::kBad) {
      add(Severity::kError, found.path + " at byte 0: the segment's header is damaged");
    } else if (found.state == State::kNewerVersion) {
      add(Severity::kError, found.path + ": written by a newer vxenstored; use that one's vxs");
    } else if (found.state == State::kActive) {
      if (found.opening_inferred) {
        add(Severity::kWarning, found.path + " at byte " + std::to_string(kOpeningOffset) +
                                    ": the opening block is damaged; the first record stands in");
      }
      if (out_.first_seq == 0) out_.first_seq = info.first_seq;
      out_.last_seq = std::max(out_.last_seq, info.first_seq - 1);
      if (deep) read_records(survey, index, info);
    }
    out_.segments.push_back(std::move(info));
  }

  void read_records(const Survey& survey, std::size_t index, SegmentInfo& info) {
    const FoundSegment& found = survey.segments[index];
    auto file = env_.read_file(found.path);
    if (!file) {
      if (env_.exists(found.path)) add(Severity::kError, file.error().what);
      return;
    }
    if (found.opening.begins_empty && found.opening.first_seq > system_seq_) {
      system_ = SystemState{};
      system_seq_ = found.opening.first_seq - 1;
    }
    Seq limit = ~Seq{0};
    for (std::size_t i = index + 1; i < survey.segments.size(); ++i) {
      const FoundSegment& later = survey.segments[i];
      if (later.state == State::kActive) limit = std::min(limit, later.opening.continues_from);
    }
    const bool same_boot = boot_id_.empty() || found.identity.boot_id == boot_id_;
    SegmentScan scan(*file, found.identity, found.opening.first_seq, same_boot);
    info.last_seq = found.opening.first_seq - 1;
    SegmentScan::Step step = scan.next();
    for (; step == SegmentScan::Step::kRecord && scan.frame().seq <= limit; step = scan.next()) {
      check_record(found, scan, info);
      info.last_seq = scan.frame().seq;
      ++info.records;
    }
    info.data_bytes = scan.offset();
    out_.last_seq = std::max(out_.last_seq, info.last_seq);
    const std::string where = found.path + " at byte " + std::to_string(scan.offset()) + ": ";
    if (info.last_seq >= limit) {
      if (step != SegmentScan::Step::kEnd) {
        add(Severity::kNote, where + "what follows was abandoned after a failed write");
      }
    } else if (step == SegmentScan::Step::kDamaged) {
      add(Severity::kError, where + scan.reason() + "; the records after Seq " +
                                std::to_string(info.last_seq) + " are lost");
    } else if (step == SegmentScan::Step::kTorn) {
      add(Severity::kNote,
          where + scan.reason() + "; recovery cuts it after Seq " + std::to_string(info.last_seq));
    }
  }

  void check_record(const FoundSegment& found, const SegmentScan& scan, SegmentInfo& info) {
    const Frame& frame = scan.frame();
    auto record = decoder_.decode(frame.seq, frame.type, frame.payload);
    if (record) {
      const auto* state = std::get_if<StateRecord>(*record);
      if (state != nullptr) ++info.state_records;
      follow_system(found, frame.seq, state);
      return;
    }
    const std::string what = found.path + ": record " + std::to_string(frame.seq);
    if (record.error() == RecordDecoder::Failure::kMalformed) {
      add(Severity::kError, what + " has a right checksum and cannot be decoded");
    } else if ((frame.flags & kFrameMaySkip) != 0) {
      follow_system(found, frame.seq, nullptr);
    } else {
      add(Severity::kError, what + " has type " + std::to_string(frame.type) +
                                ", which only a newer vxenstored knows");
    }
  }

  // The state beside the tree goes from record to record; behind a hole nobody knows it.
  void follow_system(const FoundSegment& found, Seq seq, const StateRecord* state) {
    if (!system_ || seq <= system_seq_) return;
    if (seq != system_seq_ + 1) {
      system_.reset();
      return;
    }
    system_seq_ = seq;
    if (state == nullptr || system_->apply(state->change)) return;
    add(Severity::kError, found.path + ": record " + std::to_string(seq) +
                              " does not fit the domains, watches and quotas before it");
    system_.reset();
  }

  void count_system() {
    if (!system_ || system_seq_ != out_.last_seq) return;
    auto& counts = out_.system.emplace();
    counts.domains = system_->domains.size();
    for (const auto& [domid, domain] : system_->domains) counts.rings += domain.introduced ? 1 : 0;
    for (const auto& [id, connection] : system_->connections) {
      counts.watches += connection.watches.size();
    }
  }

  // From the newest good checkpoint on, or from Seq 1, no Seq may be missing.
  void look_at_gaps() {
    Seq expected = 1;
    for (const CheckpointInfo& checkpoint : out_.checkpoints) {
      if (checkpoint.good) expected = checkpoint.meta.seq + 1;
    }
    for (std::size_t i = 0; i < out_.segments.size(); ++i) {
      if (out_.segments[i].begins_empty) expected = std::max(expected, out_.segments[i].first_seq);
    }
    for (const SegmentInfo& segment : out_.segments) {
      if (segment.first_seq == 0 || segment.last_seq < segment.first_seq) continue;
      if (segment.first_seq > expected) {
        add(Severity::kError, segment.path + ": begins with Seq " +
                                  std::to_string(segment.first_seq) + ", but Seq " +
                                  std::to_string(expected) + " is nowhere");
      }
      expected = std::max(expected, segment.last_seq + 1);
    }
  }

  Env& env_;
  const std::string& directory_;
  const std::string& boot_id_;
  PermTable perms_;
  RecordDecoder decoder_;
  std::optional<SystemState> system_ = SystemState{};  ///< after record system_seq_
  Seq system_seq_ = 0;
  JournalInspection out_;
};

}  // namespace

bool JournalInspection::has_errors() const noexcept {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& f) { return f.severity == Severity::kError; });
}

tl::expected<JournalInspection, JournalError> list_journal(Env& env, const std::string& directory) {
  return Inspector(env, directory, {}).run(false);
}

tl::expected<JournalInspection, JournalError> fsck_journal(Env& env, const std::string& directory,
                                                           const std::string& boot_id) {
  return Inspector(env, directory, boot_id).run(true);
}

}  // namespace vxs::store
