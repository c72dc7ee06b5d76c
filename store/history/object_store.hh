// Every object the writer can name: those of the pack that is being filled,
// and through libgit2 those of the repository.
#pragma once

#include <string>
#include <string_view>

#include "store/history/git_handles.hh"
#include "store/history/object_id.hh"
#include "store/history/pack_builder.hh"
#include "store/history/result.hh"

namespace vxs::store {

class ObjectStore {
 public:
  /// Opens the object database of the repository at `path`. Sets what libgit2 may keep in memory,
  /// for the whole process. Error: kDamaged.
  [[nodiscard]] static HistoryResult<ObjectStore> open(const std::string& path);

  [[nodiscard]] PackBuilder& pack() noexcept { return *pack_; }
  [[nodiscard]] const PackBuilder& pack() const noexcept { return *pack_; }
  [[nodiscard]] ObjectHasher& hasher() noexcept { return *hasher_; }

  /// Reads an object. `place`, if wanted, becomes its place in the open pack or serial 0.
  /// Error: kDamaged where it is missing, broken or of another type.
  [[nodiscard]] HistoryResult<void> read(const ObjectId& id, ObjectType type, std::string& out,
                                         PackPlace* place = nullptr);
  /// The same for an object of any type; the open pack is not looked at.
  [[nodiscard]] HistoryResult<ObjectType> read_any(const ObjectId& id, std::string& out);
  /// The commit of refs/heads/main, through libgit2. Error: kDamaged, also where there is none.
  [[nodiscard]] HistoryResult<ObjectId> read_main() const;
  /// Looks at the packs afresh and lets go of removed ones. Error: kDamaged.
  [[nodiscard]] HistoryResult<void> reopen();
  /// Lets go of all that was read and mapped; the next read opens the database again.
  void close() noexcept { database_.reset(); }

 private:
  explicit ObjectStore(std::string path) : path_(std::move(path)) {}

  std::string path_;
  std::unique_ptr<PackBuilder> pack_ = std::make_unique<PackBuilder>();
  std::unique_ptr<ObjectHasher> hasher_ = std::make_unique<ObjectHasher>();
  std::unique_ptr<GitLibrary> library_ = std::make_unique<GitLibrary>();
  GitOdb database_;
  std::uint64_t reads_ = 0;  // since the database was opened
};

}  // namespace vxs::store
