#include "store/history/pack_merge.hh"

#include <algorithm>

#include "store/history/pack_file.hh"

namespace vxs::store {
namespace {

constexpr unsigned kOfsDelta = 6;
constexpr std::size_t kHeader = 12;
constexpr std::size_t kTrailer = 20;
constexpr std::size_t kWindow = 256U << 10U;

}  // namespace

PackMerge::PackMerge(ObjectStore& objects, PackSpool spool)
    : objects_(objects), out_(std::move(spool)) {}

HistoryResult<std::string_view> PackMerge::read(EnvFile& pack, std::uint64_t offset,
                                                std::uint64_t size) {
  if (offset < window_at_ || offset + size > window_at_ + window_.size()) {
    const auto wanted = static_cast<std::size_t>(std::max<std::uint64_t>(size, kWindow));
    window_at_ = offset;
    if (const auto done = pack.read_at(offset, wanted, window_); !done) {
      return io_failed(done.error());
    }
  }
  return std::string_view(window_).substr(offset - window_at_, size);
}

HistoryResult<void> PackMerge::add(const std::string& name, EnvFile& pack, std::string_view index) {
  window_.clear();
  const auto length = pack.size();
  if (!length) return io_failed(length.error());
  const auto entries = parse_pack_index(index);
  if (!entries || *length < kHeader + kTrailer) {
    return damaged(name + " is damaged or has an unknown format");
  }
  const auto head = read(pack, 0, kHeader);
  if (!head) return tl::unexpected(head.error());
  if (!head->starts_with("PACK")) return damaged(name + " is damaged or has an unknown format");
  const std::uint64_t body = *length - kTrailer;
  for (std::size_t i = 0; i < entries->size(); ++i) {
    const PackEntry& entry = (*entries)[i];
    const std::uint64_t end = i + 1 < entries->size() ? (*entries)[i + 1].offset : body;
    if (end > body || entry.offset >= end) return damaged(name + ": its index is damaged");
    const auto read_bytes = read(pack, entry.offset, end - entry.offset);
    if (!read_bytes) return tl::unexpected(read_bytes.error());
    const std::string_view bytes = *read_bytes;
    const auto header = parse_entry_header(bytes);
    if (!header || entry_crc(bytes) != entry.crc) {
      return damaged(name + ": object " + entry.id.hex() + " is damaged or not the history's");
    }
    if (table_.find(entry.id) != nullptr) continue;
    if (header->type != kOfsDelta) {
      table_.insert({entry.id, out_.size(), entry.crc, 0});
      out_.tail() += bytes;
      out_.settle();
      if (out_.failure()) return io_failed(*out_.failure());
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
    out_.settle();
    if (out_.failure()) return io_failed(*out_.failure());
  }
  return {};
}

HistoryResult<PackEntry> PackMerge::copy_delta(const PackEntry& entry, std::string_view bytes,
                                               std::uint64_t distance, std::size_t header_length,
                                               std::uint64_t size, const PackEntry& base) {
  PackEntry copied{entry.id, out_.size(), entry.crc, base.depth + 1};
  if (copied.offset - base.offset == distance) {
    out_.tail() += bytes;
    return copied;
  }
  std::string& out = out_.tail();
  const std::size_t begin = out.size();
  append_entry_header(out, kOfsDelta, size);
  append_delta_distance(out, copied.offset - base.offset);
  out += bytes.substr(header_length);
  copied.crc = entry_crc(std::string_view(out).substr(begin));
  return copied;
}

HistoryResult<PackEntry> PackMerge::write_whole(const PackEntry& entry) {
  std::string data;
  const auto type = objects_.read_any(entry.id, data);
  if (!type) return tl::unexpected(type.error());
  PackEntry copied{entry.id, out_.size(), 0, 0};
  std::string& out = out_.tail();
  const std::size_t begin = out.size();
  append_entry_header(out, static_cast<unsigned>(*type), data.size());
  append_stored(out, data);
  copied.crc = entry_crc(std::string_view(out).substr(begin));
  return copied;
}

HistoryResult<FinishedPack> PackMerge::finish() {
  auto pack = out_.finish(static_cast<std::uint32_t>(table_.size()), objects_.hasher());
  if (!pack) return tl::unexpected(pack.error());
  FinishedPack done{*std::move(pack), {}, table_.size()};
  done.index = make_pack_index(table_.entries(), done.pack.checksum, objects_.hasher());
  return done;
}

}  // namespace vxs::store
