#include "store/history/pack_keeper.hh"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <optional>
#include <string_view>

#include "store/history/multi_pack_index.hh"
#include "store/history/pack_merge.hh"

namespace vxs::store {
namespace {

constexpr std::array<std::uint64_t, 3> kTierLimits{64U << 10U, 512U << 10U, 4U << 20U};
// A pack above this (and above a share of everything) is large enough.
constexpr std::uint64_t kLargestMerged = 32U << 20U;
constexpr std::uint64_t kShareOfAll = 16;
// Beyond so many, packs are joined whatever their size.
constexpr std::size_t kTooMany = 40;
constexpr std::size_t kIndexBytesOfObject = 28;

std::size_t tier_of(std::uint64_t bytes) noexcept {
  return static_cast<std::size_t>(std::ranges::upper_bound(kTierLimits, bytes) -
                                  kTierLimits.begin());
}

constexpr std::int64_t kGraceSeconds =
    std::chrono::duration_cast<std::chrono::seconds>(PackKeeper::kGrace).count();

std::int64_t epoch_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// What the list of superseded packs ("<name> <deadline>" lines) says of a pack.
std::optional<std::int64_t> deadline_of(std::string_view list, std::string_view name) {
  for (std::string_view rest = list; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (!line.starts_with(name)) continue;
    const std::string_view number = line.substr(std::min(line.size(), name.size() + 1));
    std::int64_t deadline = 0;
    const auto end = number.data() + number.size();
    const auto read = std::from_chars(number.data(), end, deadline);
    // Without a number it is a list of an earlier version: the whole grace.
    return read.ec == std::errc{} && read.ptr == end ? deadline : epoch_seconds() + kGraceSeconds;
  }
  return std::nullopt;
}

}  // namespace

HistoryResult<void> PackKeeper::open() {
  packs_.clear();
  obsolete_.clear();
  auto names = files_.pack_names();
  if (!names) return tl::unexpected(names.error());
  std::ranges::sort(*names);  // what is joined again after a crash is the same pack again
  const auto listed = files_.read_own("obsolete");
  if (!listed) return tl::unexpected(listed.error());
  for (const std::string& file : *names) {
    if (!file.ends_with(".idx")) continue;
    std::string name = file.substr(0, file.size() - 4);
    if (const auto deadline = deadline_of(*listed, name)) {
      // Not before what it had left, and never later than a clock that was set makes it.
      const auto left = std::clamp(*deadline - epoch_seconds(), std::int64_t{0}, kGraceSeconds);
      obsolete_.push_back({std::move(name), Clock::now() + std::chrono::seconds(left), *deadline});
      index_stale_ = true;  // as far as we know
      continue;
    }
    auto pack = files_.env().open_file(files_.path() + "/objects/pack/" + name + ".pack", false);
    if (!pack && pack.error().code == ENOENT) {
      packs_.push_back({std::move(name), 0, true});
      continue;
    }
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
  if (names.empty()) return refresh_index(now);
  if (const auto done = merge(names, now); !done) return tl::unexpected(done.error());
  return true;
}

HistoryResult<bool> PackKeeper::remove_due(Clock::time_point now) {
  const auto due =
      std::ranges::find_if(obsolete_, [&](const Obsolete& o) { return o.until <= now; });
  if (due == obsolete_.end()) return false;
  if (index_stale_) {
    const auto done = write_index(now);
    if (!done && done.error().kind != HistoryError::Kind::kIo) {
      return tl::unexpected(done.error());
    }
    if (!done) {
      // No room for it, perhaps, which is what this is to make. Only speed is lost meanwhile.
      const auto gone = files_.remove("objects/pack/multi-pack-index");
      if (!gone) return tl::unexpected(gone.error());
      index_stale_ = false;
      index_worth_ = true;
    }
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
  if (const auto done = objects_.reopen(); !done) return tl::unexpected(done.error());
  if (const auto done = write_obsolete(); !done) return tl::unexpected(done.error());
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
  const std::string directory = files_.path() + "/objects/pack/";
  const auto set_aside = [&](const std::string& name) {
    std::ranges::find(packs_, name, &Pack::name)->untouchable = true;
  };
  const auto cannot_read = [&](const std::string& name, const IoError& error) {
    if (error.code != ENOENT) return io_failed(error);
    set_aside(name);
    return damaged(name + " is not whole: " + error.what);
  };
  std::size_t objects = 0;
  for (const std::string& name : names) {
    auto file = files_.env().open_file(directory + name + ".idx", false);
    if (!file) return cannot_read(name, file.error());
    const auto bytes = (*file)->size();
    if (!bytes) return io_failed(bytes.error());
    objects += static_cast<std::size_t>(*bytes) / kIndexBytesOfObject;
  }
  FinishedPack merged;
  {
    PackMerge merge(objects_, files_.spool("merge", pack_memory_));
    merge.expect(objects);
    for (const std::string& name : names) {
      const auto pack = files_.env().open_file(directory + name + ".pack", false);
      if (!pack) return cannot_read(name, pack.error());
      const auto index = files_.env().read_file(directory + name + ".idx");
      if (!index) return cannot_read(name, index.error());
      if (auto done = merge.add(name, **pack, *index); !done) {
        if (done.error().kind == HistoryError::Kind::kDamaged) set_aside(name);
        return done;
      }
    }
    auto finished = merge.finish();
    if (!finished) return tl::unexpected(finished.error());
    merged = *std::move(finished);
    if (auto done = files_.publish_pack(merged); !done) return done;
  }
  const std::string merged_name = "pack-" + merged.pack.checksum.hex();
  for (const std::string& name : names) {
    std::erase_if(packs_, [&](const Pack& pack) { return pack.name == name; });
    if (name != merged_name) {
      obsolete_.push_back({name, now + kGrace, epoch_seconds() + kGraceSeconds});
    }
  }
  index_stale_ = index_worth_ = true;
  // It may be there already: joined before, by a daemon that died before it could note it.
  std::erase_if(packs_, [&](const Pack& pack) { return pack.name == merged_name; });
  packs_.insert(packs_.begin(), Pack{merged_name, merged.pack.size, false});
  std::erase_if(obsolete_, [&](const Obsolete& old) { return old.name == merged_name; });
  return write_obsolete();
}

HistoryResult<void> PackKeeper::make_room(Clock::time_point now) {
  while (packs_.size() >= kMostPacks) {
    const std::vector<std::string> names = choose();
    if (names.empty()) return {};
    if (auto done = merge(names, now); !done) return done;
  }
  return {};
}

HistoryResult<void> PackKeeper::write_obsolete() {
  std::string text;
  for (const Obsolete& old : obsolete_) {
    text += old.name + ' ' + std::to_string(old.deadline) + '\n';
  }
  return files_.write_own("obsolete", text);
}

HistoryResult<bool> PackKeeper::refresh_index(Clock::time_point now) {
  if (!index_worth_ || now < index_due_) return false;
  if (const auto done = write_index(now); !done) return tl::unexpected(done.error());
  return true;
}

// Names only packs that stay, so that it never points to one that has gone.
HistoryResult<void> PackKeeper::write_index(Clock::time_point now) {
  std::vector<std::string> names;
  for (const Pack& pack : packs_) {
    if (!pack.untouchable && pack.bytes <= kMostIndexedBytes) names.push_back(pack.name);
  }
  std::string culprit;
  const auto done = write_multi_pack_index(files_, objects_.hasher(), std::move(names), culprit);
  if (!done) {
    const auto pack = std::ranges::find(packs_, culprit, &Pack::name);
    if (pack != packs_.end()) pack->untouchable = true;
    return done;
  }
  index_stale_ = index_worth_ = false;
  index_due_ = now + kIndexPause;
  return {};
}

}  // namespace vxs::store
