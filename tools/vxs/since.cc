#include "tools/vxs/since.hh"

#include "store/history_reader/main_line.hh"

namespace vxs::tools {

reader::ReadResult<Since> parse_since(const reader::Repository& repository,
                                      const std::string& text) {
  Since since;
  if (text.empty()) return since;
  const auto moment = reader::parse_moment(text, reader::wall_clock_us());
  if (!moment) return tl::make_unexpected(moment.error());
  if (moment->kind == reader::Moment::Kind::kTime) {
    since.time_us = moment->time_us;
  } else if (moment->kind == reader::Moment::Kind::kSeq) {
    since.seq = moment->seq;
  } else {
    const auto commit = reader::resolve_moment(repository, *moment);
    if (!commit) return tl::make_unexpected(commit.error());
    const auto head = reader::read_commit_head(repository, *commit);
    if (!head) return tl::make_unexpected(head.error());
    since.seq = head->seq;
  }
  return since;
}

}  // namespace vxs::tools
