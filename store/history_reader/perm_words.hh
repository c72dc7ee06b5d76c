// Permission lists in words, and what a change of one means (conformance C9, C17).
#pragma once

#include <string>
#include <vector>

#include "protocol/permissions.hh"

namespace vxs::store::reader {

/// "owner dom5, everybody else: none, dom0: read".
[[nodiscard]] std::string describe_perms(const std::vector<protocol::PermEntry>& perms);

/// What `to` allows that `from` did not, and the other way round; one sentence for each difference:
/// "owner dom0→dom5", "everybody else: none→read", "dom7: none→read". Entries that can never decide
/// (stale, behind a first match, the owner's own) do not count. Lists that differ only in these
/// give one sentence that says so; equal lists none.
[[nodiscard]] std::vector<std::string> describe_perms_change(
    const std::vector<protocol::PermEntry>& from, const std::vector<protocol::PermEntry>& to);

}  // namespace vxs::store::reader
