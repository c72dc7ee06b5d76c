// Keeps the number of packs small: small packs are copied into larger ones, the old ones go
// after a grace, so that a clone in flight finishes.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "store/history/object_store.hh"
#include "store/history/repository_files.hh"

namespace vxs::store {

class PackKeeper {
 public:
  /// A superseded pack stays this long.
  static constexpr std::chrono::minutes kGrace{5};

  PackKeeper(RepositoryFiles& files, ObjectStore& objects) : files_(files), objects_(objects) {}

  /// Reads what packs there are. Error: kIo.
  [[nodiscard]] HistoryResult<void> open();
  /// A pack became visible.
  void added(const ObjectId& checksum, std::uint64_t bytes);
  /// One bounded step; false when there was nothing to do.
  [[nodiscard]] HistoryResult<bool> step();
  /// Packs that readers need; superseded ones are not counted.
  [[nodiscard]] std::size_t pack_count() const noexcept { return packs_.size(); }

 private:
  struct Pack {
    std::string name;  // "pack-<hex>"
    std::uint64_t bytes = 0;
  };
  struct Obsolete {
    std::string name;
    std::chrono::steady_clock::time_point until;
  };

  RepositoryFiles& files_;
  ObjectStore& objects_;
  std::vector<Pack> packs_;
  std::vector<Obsolete> obsolete_;
};

}  // namespace vxs::store
