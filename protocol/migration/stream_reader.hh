// Reads a state stream, record by record (conformance H8..H11). Takes hostile bytes: whatever they
// are, the answer is a record or an error, and nothing outside the stream is touched.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/migration/byte_order.hh"
#include "protocol/migration/records.hh"

#include <tl/expected.hpp>

namespace vxs::protocol::migration {

enum class Fault : std::uint8_t {
  kNotAStream,  ///< the first eight bytes are others
  kVersion,     ///< neither 1 nor 2
  kFlags,       ///< reserved flags are set
  kCut,         ///< the stream ends here, before its END record
  kTooLong,     ///< a record over kMaxBodyBytes
  kShort,       ///< the record ends before its fields do
  kLong,        ///< more than padding follows the record's fields
  kConnection,  ///< a connection that cannot be: id 0, unknown kind or fields, odd lengths
  kPath,        ///< not a path, not the length named, or over kMaxStreamPath
  kToken,       ///< not the length named
  kPermission,  ///< an unknown letter, or no permission at all
  kQuota,       ///< a quota without a name
  kTrailing,    ///< bytes follow the END record
};

struct StreamError {
  Fault fault = Fault::kCut;
  std::uint64_t record = 0;  ///< counted from 1; 0: the stream's header
  std::uint64_t offset = 0;  ///< in the stream, of the field that is wrong
  std::uint32_t type = 0;    ///< of the record, once it is known
  friend bool operator==(const StreamError&, const StreamError&) = default;
};

/// "record 7 (NODE_DATA), byte 1234: …".
[[nodiscard]] std::string describe(const StreamError& error);

/// One pass over a stream in memory; no byte is copied. One thread; pure.
///
/// Padding is never looked at, bytes of reserved types are passed over. A record may be longer than
/// its fields by less than 8 bytes, since xenstored counts the padding and the document does not.
class StreamReader {
 public:
  /// Looks at the stream's header. The stream must outlive the reader.
  /// Errors: kNotAStream, kVersion, kFlags, kCut.
  [[nodiscard]] static tl::expected<StreamReader, StreamError> open(std::string_view stream);

  [[nodiscard]] Version version() const noexcept { return version_; }
  [[nodiscard]] ByteOrder order() const noexcept { return order_; }

  /// The next record; its lists live until the next call, its strings as long as the stream. After
  /// End: End again; after an error: the same error. Errors: all others.
  [[nodiscard]] tl::expected<Record, StreamError> next();

  /// The number of the record next() gave last, and where it begins.
  [[nodiscard]] std::uint64_t record() const noexcept { return record_; }
  [[nodiscard]] std::uint64_t offset() const noexcept { return begin_; }

 private:
  class Body;
  using Result = tl::expected<Record, Fault>;

  StreamReader(std::string_view stream, Version version, ByteOrder order) noexcept
      : stream_(stream), version_(version), order_(order), at_(kStreamHeaderBytes) {}
  [[nodiscard]] tl::unexpected<StreamError> fail(Fault fault, std::uint64_t offset);
  [[nodiscard]] Result decode(std::uint32_t type, Body& body);
  [[nodiscard]] static Result global(Body& body);
  [[nodiscard]] static Result connection(Body& body);
  [[nodiscard]] static Result watch(Body& body);
  [[nodiscard]] static Result extended_watch(Body& body);
  [[nodiscard]] static Result transaction(Body& body);
  [[nodiscard]] Result node(Body& body);
  [[nodiscard]] Result global_quota(Body& body);
  [[nodiscard]] Result domain(Body& body);
  /// Fills quotas_ with `count` values and as many names.
  [[nodiscard]] tl::expected<void, Fault> take_quotas(Body& body, std::size_t count);

  std::string_view stream_;
  Version version_;
  ByteOrder order_;
  std::size_t at_;         ///< of the next record
  std::size_t begin_ = 0;  ///< of this one
  std::uint64_t record_ = 0;
  std::uint32_t type_ = 0;
  bool ended_ = false;
  std::vector<NodePerm> perms_;
  std::vector<QuotaValue> quotas_;
  std::optional<StreamError> failed_;
};

}  // namespace vxs::protocol::migration
