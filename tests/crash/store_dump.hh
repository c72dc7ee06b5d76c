// Everything a client can see of the store, for comparing what was with what is.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/support/wire_client.hh"

namespace vxs::test {

struct DumpedNode {
  std::string value;
  std::string perms;                  // as GET_PERMS answers: "n0\0r5\0"
  std::uint64_t generation = 0;       // of DIRECTORY_PART (B6); 0 for special nodes
  std::vector<std::string> children;  // in the order listed (B5)
  friend bool operator==(const DumpedNode&, const DumpedNode&) = default;
};
using StoreDump = std::map<std::string, DumpedNode>;

// `root` and everything below it; with "/" also the special nodes. Empty if `root` is missing.
// Throws WireError, and std::runtime_error for an error reply that has no business there.
StoreDump dump_store(support::WireClient& client, const std::string& root = "/");

// Where two dumps differ, in words; "" if they do not. Generations count if `generations` is set.
std::string difference(const StoreDump& before, const StoreDump& after, bool generations = true);

// A line of CONTROL vxs-status; "" if there is no such key.
std::string status_value(support::WireClient& client, const std::string& key);
std::uint64_t status_number(support::WireClient& client, const std::string& key);

// Bytes for a message: everything but letters, digits and '/' as \xHH, shortened.
std::string shown(const std::string& bytes);

}  // namespace vxs::test
