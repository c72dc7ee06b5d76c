#pragma once
// The READ, WRITE and transaction clients. Each client works below a domain
// directory of its own, except in the sibling workload, where all create nodes
// under one parent.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/script.hh"

namespace vxs::bench {

// The node of client `index` that its requests are about; `part` 0..2.
[[nodiscard]] std::string client_path(unsigned index, unsigned part);
// The parent of all siblings.
[[nodiscard]] std::string siblings_parent();
// The sibling that client `index` keeps.
[[nodiscard]] std::string sibling_path(unsigned index);

// One operation = one READ of an existing node.
[[nodiscard]] std::unique_ptr<Script> make_read_script(unsigned index);
// One operation = one WRITE of an existing node, each time another value.
[[nodiscard]] std::unique_ptr<Script> make_write_script(unsigned index);
// The same on a node that every guest started by RingGuests has, by its path relative to the guest.
[[nodiscard]] std::unique_ptr<Script> make_guest_read_script(unsigned index);
[[nodiscard]] std::unique_ptr<Script> make_guest_write_script(unsigned index);
// One operation = start, 3 READs, 3 WRITEs of the same nodes, commit.
[[nodiscard]] std::unique_ptr<Script> make_disjoint_transaction_script(unsigned index);
// One operation = start, 3 READs of the sibling kept, WRITE of that one, WRITE
// of a new one, RM of the one made by the operation before, commit. So the
// parent's size stays the same while its children change all the time.
[[nodiscard]] std::unique_ptr<Script> make_sibling_transaction_script(unsigned index);

}  // namespace vxs::bench
