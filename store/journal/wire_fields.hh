// The protobuf wire format by hand: fields measured, put and walked. Shared by the record codecs.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace vxs::store::wire {

inline constexpr std::size_t varint_size(std::uint64_t value) noexcept {
  return (static_cast<std::size_t>(std::bit_width(value | 1)) * 9 + 64) / 64;
}

inline constexpr std::uint64_t zigzag(std::int64_t value) noexcept {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}

// protobuf sign-extends a negative int32 to 64 bits.
inline constexpr std::uint64_t extend(std::int32_t value) noexcept {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(value));
}

// All field numbers are below 16, so every tag is one byte.
inline constexpr char tag(unsigned field, unsigned wire_type) noexcept {
  return static_cast<char>(field << 3 | wire_type);
}
inline constexpr unsigned kVarint = 0;
inline constexpr unsigned kBytes = 2;

inline constexpr std::size_t number_size(std::uint64_t value) noexcept {
  return value == 0 ? 0 : 1 + varint_size(value);
}
inline constexpr std::size_t bytes_size(std::string_view value) noexcept {
  return value.empty() ? 0 : 1 + varint_size(value.size()) + value.size();
}
inline constexpr std::size_t message_size(std::size_t size) noexcept {
  return 1 + varint_size(size) + size;
}

inline char* put_varint(char* out, std::uint64_t value) noexcept {
  while (value >= 0x80) {
    *out++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *out++ = static_cast<char>(value);
  return out;
}

inline char* put_number(char* out, unsigned field, std::uint64_t value) noexcept {
  if (value == 0) return out;
  *out++ = tag(field, kVarint);
  return put_varint(out, value);
}

inline char* put_header(char* out, unsigned field, std::size_t size) noexcept {
  *out++ = tag(field, kBytes);
  return put_varint(out, size);
}

inline char* put_bytes(char* out, unsigned field, std::string_view value) noexcept {
  if (value.empty()) return out;
  out = put_header(out, field, value.size());
  std::memcpy(out, value.data(), value.size());
  return out + value.size();
}

/// Walks the fields of one protobuf message. Unknown fields are stepped over, as protobuf does.
class FieldReader {
 public:
  explicit FieldReader(std::string_view bytes) noexcept
      : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  /// Moves to the next field; false at the end or at malformed bytes (then !ok()).
  bool next() noexcept {
    if (at_ == end_ || !ok_) return false;
    std::uint64_t tag = 0;
    if (!varint(tag) || (tag >> 3) == 0 || (tag >> 3) > 0x1FFFFFFF) return fail();
    field_ = static_cast<std::uint32_t>(tag >> 3);
    wire_type_ = static_cast<unsigned>(tag & 7);
    number_ = 0;
    bytes_ = {};
    switch (wire_type_) {
      case 0:
        return varint(number_) || fail();
      case 1:
        return skip(8);
      case 2: {
        std::uint64_t size = 0;
        if (!varint(size) || size > static_cast<std::uint64_t>(end_ - at_)) return fail();
        bytes_ = {at_, static_cast<std::size_t>(size)};
        at_ += size;
        return true;
      }
      case 5:
        return skip(4);
      default:
        return fail();
    }
  }

  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] std::uint32_t field() const noexcept { return field_; }
  [[nodiscard]] bool is_number() const noexcept { return wire_type_ == 0; }
  [[nodiscard]] bool is_bytes() const noexcept { return wire_type_ == 2; }
  [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
  [[nodiscard]] std::string_view bytes() const noexcept { return bytes_; }

 private:
  bool fail() noexcept {
    ok_ = false;
    return false;
  }
  bool skip(std::ptrdiff_t size) noexcept {
    if (end_ - at_ < size) return fail();
    at_ += size;
    return true;
  }
  bool varint(std::uint64_t& value) noexcept {
    value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (at_ == end_) return false;
      const auto byte = static_cast<unsigned char>(*at_++);
      value |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) return shift < 63 || byte <= 1;
    }
    return false;
  }

  const char* at_;
  const char* end_;
  std::uint64_t number_ = 0;
  std::string_view bytes_;
  std::uint32_t field_ = 0;
  unsigned wire_type_ = 0;
  bool ok_ = true;
};

inline std::int64_t unzigzag(std::uint64_t value) noexcept {
  return static_cast<std::int64_t>((value >> 1) ^ (~(value & 1) + 1));
}

}  // namespace vxs::store::wire
