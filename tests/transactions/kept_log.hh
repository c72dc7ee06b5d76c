// The log that a branch is resumed from, as the tests of that keep it.
#pragma once

#include <string>

#include "transactions/answer_hash.hh"
#include "transactions/branch_log.hh"
#include "transactions/operation.hh"

namespace vxs::transactions::test {

inline constexpr HashKey kKey{.low = 11, .high = 12};
inline constexpr TxId kId = 5;

/// Data, or the error's name.
inline std::string text(const Answer& answer) {
  if (!answer.ok) return std::string(protocol::error_name(answer.error));
  return "=" + std::string(answer.data);
}

inline std::string encoded(const BranchLogEntry& entry) {
  std::string bytes(encoded_size(entry), '\0');
  encode(entry, bytes.data());
  return bytes;
}

/// What every log begins with.
inline std::string started() {
  return encoded({.tx_id = kId, .kind = BranchLogEntry::Kind::kStarted});
}

}  // namespace vxs::transactions::test
