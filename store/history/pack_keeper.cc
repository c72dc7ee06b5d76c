#include "store/history/pack_keeper.hh"

#include <algorithm>
#include <array>
#include <string_view>

#include "store/history/pack_merge.hh"

namespace vxs::store {
namespace {

constexpr std::array<std::uint64_t, 3> kTierLimits{64U << 10U, 512U << 10U, 4U << 20U};
// A pack above this (and above a share of everything) is large enough.
constexpr std::uint64_t kLargestMerged = 32U << 20U;
constexpr std::uint64_t kShareOfAll = 16;
// Beyond so many, packs are joined whatever their size.
constexpr std::size_t kTooMany = 40;

std::size_t tier_of(std::uint64_t bytes) noexcept {
  return static_cast<std::size_t>(std::ranges::upper_bound(kTierLimits, bytes) -
                                  kTierLimits.begin());
}

}  // namespace

HistoryResult<void> PackKeeper::open() {
  packs_.clear();
  obsolete_.clear();
  const auto names = files_.pack_names();
  if (!names) return tl::unexpected(names.error());
  const auto listed = files_.read_own("obsolete");
  if (!listed) return tl::unexpected(listed.error());
  for (const std::string& file : *names) {
    if (!file.ends_with(".idx")) continue;
    std::string name = file.substr(0, file.size() - 4);
    if (listed->find(name + '\n') != std::string::npos) {
      obsolete_.push_back({std::move(name), Clock::now() + kGrace});
      multi_pack_index_stale_ = true;  // as far as we know
      continue;
    }
    auto pack = files_.env().open_file(files_.path() + "/objects/pack/" + name + ".pack", false);
    if (!pack) return io_failed(pack.error());
    const auto bytes = (*pack)->size();
    if (!bytes) return io_failed(bytes.error());
    packs_.push_back({std::move(name), *bytes, false});
  }
  return {};
}

void PackKeeper::added(const ObjectId& checksum, std::uint64_t bytes) {
  std::string name = "pack-" + checksum.hex();
  if (std::ranges::find(packs_, name, &Pack::name) != packs_.end()) return;
  // A pack that was superseded may be written again, byte for byte, after a crash.
  std::erase_if(obsolete_, [&](const Obsolete& old) { return old.name == name; });
  packs_.push_back({std::move(name), bytes, false});
}

HistoryResult<bool> PackKeeper::step(Clock::time_point now) {
  const auto removed = remove_due(now);
  if (!removed || *removed) return removed;
  const std::vector<std::string> names = choose();
  if (names.empty()) return false;
  if (const auto done = merge(names, now); !done) return tl::unexpected(done.error());
  return true;
}

HistoryResult<bool> PackKeeper::remove_due(Clock::time_point now) {
  const auto due =
      std::ranges::find_if(obsolete_, [&](const Obsolete& o) { return o.until <= now; });
  if (due == obsolete_.end()) return false;
  if (multi_pack_index_stale_) {
    if (const auto done = write_multi_pack_index(); !done) return tl::unexpected(done.error());
  }
  for (std::size_t i = 0; i < obsolete_.size();) {
    if (obsolete_[i].until > now) {
      ++i;
      continue;
    }
    // The index first: without it a pack is nothing, and the next start removes it.
    for (const char* suffix : {".idx", ".pack"}) {
      const auto done = files_.remove("objects/pack/" + obsolete_[i].name + suffix);
      if (!done) return tl::unexpected(done.error());
    }
    obsolete_.erase(obsolete_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  if (const auto done = write_obsolete(); !done) return tl::unexpected(done.error());
  if (const auto done = objects_.reopen(); !done) return tl::unexpected(done.error());
  return true;
}

std::vector<std::string> PackKeeper::choose() const {
  std::uint64_t total = 0;
  for (const Pack& pack : packs_) total += pack.bytes;
  const std::uint64_t largest = std::max(kLargestMerged, total / kShareOfAll);
  std::array<std::vector<std::string>, kTierLimits.size() + 1> tiers;
  for (const Pack& pack : packs_) {
    if (pack.untouchable || pack.bytes >= largest) continue;
    std::vector<std::string>& tier = tiers[tier_of(pack.bytes)];
    tier.push_back(pack.name);
    if (tier.size() == kPacksOfTier) return tier;
  }
  if (packs_.size() <= kTooMany) return {};
  std::vector<const Pack*> smallest;
  for (const Pack& pack : packs_) {
    if (!pack.untouchable) smallest.push_back(&pack);
  }
  std::ranges::sort(smallest, {}, &Pack::bytes);
  if (smallest.size() < 2) return {};
  std::vector<std::string> names;
  for (const Pack* pack : smallest) {
    names.push_back(pack->name);
    if (names.size() == kPacksOfTier) break;
  }
  return names;
}

HistoryResult<void> PackKeeper::merge(const std::vector<std::string>& names,
                                      Clock::time_point now) {
  PackMerge merge(objects_);
  for (const std::string& name : names) {
    const std::string path = files_.path() + "/objects/pack/" + name;
    const auto pack = files_.env().read_file(path + ".pack");
    if (!pack) return io_failed(pack.error());
    const auto index = files_.env().read_file(path + ".idx");
    if (!index) return io_failed(index.error());
    if (auto done = merge.add(name, *pack, *index); !done) {
      std::ranges::find(packs_, name, &Pack::name)->untouchable = true;
      return done;
    }
  }
  const PackBuilder::Finished merged = merge.finish();
  if (auto done = files_.publish_pack(merged); !done) return done;
  const std::string merged_name = "pack-" + merged.checksum.hex();
  for (const std::string& name : names) {
    std::erase_if(packs_, [&](const Pack& pack) { return pack.name == name; });
    if (name != merged_name) obsolete_.push_back({name, now + kGrace});
  }
  multi_pack_index_stale_ = true;
  packs_.insert(packs_.begin(), Pack{merged_name, merged.pack.size(), false});
  std::erase_if(obsolete_, [&](const Obsolete& old) { return old.name == merged_name; });
  if (auto done = write_obsolete(); !done) return done;
  return write_multi_pack_index();
}

HistoryResult<void> PackKeeper::write_obsolete() {
  std::string text;
  for (const Obsolete& old : obsolete_) text += old.name + '\n';
  return files_.write_own("obsolete", text);
}

// Names only packs that stay, so that it never points to one that has gone.
HistoryResult<void> PackKeeper::write_multi_pack_index() {
  const std::string directory = files_.path() + "/objects/pack";
  git_midx_writer* raw = nullptr;
  if (git_midx_writer_new(&raw, directory.c_str()) != 0) return damaged(last_git_error());
  const GitPtr<git_midx_writer> writer(raw);
  for (const Pack& pack : packs_) {
    if (pack.untouchable) continue;
    const std::string index = directory + '/' + pack.name + ".idx";
    if (git_midx_writer_add(raw, index.c_str()) != 0) return damaged(last_git_error());
  }
  git_buf bytes = GIT_BUF_INIT;
  if (git_midx_writer_dump(&bytes, raw) != 0) return damaged(last_git_error());
  const auto done =
      files_.replace_file("objects/pack/multi-pack-index", std::string_view(bytes.ptr, bytes.size));
  git_buf_dispose(&bytes);
  if (done) multi_pack_index_stale_ = false;
  return done;
}

}  // namespace vxs::store
