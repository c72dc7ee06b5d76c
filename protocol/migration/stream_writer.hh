// Writes a state stream, record by record (conformance H8..H11).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/migration/byte_order.hh"
#include "protocol/migration/records.hh"

namespace vxs::protocol::migration {

/// Appends to a string that the caller may hand on and empty between two records. Pure; one thread.
///
/// put() returns false, and appends nothing, for what no record can hold: a path, token or value
/// over 65534 or 65535 bytes, over 65535 permissions or quotas, input over 65535 bytes, output over
/// kMaxBodyBytes, a connection id of 0, more `partial` than output, a NUL within a string, a
/// committed node without permissions. REQUIRES: paths are well-formed.
class StreamWriter {
 public:
  /// Appends the stream's header. `out` must outlive the writer.
  StreamWriter(std::string& out, Version version, ByteOrder order = kNativeOrder);

  [[nodiscard]] Version version() const noexcept { return version_; }

  [[nodiscard]] bool put(const Global& global);
  [[nodiscard]] bool put(const Connection& connection);
  /// Version 1 has no depth: the watch is then written without it, and fires at any depth.
  [[nodiscard]] bool put(const Watch& watch);
  [[nodiscard]] bool put(const Transaction& transaction);
  [[nodiscard]] bool put(const Node& node);
  [[nodiscard]] bool put(const GlobalQuota& quota);
  /// Version 1 has no features: they are then written as 0.
  [[nodiscard]] bool put(const Domain& domain);
  [[nodiscard]] bool put(const End& end);
  [[nodiscard]] static bool put(const Unknown& unknown);
  [[nodiscard]] bool put(const Record& record);

 private:
  template <typename Number>
  void number(Number value) {
    const auto bytes = number_bytes(value, order_);
    out_.append(bytes.data(), bytes.size());
  }
  void begin(RecordType type, std::size_t body_bytes);
  void string(std::string_view text);
  void align();

  std::string& out_;
  Version version_;
  ByteOrder order_;
  std::size_t body_ = 0;  ///< where in out_ the record's body begins
};

}  // namespace vxs::protocol::migration
