// What the C library's heaps keep of the memory that was freed.
#pragma once

namespace vxs::process {

/// To be called at the beginning of main(). By default each large block that is freed raises, up to
/// 64 MiB, what a heap keeps at its end and what comes from it at all: for the rest of the process
/// one peak decides what it has at rest. Here both stay what they are: blocks of a mebibyte are
/// mapped one by one, and one stays free at the end of a heap.
void bound_heaps() noexcept;

/// Gives the whole pages between blocks in use back as well. Whoever needs memory meanwhile waits:
/// for long after a peak, hardly at all otherwise. Any thread.
void trim_heaps() noexcept;

}  // namespace vxs::process
