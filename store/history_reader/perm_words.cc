#include "store/history_reader/perm_words.hh"

#include <map>
#include <utility>

#include "protocol/ids.hh"

namespace vxs::store::reader {
namespace {

using protocol::Access;
using protocol::PermEntry;
/// One life of a domain.
using Who = std::pair<DomId, Incarnation>;

std::string_view access_word(Access access) {
  switch (access) {
    case Access::kRead:
      return "read";
    case Access::kWrite:
      return "write";
    case Access::kBoth:
      return "read+write";
    case Access::kNone:
      break;
  }
  return "none";
}

std::string who_word(const Who& who) {
  std::string text = "dom" + std::to_string(who.first);
  if (who.second == kIncarnationStale) {
    text += " (gone)";
  } else if (who.second != 0) {
    text += '#' + std::to_string(who.second);
  }
  return text;
}

/// What a list says to each domain: the first match decides, an entry for every domain ends the
/// list, entry 0 is the default.
struct Rights {
  Who owner;
  Access others = Access::kNone;
  std::map<Who, Access> named;

  explicit Rights(const std::vector<PermEntry>& perms) {
    if (perms.empty()) return;
    owner = {perms.front().domid, perms.front().incarnation};
    others = perms.front().access;
    for (std::size_t i = 1; i < perms.size(); ++i) {
      const PermEntry& entry = perms[i];
      if (entry.incarnation == kIncarnationStale) continue;
      if (entry.domid == kDomIdAny) {
        others = entry.access;
        break;
      }
      const Who who{entry.domid, entry.incarnation};
      if (who != owner) named.emplace(who, entry.access);
    }
  }

  [[nodiscard]] Access of(const Who& who) const {
    if (who == owner) return Access::kBoth;
    const auto entry = named.find(who);
    return entry == named.end() ? others : entry->second;
  }
};

std::string arrow(std::string_view from, std::string_view to) {
  return std::string(from) + "→" + std::string(to);
}

}  // namespace

std::string describe_perms(const std::vector<PermEntry>& perms) {
  if (perms.empty()) return "none";
  const Rights rights(perms);
  std::string text = "owner " + who_word(rights.owner) +
                     ", everybody else: " + std::string(access_word(rights.others));
  for (const auto& [who, access] : rights.named) {
    text += ", " + who_word(who) + ": " + std::string(access_word(access));
  }
  return text;
}

std::vector<std::string> describe_perms_change(const std::vector<PermEntry>& from,
                                               const std::vector<PermEntry>& to) {
  std::vector<std::string> sentences;
  if (from == to) return sentences;
  const Rights before(from);
  const Rights after(to);
  if (before.owner != after.owner) {
    sentences.push_back("owner " + arrow(who_word(before.owner), who_word(after.owner)));
  }
  if (before.others != after.others) {
    sentences.push_back("everybody else: " +
                        arrow(access_word(before.others), access_word(after.others)));
  }
  std::map<Who, Access> either = before.named;
  either.insert(after.named.begin(), after.named.end());
  for (const auto& [who, unused] : either) {
    if (before.of(who) == after.of(who)) continue;
    sentences.push_back(who_word(who) + ": " +
                        arrow(access_word(before.of(who)), access_word(after.of(who))));
  }
  if (sentences.empty()) {
    sentences.push_back("the same rights, written as another list");
  }
  return sentences;
}

}  // namespace vxs::store::reader
