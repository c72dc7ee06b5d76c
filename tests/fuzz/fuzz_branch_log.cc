// Input: the log of a connection's transactions. What is believed of it is executed.
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/fuzz/check.hh"
#include "tests/fuzz/small_tree.hh"
#include "transactions/branch.hh"
#include "transactions/branch_log.hh"
#include "transactions/head.hh"

namespace {

using vxs::fuzz::check;
using namespace vxs::transactions;

std::string encoded(const BranchLogEntry& entry) {
  const std::size_t size = encoded_size(entry);
  check(size != 0, "what was decoded can be encoded");
  std::vector<char> exact(size);  // so that one byte too many is seen
  encode(entry, exact.data());
  return {exact.data(), size};
}

/// Entry by entry: what is taken is what was written.
void check_entries(std::string_view rest, vxs::store::PermTable& table) {
  while (true) {
    const std::string_view before = rest;
    const auto entry = take_entry(rest, table);
    if (!entry) {
      check(rest == before, "what is refused is not taken");
      return;
    }
    check(encoded(*entry) == before.substr(0, before.size() - rest.size()),
          "the encoding is canonical");
  }
}

/// Resumes it, moves it over a commit, and ends it.
void check_resumed(const OpenTransaction& open, const Caller& caller) {
  vxs::fuzz::SmallTree small;
  Head head(small.stats, small.perms, small.tree, 1);
  // Lists of the log belong to another table.
  std::string bytes = encoded({.tx_id = open.id, .kind = BranchLogEntry::Kind::kStarted});
  for (const auto& entry : open.entries) bytes += encoded(entry);
  const auto again = read_branch_log(bytes, small.perms);
  check(again && again->size() == 1 && again->front().entries.size() == open.entries.size(),
        "a log survives encoding");
  const auto branch = Branch::resume(head, caller, open.id, again->front().entries, HashKey{1, 2});
  check(branch->base_seq() == 1, "it starts from the head");
  const vxs::store::Change change{.kind = vxs::store::ChangeKind::kWrite,
                                  .implicit = false,
                                  .path = "/a",
                                  .value = "other",
                                  .perms = {}};
  check(head.commit({&change, 1}, 2, 0), "the small tree can be written");
  const bool was_doomed = branch->doomed();
  branch->rebase(head);
  check(branch->doomed() || !was_doomed, "doomed is for ever");
  const Decision decision = branch->decide(head);
  if (decision.kind != Decision::Kind::kCommit) return;
  branch->release_trees();
  check(head.commit(decision.changes, 3, 0), "what is decided fits");
  vxs::fuzz::check_tree(head.tree());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  vxs::store::PermTable table;
  check_entries(bytes, table);
  const auto open = read_branch_log(bytes, table);
  if (!open) {
    check(open.error().offset < size && !open.error().what.empty(), "damage is named");
    return 0;
  }
  for (const auto& transaction : *open) {
    check_resumed(transaction, Caller{});
    check_resumed(transaction, Caller{.domid = 5, .incarnation = 7, .privileged = false});
  }
  return 0;
}
