#include "store/history/pack_builder.hh"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>

namespace vxs::store {
namespace {

constexpr unsigned kOfsDelta = 6;
constexpr std::size_t kStoredBlock = 65535;

void append_be32(std::string& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xFFU);
}

void append_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out += static_cast<char>((value & 0x7FU) | 0x80U);
    value >>= 7U;
  }
  out += static_cast<char>(value);
}

std::uint32_t crc_of(std::string_view bytes) noexcept {
  return static_cast<std::uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

// Copy instructions for base[offset, offset + size).
void append_copy(std::string& out, std::uint64_t offset, std::uint64_t size) {
  while (size > 0) {
    const std::uint64_t piece = std::min<std::uint64_t>(size, 0xFFFF);
    const std::size_t command_at = out.size();
    unsigned command = 0x80;
    out += '\0';
    for (unsigned i = 0; i < 4; ++i) {
      const auto byte = static_cast<unsigned char>(offset >> (8 * i));
      if (byte == 0) continue;
      command |= 1U << i;
      out += static_cast<char>(byte);
    }
    for (unsigned i = 0; i < 2; ++i) {
      const auto byte = static_cast<unsigned char>(piece >> (8 * i));
      if (byte == 0) continue;
      command |= 0x10U << i;
      out += static_cast<char>(byte);
    }
    out[command_at] = static_cast<char>(command);
    offset += piece;
    size -= piece;
  }
}

void append_insert(std::string& out, std::string_view data) {
  while (!data.empty()) {
    const std::string_view piece = data.substr(0, 127);
    out += static_cast<char>(piece.size());
    out += piece;
    data.remove_prefix(piece.size());
  }
}

// Reading back what this file wrote: no bounds checks against hostile bytes are
// needed, the buffer never left this process.
class OwnEntry {
 public:
  // `pack` begins with the entry, which lies at `offset` of the pack.
  OwnEntry(std::string_view pack, std::uint64_t offset) : pack_(pack) {
    auto byte = next();
    type_ = byte >> 4U & 7U;
    size_ = byte & 0xFU;
    for (unsigned shift = 4; (byte & 0x80U) != 0; shift += 7) {
      byte = next();
      size_ |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
    }
    if (type_ != kOfsDelta) return;
    byte = next();
    std::uint64_t distance = byte & 0x7FU;
    while ((byte & 0x80U) != 0) {
      byte = next();
      distance = (distance + 1) << 7U | (byte & 0x7FU);
    }
    base_ = offset - distance;
  }
  [[nodiscard]] unsigned type() const { return type_; }
  [[nodiscard]] std::uint64_t base() const { return base_; }
  void inflate(std::string& out) {
    out.clear();
    at_ += 2;  // zlib header
    while (out.size() < size_) {
      const std::size_t low = static_cast<unsigned char>(pack_[at_ + 1]);
      const std::size_t high = static_cast<unsigned char>(pack_[at_ + 2]);
      const std::size_t length = low | high << 8U;
      out += pack_.substr(at_ + 5, length);
      at_ += 5 + length;
    }
  }

 private:
  unsigned next() { return static_cast<unsigned char>(pack_[at_++]); }
  std::string_view pack_;
  std::size_t at_ = 0;
  unsigned type_ = 0;
  std::uint64_t size_ = 0;
  std::uint64_t base_ = 0;
};

std::uint64_t read_varint(std::string_view& delta) {
  std::uint64_t value = 0;
  for (unsigned shift = 0;; shift += 7) {
    const auto byte = static_cast<unsigned char>(delta.front());
    delta.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
    if ((byte & 0x80U) == 0) return value;
  }
}

std::string apply_own_delta(std::string_view base, std::string_view delta) {
  std::string out;
  read_varint(delta);
  out.reserve(read_varint(delta));
  while (!delta.empty()) {
    const auto command = static_cast<unsigned char>(delta.front());
    delta.remove_prefix(1);
    if ((command & 0x80U) == 0) {
      out += delta.substr(0, command);
      delta.remove_prefix(command);
      continue;
    }
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    for (unsigned i = 0; i < 7; ++i) {
      if ((command & 1U << i) == 0) continue;
      const std::uint64_t byte = static_cast<unsigned char>(delta.front());
      delta.remove_prefix(1);
      if (i < 4) {
        offset |= byte << (8 * i);
      } else {
        size |= byte << (8 * (i - 4));
      }
    }
    out += base.substr(offset, size);
  }
  return out;
}

}  // namespace

void append_entry_header(std::string& out, unsigned type, std::uint64_t size) {
  auto byte = static_cast<unsigned>(type << 4U | (size & 0xFU));
  size >>= 4U;
  while (size != 0) {
    out += static_cast<char>(byte | 0x80U);
    byte = size & 0x7FU;
    size >>= 7U;
  }
  out += static_cast<char>(byte);
}

void append_delta_distance(std::string& out, std::uint64_t distance) {
  std::array<char, 10> bytes{};
  std::size_t at = bytes.size() - 1;
  bytes[at] = static_cast<char>(distance & 0x7FU);
  while ((distance >>= 7U) != 0) {
    --distance;
    bytes[--at] = static_cast<char>((distance & 0x7FU) | 0x80U);
  }
  out.append(bytes.data() + at, bytes.size() - at);
}

void append_stored(std::string& out, std::string_view data) {
  const auto checksum = adler32_z(1, reinterpret_cast<const Bytef*>(data.data()), data.size());
  out += "\x78\x01";
  do {
    const std::string_view block = data.substr(0, kStoredBlock);
    data.remove_prefix(block.size());
    const auto length = static_cast<unsigned>(block.size());
    out += static_cast<char>(data.empty() ? 1 : 0);
    for (const unsigned value : {length, ~length}) {
      out += static_cast<char>(value & 0xFFU);
      out += static_cast<char>(value >> 8U & 0xFFU);
    }
    out += block;
  } while (!data.empty());
  append_be32(out, static_cast<std::uint32_t>(checksum));
}

std::string make_pack_index(const std::vector<PackEntry>& entries, const ObjectId& pack_checksum,
                            ObjectHasher& hasher) {
  constexpr std::uint64_t kFar = 0x80000000U;
  std::vector<std::uint32_t> order(entries.size());
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::sort(order, {}, [&](std::uint32_t i) -> const ObjectId& { return entries[i].id; });
  std::string index = "\377tOc";
  index.reserve(1100 + entries.size() * 28);
  append_be32(index, 2);
  std::array<std::uint32_t, 256> fanout{};
  for (const PackEntry& entry : entries) ++fanout[entry.id.bytes[0]];
  std::uint32_t sum = 0;
  for (const std::uint32_t count : fanout) append_be32(index, sum += count);
  for (const std::uint32_t i : order) index += entries[i].id.raw();
  for (const std::uint32_t i : order) append_be32(index, entries[i].crc);
  std::uint32_t far = 0;
  for (const std::uint32_t i : order) {
    const std::uint64_t offset = entries[i].offset;
    append_be32(index, static_cast<std::uint32_t>(offset >= kFar ? kFar | far++ : offset));
  }
  for (const std::uint32_t i : order) {
    const std::uint64_t offset = entries[i].offset;
    if (offset < kFar) continue;
    append_be32(index, static_cast<std::uint32_t>(offset >> 32U));
    append_be32(index, static_cast<std::uint32_t>(offset));
  }
  index += pack_checksum.raw();
  index += hasher.digest(index).raw();
  return index;
}

const PackEntry* PackTable::find(const ObjectId& id) const noexcept {
  if (slots_.empty()) return nullptr;
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = ObjectIdHash{}(id)&mask; slots_[at] != 0; at = (at + 1) & mask) {
    const PackEntry& entry = entries_[slots_[at] - 1];
    if (entry.id == id) return &entry;
  }
  return nullptr;
}

void PackTable::insert(const PackEntry& entry) {
  if (2 * (entries_.size() + 1) > slots_.size())
    rehash(std::max<std::size_t>(1024, slots_.size() * 2));
  entries_.push_back(entry);
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = ObjectIdHash{}(entry.id) & mask;
  while (slots_[at] != 0) at = (at + 1) & mask;
  slots_[at] = static_cast<std::uint32_t>(entries_.size());
}

void PackTable::reserve(std::size_t count) {
  entries_.reserve(count);
  const std::size_t slots = std::bit_ceil(2 * (count + 1));
  if (slots > slots_.size()) rehash(slots);
}

void PackTable::rehash(std::size_t slots) {
  slots_.assign(slots, 0U);
  const std::size_t mask = slots - 1;
  for (std::uint32_t i = 0; i < entries_.size(); ++i) {
    std::size_t at = ObjectIdHash{}(entries_[i].id) & mask;
    while (slots_[at] != 0) at = (at + 1) & mask;
    slots_[at] = i + 1;
  }
}

void PackTable::clear() noexcept {
  constexpr std::size_t kKeptSlots = 1U << 17U;
  if (slots_.size() > kKeptSlots) {  // a large pack's memory is given back
    std::vector<PackEntry>().swap(entries_);
    std::vector<std::uint32_t>().swap(slots_);
    return;
  }
  entries_.clear();
  std::ranges::fill(slots_, 0U);
}

std::optional<PackPlace> PackBuilder::find(const ObjectId& id) const noexcept {
  const PackEntry* entry = table_.find(id);
  if (entry == nullptr) return std::nullopt;
  return PackPlace{serial_, entry->offset, entry->depth};
}

PackPlace PackBuilder::add(const ObjectId& id, ObjectType type, std::string_view data,
                           const DeltaBase* base) {
  if (const auto place = find(id)) return *place;
  std::string& pack = stream_.tail();
  const std::size_t begin = pack.size();
  PackEntry entry{id, stream_.size(), 0, 0};
  const bool as_delta = base != nullptr && base->place.serial == serial_ &&
                        base->place.depth < kMaxDeltaDepth &&
                        data.size() - base->prefix - base->suffix + 32 < data.size() / 4 * 3;
  if (as_delta) {
    entry.depth = base->place.depth + 1;
    scratch_.clear();
    append_varint(scratch_, base->size);
    append_varint(scratch_, data.size());
    append_copy(scratch_, 0, base->prefix);
    append_insert(scratch_, data.substr(base->prefix, data.size() - base->prefix - base->suffix));
    append_copy(scratch_, base->size - base->suffix, base->suffix);
    append_entry_header(pack, kOfsDelta, scratch_.size());
    append_delta_distance(pack, entry.offset - base->place.offset);
    append_stored(pack, scratch_);
  } else {
    append_entry_header(pack, static_cast<unsigned>(type), data.size());
    append_stored(pack, data);
  }
  entry.crc = crc_of(std::string_view(pack).substr(begin));
  table_.insert(entry);
  stream_.settle();
  return {serial_, entry.offset, entry.depth};
}

std::optional<std::string_view> PackBuilder::entry_bytes(std::uint64_t offset,
                                                         std::string& room) const {
  std::size_t size = 0;
  if (!stream_.in_memory(offset)) {
    const auto next = std::ranges::upper_bound(table_.entries(), offset, {}, &PackEntry::offset);
    size = (next == table_.entries().end() ? stream_.size() : next->offset) - offset;
  }
  return stream_.read(offset, size, room);
}

std::optional<ObjectType> PackBuilder::read(const ObjectId& id, std::string& out) const {
  const PackEntry* found = table_.find(id);
  if (found == nullptr) return std::nullopt;
  std::string room;
  std::vector<std::string> deltas;
  std::uint64_t offset = found->offset;
  for (;;) {
    const auto bytes = entry_bytes(offset, room);
    if (!bytes) return std::nullopt;
    OwnEntry entry(*bytes, offset);
    if (entry.type() != kOfsDelta) {
      entry.inflate(out);
      for (; !deltas.empty(); deltas.pop_back()) out = apply_own_delta(out, deltas.back());
      return static_cast<ObjectType>(entry.type());
    }
    entry.inflate(deltas.emplace_back());
    offset = entry.base();
  }
}

HistoryResult<FinishedPack> PackBuilder::finish(ObjectHasher& hasher) {
  auto pack = stream_.finish(static_cast<std::uint32_t>(table_.size()), hasher);
  if (!pack) return tl::unexpected(pack.error());
  FinishedPack done{*std::move(pack), {}, table_.size()};
  done.index = make_pack_index(table_.entries(), done.pack.checksum, hasher);
  return done;
}

void PackBuilder::reset() {
  stream_.reset();
  table_.clear();
  ++serial_;
}

void PackBuilder::shrink() noexcept {
  if (object_count() != 0) return;
  stream_.shrink();
  table_ = {};
  std::string().swap(scratch_);
}

}  // namespace vxs::store
