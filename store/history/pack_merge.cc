#include "store/history/pack_merge.hh"

#include <algorithm>

#include "store/history/pack_file.hh"

namespace vxs::store {
namespace {

constexpr unsigned kOfsDelta = 6;
constexpr std::size_t kTrailer = 20;

}  // namespace

PackMerge::PackMerge(ObjectStore& objects) : objects_(objects), out_(empty_pack_header()) {}

HistoryResult<void> PackMerge::add(const std::string& name, std::string_view pack,
                                   std::string_view index) {
  const auto entries = parse_pack_index(index);
  if (!entries || pack.size() < kTrailer || !pack.starts_with("PACK")) {
    return damaged(name + " is damaged or has an unknown format");
  }
  out_.reserve(out_.size() + pack.size());
  const std::string_view body = pack.substr(0, pack.size() - kTrailer);
  for (std::size_t i = 0; i < entries->size(); ++i) {
    const PackEntry& entry = (*entries)[i];
    const std::uint64_t end = i + 1 < entries->size() ? (*entries)[i + 1].offset : body.size();
    if (end > body.size() || entry.offset >= end) return damaged(name + ": its index is damaged");
    const std::string_view bytes = body.substr(entry.offset, end - entry.offset);
    const auto header = parse_entry_header(bytes);
    if (!header || entry_crc(bytes) != entry.crc) {
      return damaged(name + ": object " + entry.id.hex() + " is damaged or not the history's");
    }
    if (table_.find(entry.id) != nullptr) continue;
    if (header->type != kOfsDelta) {
      table_.insert({entry.id, out_.size(), entry.crc, 0});
      out_ += bytes;
      continue;
    }
    const auto base_at =
        std::ranges::lower_bound(*entries, entry.offset - header->distance, {}, &PackEntry::offset);
    if (header->distance > entry.offset || base_at == entries->end() ||
        base_at->offset != entry.offset - header->distance) {
      return damaged(name + ": object " + entry.id.hex() + " has no base");
    }
    // The base comes earlier in its pack, so it has been copied, from here or from another pack.
    const PackEntry* base = table_.find(base_at->id);
    if (base == nullptr) return damaged(name + ": a base comes after its delta");
    const auto copied =
        base->depth >= kMaxMergedDepth
            ? write_whole(entry)
            : copy_delta(entry, bytes, header->distance, header->length, header->size, *base);
    if (!copied) return tl::unexpected(copied.error());
    table_.insert(*copied);
  }
  return {};
}

HistoryResult<PackEntry> PackMerge::copy_delta(const PackEntry& entry, std::string_view bytes,
                                               std::uint64_t distance, std::size_t header_length,
                                               std::uint64_t size, const PackEntry& base) {
  PackEntry copied{entry.id, out_.size(), entry.crc, base.depth + 1};
  if (copied.offset - base.offset == distance) {
    out_ += bytes;
    return copied;
  }
  append_entry_header(out_, kOfsDelta, size);
  append_delta_distance(out_, copied.offset - base.offset);
  out_ += bytes.substr(header_length);
  copied.crc = entry_crc(std::string_view(out_).substr(copied.offset));
  return copied;
}

HistoryResult<PackEntry> PackMerge::write_whole(const PackEntry& entry) {
  std::string data;
  const auto type = objects_.read_any(entry.id, data);
  if (!type) return tl::unexpected(type.error());
  PackEntry copied{entry.id, out_.size(), 0, 0};
  append_entry_header(out_, static_cast<unsigned>(*type), data.size());
  append_stored(out_, data);
  copied.crc = entry_crc(std::string_view(out_).substr(copied.offset));
  return copied;
}

PackBuilder::Finished PackMerge::finish() {
  PackBuilder::Finished done;
  done.objects = table_.size();
  done.pack = std::move(out_);
  done.checksum =
      finish_pack(done.pack, static_cast<std::uint32_t>(done.objects), objects_.hasher());
  done.index = make_pack_index(table_.entries(), done.checksum, objects_.hasher());
  return done;
}

}  // namespace vxs::store
