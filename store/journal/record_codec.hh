// Records to bytes and back: the protobuf wire format of record.proto, by hand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "store/perm_set.hh"
#include "store/record.hh"

#include <tl/expected.hpp>

namespace vxs::store {

/// record.proto's RecordType.
enum class RecordType : std::uint16_t {
  kNone = 0,
  kCommit = 1,
  kConflict = 2,
  kStart = 3,
  kWatchAdded = 10,
  kWatchRemoved = 11,
  kConnectionReset = 12,
  kDomainKnown = 30,
  kDomainIntroduced = 31,
  kDomainGone = 32,
  kDomainShutdown = 33,
  kDomainTarget = 34,
  kQuotaSet = 40,
  kDomainFeatures = 41,
};

/// Encodes one record after the other, in two steps so that the bytes go straight to
/// their place. Keeps its scratch memory: no allocation once warm. One thread at a time.
class RecordEncoder {
 public:
  /// The payload's size, or nothing for a record that could not be read back (a change without a
  /// path or permissions where its kind needs them, a kind out of range, a state change
  /// without the name it is about).
  [[nodiscard]] bool measure(const Record& record, std::size_t& size);
  /// Writes exactly the measured bytes. REQUIRES: measure() of the same, unchanged record came last
  /// and returned true.
  void write(const Record& record, char* out) const;

  [[nodiscard]] static RecordType type_of(const Record& record) noexcept;

 private:
  [[nodiscard]] bool measure_changes(std::span<const Change> changes, std::size_t& size);
  char* write_changes(std::span<const Change> changes, char* out) const;
  [[nodiscard]] std::uint32_t list_number(const PermSet* set);

  std::vector<const PermSet*> lists_;        ///< distinct lists in order of first use
  std::vector<std::uint32_t> list_numbers_;  ///< 1 + index into lists_, per change; 0 for none
  std::vector<std::size_t> list_sizes_;
};

/// Decodes one record after the other. What it gave out (its views point into the payload)
/// is valid until the next decode(). One thread, the PermTable's.
class RecordDecoder {
 public:
  explicit RecordDecoder(PermTable& perms) : perms_(perms) {}

  enum class Failure : std::uint8_t {
    kUnknownType,  ///< of a newer version; the frame's may-skip bit decides
    kMalformed,    ///< not what an encoder of any version writes
  };
  [[nodiscard]] tl::expected<const Record*, Failure> decode(Seq seq, std::uint16_t type,
                                                            std::string_view payload);

 private:
  class Parser;
  PermTable& perms_;
  Record record_;
  std::vector<Change> changes_;
  std::vector<std::uint32_t> list_numbers_;
  std::vector<PermRef> lists_;
  std::vector<protocol::PermEntry> entries_;
};

}  // namespace vxs::store
