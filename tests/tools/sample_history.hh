// A small history with one of everything: a leaf that becomes a directory, buckets, a split, a long
// name, a merge, a failed transaction, permissions, bytes no terminal should see.
#pragma once

#include <string>

#include "tests/tools/layout_repo.hh"

namespace vxs::test {

/// The commits by what they do.
struct SampleHistory {
  store::ObjectId initial;      ///< Seq 1: /tool, /tool/xenstored
  store::ObjectId create;       ///< Seq 3: dom0 writes /tool/example = "hello"
  store::ObjectId domain;       ///< Seq 4: dom0 makes /local/domain/5, gives it to dom5
  store::ObjectId nasty;        ///< Seq 5: dom5 writes data with ESC, NUL and a newline
  store::ObjectId becomes_dir;  ///< Seq 6: /tool/example/child: a leaf becomes a directory
  store::ObjectId perms;        ///< Seq 7: permissions of /tool/example/child
  store::ObjectId split;        ///< after Seq 7: /tool gets buckets
  store::ObjectId beside;       ///< Seq 8: dom0 writes /tool/other
  store::ObjectId branch;       ///< Seq 9: T of dom5's transaction, base 7, writes data = "merged"
  store::ObjectId merge;        ///< Seq 9: M
  store::ObjectId failed;       ///< Seq 10: dom5's transaction 8 fails because of Seq 8
  store::ObjectId remove;       ///< Seq 11: dom0 removes /tool/example
};

/// "data" of dom5 after Seq 5.
inline const std::string kNastyValue("a\x1b[31mred\0\n\"\\\xff", 14);
/// A name too long for a file system.
inline const std::string kLongName(250, 'n');
/// Seconds; Seq n is made at kFirstTime + 10 * n.
inline constexpr std::int64_t kFirstTime = 1'700'000'000;

SampleHistory write_sample_history(LayoutRepo& repository);

}  // namespace vxs::test
