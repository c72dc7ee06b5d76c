// What an answer was, in eight bytes: enough to see in another process whether it is the same.
#pragma once

#include <cstdint>
#include <string_view>

#include "transactions/operation.hh"

namespace vxs::transactions {

/// The key of hash_answer(), the same in both processes. Random: a guest that knew it could write
/// two values whose hashes are equal, and have a transaction that read the one commit over the
/// other.
struct HashKey {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  friend bool operator==(const HashKey&, const HashKey&) = default;
};

/// SipHash-2-4 of `bytes` and one more byte behind them.
[[nodiscard]] std::uint64_t keyed_hash(const HashKey& key, std::string_view bytes,
                                       char last) noexcept;

/// Equal for answers that are the same to a replay: whole replies, DIRECTORY_PART without its
/// generation (replay.hh).
[[nodiscard]] std::uint64_t hash_answer(const HashKey& key, OperationKind kind,
                                        const Answer& answer) noexcept;

}  // namespace vxs::transactions
