// A second, naive implementation of the store requests: whole copies of maps of
// strings, no sharing, nothing clever. What it says is the truth the tests hold transactions/
// against.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/permissions.hh"
#include "store/tree.hh"
#include "transactions/operation.hh"
#include "transactions/rights.hh"

namespace vxs::transactions::test {

struct OracleNode {
  std::string value;
  std::vector<protocol::PermEntry> perms;
  std::vector<std::string> children;  ///< in order of creation

  friend bool operator==(const OracleNode&, const OracleNode&) = default;
};

/// A request in plain values.
struct OracleRequest {
  OperationKind kind = OperationKind::kRead;
  std::string path;
  std::string value;
  std::vector<protocol::PermEntry> perms;
  std::uint64_t offset = 0;
};

/// "EACCES" and so on, or "=" and the payload (DIRECTORY_PART: the names only).
using OracleAnswer = std::string;

class OracleTree {
 public:
  OracleTree(std::vector<protocol::PermEntry> root, std::vector<protocol::PermEntry> introduce,
             std::vector<protocol::PermEntry> release);

  /// Answers and applies. `wrote` becomes true if the tree changed.
  OracleAnswer run(const Caller& caller, const OracleRequest& request, bool& wrote);

  friend bool operator==(const OracleTree&, const OracleTree&) = default;
  [[nodiscard]] const std::map<std::string, OracleNode>& nodes() const { return nodes_; }

 private:
  OracleAnswer write(const Caller& caller, const OracleRequest& request, bool& wrote);
  OracleAnswer remove(const Caller& caller, const std::string& path, bool& wrote);
  OracleAnswer set_perms(const Caller& caller, const OracleRequest& request, bool& wrote);
  [[nodiscard]] OracleAnswer look(const Caller& caller, const OracleRequest& request) const;
  [[nodiscard]] std::string existing_ancestor(std::string path) const;
  [[nodiscard]] OracleAnswer refusal(const Caller& caller, const std::string& path,
                                     int wanted) const;

  std::map<std::string, OracleNode> nodes_;
};

/// The same answer in the oracle's words.
[[nodiscard]] OracleAnswer in_oracle_words(OperationKind kind, const Answer& answer);

/// Is the real tree what the oracle says? Child order included.
[[nodiscard]] bool same_content(const store::Tree& tree, const OracleTree& oracle);

}  // namespace vxs::transactions::test
