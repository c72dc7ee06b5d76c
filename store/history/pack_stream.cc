#include "store/history/pack_stream.hh"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace vxs::store {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kEmptyHeader = "PACK\0\0\0\2\0\0\0\0"sv;
constexpr std::size_t kCountAt = 8;
constexpr std::size_t kPiece = 256U << 10U;

std::array<char, 4> be32(std::uint32_t value) noexcept {
  std::array<char, 4> bytes{};
  for (unsigned i = 0; i < 4; ++i) bytes[i] = static_cast<char>(value >> (24 - 8 * i) & 0xFFU);
  return bytes;
}

}  // namespace

PackStream::PackStream(PackSpool spool) : spool_(std::move(spool)), tail_(kEmptyHeader) {}

PackStream::~PackStream() {
  if (file_ != nullptr) reset();
}

void PackStream::reset() {
  if (file_ != nullptr) {
    file_.reset();
    // What cannot be removed now is replaced by the next spill, or removed at the next start.
    if (spool_.env->exists(spool_.path)) (void)spool_.env->remove_file(spool_.path);
  }
  failure_.reset();
  tail_at_ = 0;
  // A large pack's memory is given back.
  if (tail_.capacity() > spool_.memory) std::string().swap(tail_);
  tail_ = kEmptyHeader;
}

void PackStream::shrink() noexcept { tail_.shrink_to_fit(); }

IoResult<void> PackStream::spill() {
  if (file_ == nullptr) {
    if (spool_.env->exists(spool_.path)) {
      if (auto done = spool_.env->remove_file(spool_.path); !done) return done;
    }
    auto file = spool_.env->create_file(spool_.path);
    if (!file) return tl::unexpected(file.error());
    file_ = *std::move(file);
  }
  if (auto done = file_->write_at(tail_at_, tail_); !done) return done;
  tail_at_ += tail_.size();
  tail_.clear();
  return {};
}

void PackStream::settle() {
  if (spool_.env == nullptr || tail_.size() < spool_.memory || failure_) return;
  if (auto done = spill(); !done) failure_ = done.error();
}

std::optional<std::string_view> PackStream::read(std::uint64_t offset, std::size_t size,
                                                 std::string& room) const {
  if (in_memory(offset)) return std::string_view(tail_).substr(offset - tail_at_);
  if (!file_->read_at(offset, size, room) || room.size() < size) return std::nullopt;
  return room;
}

HistoryResult<PackStream::Finished> PackStream::finish(std::uint32_t objects,
                                                       ObjectHasher& hasher) {
  const auto count = be32(objects);
  Finished done;
  if (file_ == nullptr && !failure_) {
    done.bytes = tail_;
    done.bytes.replace(kCountAt, count.size(), count.data(), count.size());
    done.checksum = hasher.digest(done.bytes);
    done.bytes += done.checksum.raw();
    done.size = done.bytes.size();
    return done;
  }
  failure_.reset();
  const auto complete = [&]() -> IoResult<void> {
    if (auto written = spill(); !written) return written;
    if (auto written = file_->write_at(kCountAt, {count.data(), count.size()}); !written) {
      return written;
    }
    hasher.begin_digest();
    std::string piece;
    for (std::uint64_t at = 0; at < tail_at_; at += piece.size()) {
      const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, tail_at_ - at));
      if (auto read = file_->read_at(at, size, piece); !read) return read;
      if (piece.empty()) return tl::unexpected(make_io_error(EIO, "read", spool_.path));
      hasher.add_to_digest(piece);
    }
    done.checksum = hasher.end_digest();
    if (auto written = file_->write_at(tail_at_, done.checksum.raw()); !written) return written;
    return spool_.sync ? file_->sync() : IoResult<void>{};
  };
  if (auto completed = complete(); !completed) return io_failed(completed.error());
  done.spooled = spool_.path;
  done.size = tail_at_ + done.checksum.raw().size();
  return done;
}

}  // namespace vxs::store
