// The eight store requests, evaluated against one version of the tree
// (conformance B1..B8, C10..C15). Pure: the tree is only read, what the request
// would do comes out as a list of changes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/error.hh"
#include "store/change.hh"
#include "store/perm_set.hh"
#include "store/tree.hh"
#include "transactions/rights.hh"

namespace vxs::transactions {

enum class OperationKind : std::uint8_t {
  kRead,
  kDirectory,
  kDirectoryPart,
  kGetPerms,
  kWrite,
  kMkdir,
  kRm,
  kSetPerms,
};

/// The request's name on the wire, "READ" and so on.
[[nodiscard]] std::string_view operation_name(OperationKind kind) noexcept;

/// A store request after its payload was parsed. The views belong to the caller.
struct Operation {
  OperationKind kind = OperationKind::kRead;
  /// Canonical absolute path; "@introduceDomain" or "@releaseDomain" for the two permission
  /// requests only.
  std::string_view path;
  std::string_view value;    ///< kWrite
  store::PermRef perms;      ///< kSetPerms, with incarnations bound
  std::uint64_t offset = 0;  ///< kDirectoryPart: byte offset into the list of names
  /// kDirectoryPart: room for names; 0 lets the generation's length decide (B6). A replay passes
  /// the room the first evaluation had, or a longer generation would look like another answer.
  std::size_t names_room = 0;
};

/// The answer to an operation.
struct Answer {
  bool ok = false;
  protocol::Error error = protocol::Error::kInval;  ///< if !ok
  /// Reply payload if ok. Points into the tree, the scratch string or static memory; valid until
  /// one of them changes.
  std::string_view data;
  /// kDirectoryPart: length of the generation in front of the names, its NUL included.
  std::size_t generation_length = 0;
};

/// Longest reply payload (A6, B0.6).
inline constexpr std::size_t kMaxReply = 4096;

/// Evaluates `operation` for `caller` on `tree`. Appends to `changes` what it does to the tree
/// (views into the operation's strings and `tree`'s permissions); a failed or reading operation
/// appends nothing. `scratch` is overwritten. New permission lists come from `table`.
///
/// Errors: kAcces, kNoent by C14; k2big for an answer over 4096 bytes; kInval for RM of "/";
/// kPerm when an unprivileged caller changes the owner.
[[nodiscard]] Answer evaluate(const store::Tree& tree, store::PermTable& table,
                              const Caller& caller, const Operation& operation,
                              std::vector<store::Change>& changes, std::string& scratch);

}  // namespace vxs::transactions
