#include "tools/vxs/failed.hh"

#include <algorithm>

#include "store/history_reader/main_line.hh"

namespace vxs::tools {

reader::ReadResult<std::vector<reader::HistoryCommit>> failed_transactions(
    const reader::Repository& repository) {
  const auto refs = repository.refs("refs/conflicts/");
  if (!refs) return tl::make_unexpected(refs.error());
  std::vector<reader::HistoryCommit> failed;
  for (const reader::GitRefName& ref : *refs) {
    auto commit = reader::read_commit(repository, ref.target);
    if (!commit) return tl::make_unexpected(commit.error());
    failed.push_back(*std::move(commit));
  }
  std::sort(failed.begin(), failed.end(),
            [](const auto& a, const auto& b) { return a.seq() > b.seq(); });
  return failed;
}

}  // namespace vxs::tools
