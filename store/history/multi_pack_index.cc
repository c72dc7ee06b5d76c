#include "store/history/multi_pack_index.hh"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <queue>
#include <string_view>
#include <utility>

namespace vxs::store {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kIdSize = 20;
constexpr std::size_t kPiece = 64U << 10U;
constexpr std::uint64_t kIndexHeader = 8 + 4 * 256;  // of a pack's index: magic, version, fan-out
constexpr std::uint64_t kRowOfObject = kIdSize + 4 + 4;
constexpr std::uint64_t kIndexTrailer = 2 * kIdSize;

void append_be32(std::string& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xFFU);
}
void append_be64(std::string& out, std::uint64_t value) {
  append_be32(out, static_cast<std::uint32_t>(value >> 32U));
  append_be32(out, static_cast<std::uint32_t>(value));
}
std::uint32_t be32(std::string_view bytes) noexcept {
  std::uint32_t value = 0;
  for (const char c : bytes.substr(0, 4)) value = value << 8U | static_cast<unsigned char>(c);
  return value;
}

// A table of equal rows in a file, read from front to back.
class Rows {
 public:
  Rows(EnvFile& file, std::uint64_t begin, std::size_t width)
      : file_(&file), at_(begin), width_(width) {}
  IoResult<std::string_view> next() {
    if (used_ + width_ > piece_.size()) {
      used_ = 0;
      if (auto read = file_->read_at(at_, kPiece / width_ * width_, piece_); !read) {
        return tl::unexpected(read.error());
      }
      if (piece_.size() < width_) return tl::unexpected(make_io_error(EIO, "read", "an index"));
      at_ += piece_.size() / width_ * width_;
    }
    used_ += width_;
    return std::string_view(piece_).substr(used_ - width_, width_);
  }

 private:
  EnvFile* file_;
  std::uint64_t at_;
  std::size_t width_;
  std::string piece_;
  std::size_t used_ = 0;
};

struct Source {
  std::unique_ptr<EnvFile> file;
  std::uint32_t count = 0;
  bool damaged = false;  // found to be while it was read
};

// All ids of all packs in order, each once, with the pack it was found in and its offset there.
class Merge {
 public:
  explicit Merge(std::vector<Source>& sources) : sources_(sources) {
    for (Source& source : sources) {
      const std::uint64_t offsets = kIndexHeader + std::uint64_t{source.count} * (kIdSize + 4);
      cursors_.push_back({Rows(*source.file, kIndexHeader, kIdSize), Rows(*source.file, offsets, 4),
                          source.count});
    }
  }
  IoResult<void> for_each(const std::function<IoResult<void>(const ObjectId&, std::uint32_t,
                                                             std::string_view)>& visit) {
    for (std::uint32_t i = 0; i < cursors_.size(); ++i) {
      if (auto done = advance(i); !done) return done;
    }
    ObjectId last;
    while (!heap_.empty()) {
      const auto [id, pack] = heap_.top();
      heap_.pop();
      const auto offset = cursors_[pack].offsets.next();
      if (!offset) return tl::unexpected(offset.error());
      // A pack whose offsets need a table of their own is not among these.
      if ((static_cast<unsigned char>(offset->front()) & 0x80U) != 0) return found_damaged(pack);
      if (id != last) {
        if (auto done = visit(id, pack, *offset); !done) return done;
      }
      last = id;
      if (auto done = advance(pack); !done) return done;
    }
    return {};
  }

 private:
  struct Cursor {
    Rows ids, offsets;
    std::uint32_t left = 0;
    std::optional<ObjectId> last{};
  };
  IoResult<void> found_damaged(std::uint32_t pack) {
    sources_[pack].damaged = true;
    return tl::unexpected(IoError{EINVAL, "an index that is not in order"});
  }
  IoResult<void> advance(std::uint32_t pack) {
    Cursor& cursor = cursors_[pack];
    if (cursor.left == 0) return {};
    --cursor.left;
    const auto id = cursor.ids.next();
    if (!id) return tl::unexpected(id.error());
    const ObjectId next = ObjectId::from_raw(*id);
    if (cursor.last && !(*cursor.last < next)) return found_damaged(pack);
    cursor.last = next;
    heap_.emplace(next, pack);
    return {};
  }

  using Next = std::pair<ObjectId, std::uint32_t>;
  std::vector<Source>& sources_;
  std::vector<Cursor> cursors_;
  std::priority_queue<Next, std::vector<Next>, std::greater<>> heap_;
};

// Appends to a file through a buffer.
class Appender {
 public:
  Appender(EnvFile& file, std::uint64_t at) : file_(file), at_(at) {}
  std::string& buffer() { return buffer_; }
  IoResult<void> settle(bool all = false) {
    if (buffer_.size() < kPiece && !all) return {};
    auto done = file_.write_at(at_, buffer_);
    at_ += buffer_.size();
    buffer_.clear();
    return done;
  }
  [[nodiscard]] std::uint64_t at() const { return at_ + buffer_.size(); }

 private:
  EnvFile& file_;
  std::uint64_t at_;
  std::string buffer_;
};

// PNAM: the indexes' names in order, padded to a multiple of four.
std::string names_chunk(const std::vector<std::string>& packs) {
  std::string text;
  for (const std::string& pack : packs) {
    text += pack + ".idx";
    text += '\0';
  }
  text.resize((text.size() + 3) / 4 * 4);
  return text;
}

IoResult<void> write_to(EnvFile& file, std::vector<Source>& sources,
                        const std::vector<std::string>& packs, ObjectHasher& hasher) {
  constexpr std::uint32_t kChunks = 4;
  const std::string names = names_chunk(packs);
  const std::uint64_t names_at = 12 + 12 * (kChunks + 1);
  const std::uint64_t fanout_at = names_at + names.size();
  const std::uint64_t ids_at = fanout_at + 4 * 256;

  std::array<std::uint32_t, 256> fanout{};
  Appender out(file, ids_at);
  auto done = Merge(sources).for_each([&](const ObjectId& id, std::uint32_t, std::string_view) {
    ++fanout[id.bytes[0]];
    out.buffer() += id.raw();
    return out.settle();
  });
  if (!done) return done;
  const std::uint64_t offsets_at = out.at();
  done = Merge(sources).for_each([&](const ObjectId&, std::uint32_t pack, std::string_view offset) {
    append_be32(out.buffer(), pack);
    out.buffer() += offset;
    return out.settle();
  });
  if (!done) return done;
  const std::uint64_t end = out.at();
  if (done = out.settle(true); !done) return done;

  std::string head = "MIDX\1\1";
  head += static_cast<char>(kChunks);
  head += '\0';
  append_be32(head, static_cast<std::uint32_t>(packs.size()));
  const std::array<std::pair<std::string_view, std::uint64_t>, kChunks> chunks{
      {{"PNAM", names_at}, {"OIDF", fanout_at}, {"OIDL", ids_at}, {"OOFF", offsets_at}}};
  for (const auto& [name, at] : chunks) {
    head += name;
    append_be64(head, at);
  }
  append_be32(head, 0);
  append_be64(head, end);
  head += names;
  std::uint32_t sum = 0;
  for (const std::uint32_t count : fanout) append_be32(head, sum += count);
  if (done = file.write_at(0, head); !done) return done;

  hasher.begin_digest();
  std::string piece;
  for (std::uint64_t at = 0; at < end; at += piece.size()) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, end - at));
    if (done = file.read_at(at, size, piece); !done) return done;
    if (piece.empty()) return tl::unexpected(make_io_error(EIO, "read", "multi-pack-index"));
    hasher.add_to_digest(piece);
  }
  return file.write_at(end, hasher.end_digest().raw());
}

}  // namespace

HistoryResult<void> write_multi_pack_index(RepositoryFiles& files, ObjectHasher& hasher,
                                           std::vector<std::string> packs, std::string& culprit) {
  std::ranges::sort(packs);
  const auto is_damaged = [&culprit](const std::string& pack) {
    culprit = pack;
    return damaged("the index of " + pack + " is missing, damaged or has an unknown format");
  };
  std::vector<Source> sources;
  std::string bytes;
  for (const std::string& pack : packs) {
    auto file = files.env().open_file(files.path() + "/objects/pack/" + pack + ".idx", false);
    if (!file) return file.error().code == ENOENT ? is_damaged(pack) : io_failed(file.error());
    const auto size = (*file)->size();
    if (!size) return io_failed(size.error());
    if (const auto read = (*file)->read_at(0, kIndexHeader, bytes); !read) {
      return io_failed(read.error());
    }
    if (bytes.size() < kIndexHeader || !bytes.starts_with("\377tOc\0\0\0\2"sv)) {
      return is_damaged(pack);
    }
    const std::uint32_t count = be32(std::string_view(bytes).substr(kIndexHeader - 4));
    if (*size < kIndexHeader + std::uint64_t{count} * kRowOfObject + kIndexTrailer) {
      return is_damaged(pack);
    }
    sources.push_back({*std::move(file), count});
  }
  const auto done = files.replace_with("objects/pack/multi-pack-index", [&](EnvFile& file) {
    return write_to(file, sources, packs, hasher);
  });
  if (done) return done;
  const auto found = std::ranges::find(sources, true, &Source::damaged);
  if (found == sources.end()) return done;
  return is_damaged(packs[static_cast<std::size_t>(found - sources.begin())]);
}

}  // namespace vxs::store
