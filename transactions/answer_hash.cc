#include "transactions/answer_hash.hh"

#include <bit>
#include <cstddef>

namespace vxs::transactions {
namespace {

/// The state of SipHash, and its two steps.
class Sip {
 public:
  explicit Sip(const HashKey& key) noexcept
      : v0_(key.low ^ 0x736f6d6570736575),
        v1_(key.high ^ 0x646f72616e646f6d),
        v2_(key.low ^ 0x6c7967656e657261),
        v3_(key.high ^ 0x7465646279746573) {}

  void add(std::uint64_t word) noexcept {
    v3_ ^= word;
    round();
    round();
    v0_ ^= word;
  }

  std::uint64_t finish() noexcept {
    v2_ ^= 0xff;
    for (int i = 0; i < 4; ++i) round();
    return v0_ ^ v1_ ^ v2_ ^ v3_;
  }

 private:
  void round() noexcept {
    v0_ += v1_;
    v2_ += v3_;
    v1_ = std::rotl(v1_, 13) ^ v0_;
    v3_ = std::rotl(v3_, 16) ^ v2_;
    v0_ = std::rotl(v0_, 32);
    v2_ += v1_;
    v0_ += v3_;
    v1_ = std::rotl(v1_, 17) ^ v2_;
    v3_ = std::rotl(v3_, 21) ^ v0_;
    v2_ = std::rotl(v2_, 32);
  }

  std::uint64_t v0_, v1_, v2_, v3_;
};

/// Up to eight bytes, the first one lowest.
std::uint64_t word_of(std::string_view bytes) noexcept {
  std::uint64_t word = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) {
    word = word << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return word;
}

constexpr std::size_t kWord = sizeof(std::uint64_t);

}  // namespace

std::uint64_t keyed_hash(const HashKey& key, std::string_view bytes, char last) noexcept {
  Sip sip(key);
  const std::uint64_t length = bytes.size() + 1;
  while (bytes.size() >= kWord) {
    sip.add(word_of(bytes.substr(0, kWord)));
    bytes.remove_prefix(kWord);
  }
  std::uint64_t tail = word_of(bytes) | std::uint64_t{static_cast<unsigned char>(last)}
                                            << (8 * bytes.size());
  if (bytes.size() + 1 == kWord) {
    sip.add(tail);
    tail = 0;
  }
  sip.add(tail | length << 56);
  return sip.finish();
}

std::uint64_t hash_answer(const HashKey& key, OperationKind kind, const Answer& answer) noexcept {
  if (!answer.ok) return keyed_hash(key, protocol::error_name(answer.error), 'E');
  std::string_view data = answer.data;
  if (kind == OperationKind::kDirectoryPart) data.remove_prefix(answer.generation_length);
  return keyed_hash(key, data, '=');
}

}  // namespace vxs::transactions
