// The repository as files: its skeleton, what a crash may have left, and the order in which a pack
// and a ref become visible.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "store/history/object_id.hh"
#include "store/history/pack_builder.hh"
#include "store/history/result.hh"

namespace vxs::store {

class RepositoryFiles {
 public:
  RepositoryFiles(Env& env, std::string path, bool sync)
      : env_(env), path_(std::move(path)), sync_(sync) {}

  /// Makes the repository unless it is there (HEAD comes last, so that a half-made one is made
  /// again), and removes stale locks, temporary files and packs without an index. Error: kIo.
  [[nodiscard]] HistoryResult<void> prepare(const HistoryOptions& options);

  /// Makes a pack visible: pack, fsync, idx, fsync, rename pack, rename idx, fsync directory.
  /// After an error nothing of it is visible; it can be tried again. A spooled pack's file is
  /// moved.
  [[nodiscard]] HistoryResult<void> publish_pack(const FinishedPack& pack);
  /// Moves refs/heads/main under its lock. Error: kIo (EEXIST: somebody holds the lock).
  [[nodiscard]] HistoryResult<void> write_main(const ObjectId& id);
  /// Replaces packed-refs under its lock.
  [[nodiscard]] HistoryResult<void> write_packed_refs(std::string_view text);
  /// packed-refs as it is; "" if there is none.
  [[nodiscard]] HistoryResult<std::string> read_packed_refs();
  /// The commit main points to, null if there is none yet. Errors: kIo, kDamaged.
  [[nodiscard]] HistoryResult<ObjectId> read_main();

  /// A small file of ours below vxenstored/: "" if it is missing.
  [[nodiscard]] HistoryResult<std::string> read_own(std::string_view name);
  [[nodiscard]] HistoryResult<void> write_own(std::string_view name, std::string_view text);

  /// Puts `text` at `<repository>/<name>` by way of vxenstored/tmp.
  [[nodiscard]] HistoryResult<void> replace_file(const std::string& name, std::string_view text);
  /// The same for what `fill` writes into the new file.
  using Fill = std::function<IoResult<void>(EnvFile&)>;
  [[nodiscard]] HistoryResult<void> replace_with(const std::string& name, const Fill& fill);
  [[nodiscard]] HistoryResult<void> remove(const std::string& name);
  /// Where a pack that is too large for memory is made: "<repository>/vxenstored/tmp/<name>".
  [[nodiscard]] PackSpool spool(std::string_view name, std::size_t memory);
  /// Names in objects/pack.
  [[nodiscard]] HistoryResult<std::vector<std::string>> pack_names();
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] Env& env() noexcept { return env_; }

 private:
  /// Removes a file of ours that a failure left; what cannot be removed now is removed before the
  /// next write.
  void discard(const std::string& path);
  HistoryResult<void> clear_litter();
  HistoryResult<void> write_new(const std::string& path, const Fill& fill);
  HistoryResult<void> write_new(const std::string& path, std::string_view text);
  HistoryResult<void> write_locked(const std::string& name, std::string_view text);
  HistoryResult<void> make_skeleton(const HistoryOptions& options);
  HistoryResult<void> clean_up();
  HistoryResult<void> sync_directory(const std::string& path);

  Env& env_;
  std::string path_;
  bool sync_;
  std::vector<std::string> litter_;  // what discard() could not remove
};

}  // namespace vxs::store
