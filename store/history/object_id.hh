// Names of Git objects and how they are computed.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace vxs::store {

/// The numbers are those of a pack entry's header.
enum class ObjectType : std::uint8_t { kCommit = 1, kTree = 2, kBlob = 3 };

/// A Git object's SHA-1. All zero: no object.
struct ObjectId {
  std::array<unsigned char, 20> bytes{};

  friend auto operator<=>(const ObjectId&, const ObjectId&) = default;
  [[nodiscard]] bool is_null() const noexcept { return *this == ObjectId{}; }
  /// The 20 bytes as they stand in a tree entry.
  [[nodiscard]] std::string_view raw() const noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  [[nodiscard]] static ObjectId from_raw(std::string_view raw) noexcept {
    ObjectId id;
    std::memcpy(id.bytes.data(), raw.data(), id.bytes.size());
    return id;
  }
  [[nodiscard]] std::string hex() const;
  void append_hex(std::string& out) const;
  /// Nothing unless `text` is 40 lower-case hexadecimal digits.
  [[nodiscard]] static std::optional<ObjectId> from_hex(std::string_view text);
};

/// For hash tables: an id is as good as random.
struct ObjectIdHash {
  std::size_t operator()(const ObjectId& id) const noexcept {
    std::size_t value = 0;
    std::memcpy(&value, id.bytes.data(), sizeof value);
    return value;
  }
};

/// Computes ids. Keeps a digest context, so one per thread.
class ObjectHasher {
 public:
  ObjectHasher();
  ~ObjectHasher();
  ObjectHasher(const ObjectHasher&) = delete;
  ObjectHasher& operator=(const ObjectHasher&) = delete;

  /// Of an object whose bytes are ours (trees, commits, `.meta`): OpenSSL, with SHA-NI where the
  /// processor has it.
  [[nodiscard]] ObjectId hash(ObjectType type, std::string_view data);
  /// Of a blob whose bytes a guest chose: collision-detecting; nothing if the bytes look like half
  /// of a collision.
  [[nodiscard]] std::optional<ObjectId> hash_guest_blob(std::string_view data) const;
  /// From now on hash_guest_blob() refuses `data` as if it were half of a collision: nobody can
  /// make a real one that is a blob, so tests of what follows need this.
  void refuse(std::string data) { refused_ = std::move(data); }
  /// SHA-1 of bytes as they are (pack and index trailers).
  [[nodiscard]] ObjectId digest(std::string_view data);
  /// The same piece by piece; nothing else may be hashed in between.
  void begin_digest();
  void add_to_digest(std::string_view data);
  [[nodiscard]] ObjectId end_digest();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  std::optional<std::string> refused_;
};

}  // namespace vxs::store
