// What a transaction has executed, as bytes that outlive the process: from them Branch::resume()
// makes the transaction again (design §6).
//
// A log holds the transactions of one connection, interleaved as they came: one entry when a
// transaction starts, one for every operation it executes, one when it ends. Whoever keeps it says
// where it ends; the entries themselves are checked on the way in, whatever the bytes are.
//
// Little-endian. Every entry begins with
//
//   0  4  size of the entry
//   4  4  transaction id, not 0
//   8  1  kind (BranchLogEntry::Kind)
//   9  1  flags: bit 0 the transaction is poisoned from here on
//
// followed by two zero bytes, and nothing else where it starts or ends a transaction. One with an
// operation goes on with
//
//  10  1  operation (OperationKind)        in place of the first zero
//  12  2  length of the existing ancestor's path
//  14  2  room for names (DIRECTORY_PART)
//  16  8  hash of the answer
//  24  8  offset (DIRECTORY_PART)
//  32  2  size of the path
//  34  2  size of the value
//  36  2  number of permission entries
//  38  2  0
//  40     path, value, permission entries: domid 2, access 1, 0, incarnation 8
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "protocol/ids.hh"
#include "store/perm_set.hh"
#include "transactions/operation.hh"

#include <tl/expected.hpp>

namespace vxs::transactions {

struct BranchLogEntry {
  enum class Kind : std::uint8_t {
    kStarted = 1,   ///< no operation yet
    kExecuted = 2,  ///< answered as the tree says
    kRefused = 3,   ///< by a limit; `answer` is the one it would have had without
    kNotRun = 4,    ///< refused before the tree was asked, and that poisoned the transaction
    kEnded = 5,     ///< committed or not: its entries mean nothing any more
  };

  TxId tx_id = 0;
  Kind kind = Kind::kStarted;
  /// The transaction is poisoned from here on (Branch::poisoned()).
  bool poisoned = false;
  /// kExecuted, kRefused, kNotRun. The views belong to whoever made the entry.
  Operation operation{};
  std::size_t ancestor_length = 0;  ///< as LoggedOperation's
  std::uint64_t answer = 0;         ///< hash_answer(); 0 for kNotRun

  [[nodiscard]] bool has_operation() const noexcept {
    return kind != Kind::kStarted && kind != Kind::kEnded;
  }
};

/// Bytes encode() writes. 0: the operation is larger than any that a request can carry, and cannot
/// be kept.
[[nodiscard]] std::size_t encoded_size(const BranchLogEntry& entry) noexcept;
/// Writes the entry. REQUIRES: `out` has room for encoded_size(), which is not 0.
void encode(const BranchLogEntry& entry, char* out) noexcept;

/// Damage: what is wrong (static text), and how far into the bytes.
struct BranchLogError {
  std::size_t offset = 0;
  std::string_view what;
};

/// Takes the first entry off `bytes`; its views point into them, its permissions come from `table`.
/// What it gives is an operation that evaluate() takes. Errors: anything that encode() does not
/// write for a request's operation; offset is 0, `bytes` is unchanged.
[[nodiscard]] tl::expected<BranchLogEntry, BranchLogError> take_entry(std::string_view& bytes,
                                                                      store::PermTable& table);

/// A transaction that is open at the end of a log.
struct OpenTransaction {
  TxId id = 0;
  std::vector<BranchLogEntry> entries;  ///< those with operations, in order
};

/// The transactions that are open at the end of a log, in order of their starts. Views point into
/// `bytes`. Errors: as take_entry(), and entries that do not follow from each other: a start of a
/// transaction that is open, an operation or end of one that is not.
[[nodiscard]] tl::expected<std::vector<OpenTransaction>, BranchLogError> read_branch_log(
    std::string_view bytes, store::PermTable& table);

}  // namespace vxs::transactions
