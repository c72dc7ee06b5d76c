// Rebuilds the tree and the state beside it from checkpoint and segments, and judges how the log
// ends (docs/journal.md, "Recovery"). Changes no file.
#pragma once

#include <functional>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "store/journal/journal.hh"
#include "store/journal/open_from.hh"
#include "store/journal/record_codec.hh"
#include "store/journal/survey.hh"

namespace vxs::store {

class Recovery {
 public:
  Recovery(Env& env, const JournalOptions& options, PermTable& perms, Tree& tree,
           RecoveryReport& report, const std::function<void(const Record&)>& on_record,
           const ReplayHook& replay, LoadedCheckpoint* loaded = nullptr);

  /// kIo and kNewerVersion, and an end of everything: nothing can be said about the state. Damage
  /// is no error here: see damage().
  [[nodiscard]] tl::expected<void, JournalError> run();

  /// Set: `tree` is the state up to last_seq(), and safe records after it cannot be read.
  [[nodiscard]] const std::optional<JournalError>& damage() const noexcept { return damage_; }
  [[nodiscard]] Seq last_seq() const noexcept { return last_seq_; }
  [[nodiscard]] Seq checkpoint_seq() const noexcept { return report_.checkpoint_seq; }
  /// The one before checkpoint_seq(), not looked into; 0: none.
  [[nodiscard]] Seq previous_checkpoint() const noexcept;
  /// Checkpoints newer than checkpoint_seq() that could not be read.
  [[nodiscard]] const std::set<Seq>& bad_checkpoints() const noexcept { return bad_checkpoints_; }
  [[nodiscard]] std::uint64_t bytes_since_checkpoint() const noexcept { return replayed_bytes_; }
  /// The state begins anew: what was found is history only.
  [[nodiscard]] bool begins_empty() const noexcept { return begins_empty_; }
  [[nodiscard]] const Survey& survey() const noexcept { return survey_; }

  /// What is to become of each segment of survey().segments.
  struct Verdict {
    Seq last_seq = 0;        ///< last record that counts; below the first: none
    std::uint64_t keep = 0;  ///< bytes worth keeping; the file may be cut here
    bool remove = false;     ///< unused, or beyond a cut
  };
  [[nodiscard]] const std::vector<Verdict>& verdicts() const noexcept { return verdicts_; }

 private:
  [[nodiscard]] bool same_boot(const SegmentIdentity& identity) const noexcept;
  [[nodiscard]] std::string path_of(Seq checkpoint) const;
  void compute_limits();
  void look_at_boot();
  void find_highest();
  [[nodiscard]] tl::expected<void, JournalError> load_newest_checkpoint();
  [[nodiscard]] tl::expected<CheckpointMeta, JournalError> take_checkpoint(Seq seq);
  [[nodiscard]] tl::expected<void, JournalError> replay();
  [[nodiscard]] IoResult<std::string> read_segment(const FoundSegment& segment) const;
  /// False: the log ends in this segment.
  [[nodiscard]] tl::expected<bool, JournalError> replay_segment(std::size_t index);
  [[nodiscard]] tl::expected<bool, JournalError> take(const FoundSegment& segment,
                                                      const Frame& frame, std::uint64_t at);
  [[nodiscard]] bool apply(const Record& record);
  void note(const Record& record);
  void note(const StateRecord& record);
  void note_carried_out(const Record& record);
  [[nodiscard]] bool had_ring(const Record& record) const;
  [[nodiscard]] bool segment_ended(std::size_t index, Seq reached, bool torn, bool damaged,
                                   std::uint64_t offset, std::uint64_t cut,
                                   const std::string& reason);
  void unreadable_segment(std::size_t index);
  void drop_from(std::size_t index);
  void missing_before(std::size_t index, bool begun);
  [[nodiscard]] bool survives_only_its_boot(const FoundSegment& segment) const noexcept;
  void set_damage(const std::string& path, std::uint64_t offset, const std::string& what);

  static constexpr Seq kNoLimit = std::numeric_limits<Seq>::max();

  Env& env_;
  const JournalOptions& options_;
  Tree& tree_;
  const Tree initial_;
  PermTable& perms_;
  RecoveryReport& report_;
  const std::function<void(const Record&)>& on_record_;
  const ReplayHook& hook_;
  LoadedCheckpoint* loaded_;
  RecordDecoder decoder_;
  Survey survey_;
  std::vector<Seq> limits_;  ///< per segment: records above are abandoned
  std::vector<Verdict> verdicts_;
  std::size_t base_ = 0;  ///< first segment of the state's life
  Seq base_first_ = 1;    ///< first Seq of that life
  Seq expected_ = 1;
  Seq last_seq_ = 0;
  std::set<Seq> bad_checkpoints_;
  Seq stop_before_ = kNoLimit;  ///< a record that cannot be applied: replay ends before it
  Seq seen_ = 0;                ///< highest Seq that on_record and the hook were told of
  bool begins_empty_ = false;
  std::uint64_t replayed_bytes_ = 0;
  std::optional<JournalError> damage_;
};

}  // namespace vxs::store
