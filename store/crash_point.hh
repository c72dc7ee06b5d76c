// A named place in the program at which tests end the process (docs/crash-points.md has them all).
//
// It costs one instruction that does nothing: the program that is tested is the one that is
// shipped. Its address and its name stand in a section that is never loaded; who wants the process
// to end there writes a breakpoint over the instruction, in the memory of the running process, and
// SIGTRAP ends it as SIGKILL would: no instruction of ours runs any more
// (tests/crash/kept/crash_points.hh).
#pragma once

#if defined(__x86_64__) || defined(__aarch64__)
/// `name`: a literal of small letters and dashes. Every store before it is done, none after it.
#define VXS_CRASH_POINT(name)                             \
  asm volatile(                                           \
      "990: nop\n"                                        \
      ".pushsection .vxs_crash_points,\"?\",%%progbits\n" \
      ".8byte 990b\n"                                     \
      ".asciz \"" name                                    \
      "\"\n"                                              \
      ".popsection\n"                                     \
      :                                                   \
      :                                                   \
      : "memory")
#else
#define VXS_CRASH_POINT(name) \
  do {                        \
  } while (false)
#endif
