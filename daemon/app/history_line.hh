// Whether the history in Git and the state in the journal are of one line. A daemon that is run
// with --history off goes on without it, or begins anew; then the history is of another time, and
// its numbers are no measure of what is newer.
#pragma once

#include <cstdint>
#include <optional>

#include "protocol/ids.hh"
#include "store/record.hh"

namespace vxs::daemon {

enum class HistoryLine : std::uint8_t {
  kOne,      ///< it is of this state, and has nothing that the journal lacks
  kAhead,    ///< it is of this state, and ends after the journal
  kForeign,  ///< its newest commits are of another time
};

/// `mark`: what the last run said; `newest`: of the history, 0: there is none; `last`: of the
/// journal.
[[nodiscard]] HistoryLine compare_lines(const store::HistoryMark& mark, Seq newest, Seq last);

/// What the run that begins after `last` says in its StartRecord and checkpoints. `line`: as it
/// was found; nothing: the history could not be read.
[[nodiscard]] store::HistoryMark mark_with_history(const store::HistoryMark& mark,
                                                   std::optional<HistoryLine> line, Seq last);
[[nodiscard]] store::HistoryMark mark_without_history(const store::HistoryMark& mark, Seq last);

}  // namespace vxs::daemon
