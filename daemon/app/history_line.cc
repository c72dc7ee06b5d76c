#include "daemon/app/history_line.hh"

namespace vxs::daemon {

using store::HistoryMark;

HistoryLine compare_lines(const HistoryMark& mark, Seq newest, Seq last) {
  if (newest == 0) return HistoryLine::kOne;
  const bool ours = mark.off ? newest <= mark.seq : newest >= mark.seq;
  if (!ours) return HistoryLine::kForeign;
  return newest > last ? HistoryLine::kAhead : HistoryLine::kOne;
}

HistoryMark mark_with_history(const HistoryMark& mark, std::optional<HistoryLine> line, Seq last) {
  const bool known = line && *line != HistoryLine::kForeign;
  if (known || mark == HistoryMark{}) return {};
  return {.off = false, .seq = last + 1};
}

HistoryMark mark_without_history(const HistoryMark& mark, Seq last) {
  if (mark.off) return mark;
  // Where a part of it is of another time it is not looked at: a gap more costs little.
  return {.off = true, .seq = mark.seq == 0 ? last : 0};
}

}  // namespace vxs::daemon
