// Replaces the operators new and delete of the binary it is linked to.
#pragma once

namespace vxs::store::test {

/// The allocation after `number` more fails, once; negative: none does.
void fail_allocation(long number);
/// True if it has (or none was to).
[[nodiscard]] bool allocation_failed();

}  // namespace vxs::store::test
