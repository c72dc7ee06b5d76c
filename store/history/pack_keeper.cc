#include "store/history/pack_keeper.hh"

namespace vxs::store {

HistoryResult<void> PackKeeper::open() {
  const auto names = files_.pack_names();
  if (!names) return tl::unexpected(names.error());
  for (const std::string& name : *names) {
    if (name.ends_with(".idx")) packs_.push_back({name.substr(0, name.size() - 4), 0});
  }
  return {};
}

void PackKeeper::added(const ObjectId& checksum, std::uint64_t bytes) {
  packs_.push_back({"pack-" + checksum.hex(), bytes});
}

HistoryResult<bool> PackKeeper::step() { return false; }

}  // namespace vxs::store
