#include "store/history/object_id.hh"

#include <git2/odb.h>
#include <openssl/evp.h>

#include <charconv>
#include <new>

namespace vxs::store {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

std::string_view type_name(ObjectType type) noexcept {
  switch (type) {
    case ObjectType::kCommit:
      return "commit ";
    case ObjectType::kTree:
      return "tree ";
    case ObjectType::kBlob:
      break;
  }
  return "blob ";
}

}  // namespace

void ObjectId::append_hex(std::string& out) const {
  for (const unsigned char byte : bytes) {
    out += kHexDigits[byte >> 4U];
    out += kHexDigits[byte & 0xFU];
  }
}

std::string ObjectId::hex() const {
  std::string out;
  out.reserve(2 * bytes.size());
  append_hex(out);
  return out;
}

std::optional<ObjectId> ObjectId::from_hex(std::string_view text) {
  ObjectId id;
  if (text.size() != 2 * id.bytes.size()) return std::nullopt;
  for (std::size_t i = 0; i < id.bytes.size(); ++i) {
    const int high = hex_value(text[2 * i]);
    const int low = hex_value(text[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    id.bytes[i] = static_cast<unsigned char>(high * 16 + low);
  }
  return id;
}

struct ObjectHasher::Impl {
  struct FreeContext {
    void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
  };
  struct FreeDigest {
    void operator()(EVP_MD* digest) const noexcept { EVP_MD_free(digest); }
  };
  // Fetched once: an implicit fetch costs more than the hash of a small object.
  std::unique_ptr<EVP_MD, FreeDigest> sha1{EVP_MD_fetch(nullptr, "SHA1", nullptr)};
  std::unique_ptr<EVP_MD_CTX, FreeContext> context{EVP_MD_CTX_new()};

  ObjectId finish() {
    ObjectId id;
    EVP_DigestFinal_ex(context.get(), id.bytes.data(), nullptr);
    return id;
  }
};

ObjectHasher::ObjectHasher() : impl_(std::make_unique<Impl>()) {
  if (impl_->sha1 == nullptr || impl_->context == nullptr) throw std::bad_alloc();
}
ObjectHasher::~ObjectHasher() = default;

ObjectId ObjectHasher::hash(ObjectType type, std::string_view data) {
  std::array<char, 32> header{};
  const std::string_view name = type_name(type);
  name.copy(header.data(), name.size());
  const auto [end, error] =
      std::to_chars(header.data() + name.size(), header.data() + header.size() - 1, data.size());
  static_cast<void>(error);                                               // 32 bytes hold any size
  const auto length = static_cast<std::size_t>(end - header.data()) + 1;  // with its NUL
  EVP_MD_CTX* context = impl_->context.get();
  EVP_DigestInit_ex2(context, impl_->sha1.get(), nullptr);
  EVP_DigestUpdate(context, header.data(), length);
  EVP_DigestUpdate(context, data.data(), data.size());
  return impl_->finish();
}

std::optional<ObjectId> ObjectHasher::hash_guest_blob(std::string_view data) const {
  git_oid oid;
  if (refused_ == data) return std::nullopt;
  if (git_odb_hash(&oid, data.data(), data.size(), GIT_OBJECT_BLOB) != 0) return std::nullopt;
  ObjectId id;
  std::memcpy(id.bytes.data(), oid.id, id.bytes.size());
  return id;
}

ObjectId ObjectHasher::digest(std::string_view data) {
  begin_digest();
  add_to_digest(data);
  return end_digest();
}

void ObjectHasher::begin_digest() {
  EVP_DigestInit_ex2(impl_->context.get(), impl_->sha1.get(), nullptr);
}

void ObjectHasher::add_to_digest(std::string_view data) {
  EVP_DigestUpdate(impl_->context.get(), data.data(), data.size());
}

ObjectId ObjectHasher::end_digest() { return impl_->finish(); }

}  // namespace vxs::store
