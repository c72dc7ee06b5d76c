// The implementation behind open_history_writer().
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "store/history/commit_message.hh"
#include "store/history/commit_window.hh"
#include "store/history/conflict_ring.hh"
#include "store/history/fold_rate.hh"
#include "store/history/object_store.hh"
#include "store/history/open_fold.hh"
#include "store/history/pack_keeper.hh"
#include "store/history/repository_files.hh"
#include "store/history/shadow_tree.hh"

namespace vxs::store {

class GitHistoryWriter final : public HistoryWriter {
 public:
  GitHistoryWriter(Env& env, const HistoryOptions& options);
  /// Opens the repository; to be called once, first.
  [[nodiscard]] HistoryResult<void> open();

  [[nodiscard]] Seq durable_seq() const noexcept override { return durable_seq_; }
  [[nodiscard]] HistoryResult<void> add(const Record& record) override;
  void note_lag(std::int64_t lag_us) noexcept override { lag_us_ = lag_us; }
  [[nodiscard]] bool pack_is_full() const noexcept override;
  [[nodiscard]] HistoryResult<void> publish() override;
  [[nodiscard]] HistoryResult<void> add_snapshot(const Tree& tree, Seq seq, std::int64_t time_us,
                                                 Seq gap_from, Seq gap_to, std::uint64_t changes,
                                                 std::string_view reason) override;
  [[nodiscard]] HistoryResult<bool> maintain() override;
  void rest() noexcept override;
  [[nodiscard]] HistoryStats stats() const override;

 private:
  struct Head {
    ObjectId commit;  // null: main has no commit yet
    ObjectId tree;
    Seq seq = 0;
    std::int64_t time = 0;  // of its committer, s
  };
  /// A branch commit T on a transaction's base.
  struct Branch {
    ObjectId commit;
    CommitWindow::Found base;
  };

  HistoryResult<void> read_head();
  HistoryResult<void> ready_shadow();
  HistoryResult<void> add_commit(const CommitRecord& record);
  HistoryResult<void> fold(const CommitRecord& record, const MessageParts& parts, unsigned most);
  HistoryResult<void> close_fold();
  HistoryResult<void> add_conflict(const ConflictRecord& record);
  HistoryResult<void> add_start(const StartRecord& record);
  HistoryResult<void> add_record(const Record& record);
  HistoryResult<void> add_splits(Seq seq, std::int64_t time);
  HistoryResult<Branch> write_branch(const CommitWindow::Found& base,
                                     std::span<const Change> changes, MessageParts parts,
                                     std::int64_t time);
  ObjectId write_commit(const ObjectId& tree, std::span<const ObjectId> parents,
                        std::string_view author, std::int64_t time, std::string_view message);
  void advance(const ObjectId& commit, const ObjectId& tree, Seq seq, std::int64_t time,
               Seq first_seq = 0);
  /// Applies the changes to a tree and says what the message shows of them.
  HistoryResult<std::vector<ShownChange>> apply_all(ShadowTree& tree,
                                                    std::span<const Change> changes, Seq seq,
                                                    bool loosely, bool with_values);
  HistoryResult<std::string> show(const StoredValue& value);
  void remember(const StoredValue& stored, std::string_view value);
  std::string author_of(const MessageParts& parts) const;
  HistoryResult<void> publish_conflicts();

  HistoryOptions options_;
  Redaction redaction_;
  RepositoryFiles files_;
  std::string host_;
  std::string boot_id_;
  std::unique_ptr<ObjectStore> objects_;
  std::unique_ptr<ShadowTree> shadow_;
  std::unique_ptr<CommitWindow> window_;
  std::unique_ptr<PackKeeper> keeper_;
  ConflictRing ring_;
  FoldRate rate_;
  OpenFold fold_;
  std::int64_t lag_us_ = 0;
  std::optional<HistoryError> broken_;  // an open fold was lost: only a new writer goes on
  Head head_;
  Seq last_added_ = 0;
  Seq durable_seq_ = 0;
  std::uint64_t open_commits_ = 0;
  bool shadow_ready_ = false;
  bool main_moved_ = false;
  bool ring_loaded_ = false;
  bool ring_changed_ = false;
  std::unordered_map<ObjectId, std::string, ObjectIdHash> shown_;
  std::string scratch_;
  std::optional<HistoryError> keeper_error_;  // until maintain() reports it
  HistoryStats stats_;
};

}  // namespace vxs::store
