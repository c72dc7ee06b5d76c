#include "store/history/conflict_ring.hh"

#include <algorithm>
#include <charconv>
#include <map>

#include "store/history/commit_message.hh"
#include "store/history/commit_object.hh"

namespace vxs::store {
namespace {

constexpr std::string_view kPrefix = "refs/conflicts/";
constexpr std::string_view kFullyPeeled = " fully-peeled ";

// Calls visit(line, ref name, id text) for each line of a packed-refs file; comments have no name,
// a peeled line ("^…") has that of the ref above.
template <typename Visit>
void for_each_line(std::string_view text, Visit&& visit) {
  std::string_view name;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1);
    const std::string_view line = text.substr(0, end + 1);
    text.remove_prefix(end + 1);
    if (line.starts_with('#')) {
      name = {};
    } else if (!line.starts_with('^')) {
      const std::size_t space = std::min(line.find(' '), line.size());
      name = line.substr(std::min(space + 1, line.size()));
      if (name.ends_with('\n')) name.remove_suffix(1);
    }
    visit(line, name);
  }
}

}  // namespace

void ConflictRing::load(std::string_view packed_refs, ObjectStore& objects) {
  conflicts_.clear();
  std::string text;
  for_each_line(packed_refs, [&](std::string_view line, std::string_view name) {
    if (!name.starts_with(kPrefix) || line.starts_with('^')) return;
    const std::string_view number = name.substr(kPrefix.size());
    Seq seq = 0;
    std::from_chars(number.data(), number.data() + number.size(), seq);
    const auto id = ObjectId::from_hex(line.substr(0, 40));
    if (seq == 0 || !id || !objects.read(*id, ObjectType::kCommit, text)) return;
    const auto commit = parse_commit(text);
    if (!commit) return;
    conflicts_.push_back({seq, static_cast<DomId>(number_trailer(commit->message, "Domain")), *id});
  });
  std::ranges::sort(conflicts_, {}, &Conflict::seq);
}

void ConflictRing::add(Seq seq, DomId domid, const ObjectId& commit) {
  // A crash between packed-refs and main brings Seqs again that are here already.
  const auto at = std::ranges::lower_bound(conflicts_, seq, {}, &Conflict::seq);
  if (at != conflicts_.end() && at->seq == seq) {
    *at = {seq, domid, commit};
    return;
  }
  conflicts_.insert(at, {seq, domid, commit});
  const auto is_same = [domid](const Conflict& conflict) { return conflict.domid == domid; };
  if (std::ranges::count_if(conflicts_, is_same) > static_cast<std::ptrdiff_t>(kMaxPerDomain)) {
    conflicts_.erase(std::ranges::find_if(conflicts_, is_same));
  }
  if (conflicts_.size() > kMaxConflicts) conflicts_.pop_front();
}

std::string ConflictRing::merged_into(std::string_view packed_refs) const {
  std::map<std::string, std::string> lines;  // sorted by name, as the header promises
  bool is_fully_peeled = true;
  for_each_line(packed_refs, [&](std::string_view line, std::string_view name) {
    if (line.starts_with('#')) is_fully_peeled = line.find(kFullyPeeled) != std::string_view::npos;
    if (!name.empty() && !name.starts_with(kPrefix)) lines[std::string(name)] += line;
  });
  for (const Conflict& conflict : conflicts_) {
    const std::string name = std::string(kPrefix) + std::to_string(conflict.seq);
    lines[name] = conflict.commit.hex() + ' ' + name + '\n';
  }
  std::string text = is_fully_peeled ? "# pack-refs with: peeled fully-peeled sorted \n"
                                     : "# pack-refs with: sorted \n";
  for (const auto& [name, line] : lines) text += line;
  return text;
}

}  // namespace vxs::store
