// What transactions must do, in the simplest form that can be written: trees
// are copied whole, a commit replays every request (design section 4).
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/support/wire_client.hh"

namespace vxs::differential {

// The store as a privileged client sees it. Well-formed requests of types
// READ, WRITE, MKDIR, RM, DIRECTORY, GET_PERMS and SET_PERMS only.
class ModelTree {
 public:
  ModelTree();

  // Applies a request and returns the reply (req_id and tx_id 0).
  support::Frame answer(uint32_t type, const std::string& payload);

  // Whether the last request made the transaction one that wrote: a WRITE, a
  // MKDIR of a missing node, an RM of an existing one, a SET_PERMS, done.
  [[nodiscard]] bool wrote() const { return wrote_; }

  // Whether existence, value or permissions of a node differ.
  [[nodiscard]] bool differs_at(const std::string& path, const ModelTree& other) const;

  [[nodiscard]] bool has(const std::string& path) const { return nodes_.contains(path); }

  // Every node's path in map order.
  [[nodiscard]] std::vector<std::string> paths() const;

 private:
  struct Node {
    std::string value;
    std::string perms;
    std::vector<std::string> children;  // in order of creation
  };

  void create(const std::string& path);
  support::Frame remove(const std::string& path);
  support::Frame write(uint32_t type, const std::string& path, const std::string& rest);

  std::map<std::string, Node> nodes_;
  bool wrote_ = false;
};

// A transaction: the tree it saw and what it was told.
class ModelTransaction {
 public:
  explicit ModelTransaction(const ModelTree& head) : view_(head) {}

  support::Frame answer(uint32_t type, const std::string& payload);

  // True and `head` moved on, or false when a replay on `head` would have been
  // answered differently (EAGAIN).
  bool commit(ModelTree& head);

  // After a commit, of its replay: paths named by requests that changed something.
  [[nodiscard]] const std::set<std::string>& named() const { return named_; }
  // Those of them that an RM removed.
  [[nodiscard]] const std::set<std::string>& removed() const { return removed_; }

 private:
  struct Asked {
    uint32_t type;
    std::string payload;
    support::Frame reply;
  };

  ModelTree view_;
  std::vector<Asked> asked_;
  std::set<std::string> named_;
  std::set<std::string> removed_;
  bool wrote_ = false;
};

// The events a watch on `/m` gets for a commit that moved the head from
// `before` to `after`: which must come and which may (D4, D5, D11, D13). Every
// node that changed must show, by itself or by the removal of an ancestor.
struct ExpectedEvents {
  std::set<std::string> required;
  std::set<std::string> allowed;
};
ExpectedEvents expected_events(const ModelTransaction& transaction, const ModelTree& before,
                               const ModelTree& after);

}  // namespace vxs::differential
