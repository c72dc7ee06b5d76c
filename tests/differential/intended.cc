#include "tests/differential/intended.hh"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iterator>
#include <string>

namespace vxs::differential {
namespace {

using support::zstrings;

bool is(const Difference& d, uint32_t type) {
  return d.step.kind == Kind::kRequest && d.step.type == type;
}

std::string outcome(const Observation& seen) {
  return seen.reply.is_error() ? seen.reply.error() : "OK";
}

bool answered(const Difference& d, std::string_view reference, std::string_view subject) {
  return outcome(d.reference) == reference && outcome(d.subject) == subject;
}

bool quiet(const Observation& seen) {
  return std::all_of(seen.events.begin(), seen.events.end(),
                     [](const auto& events) { return events.empty(); });
}

bool both_quiet(const Difference& d) { return quiet(d.reference) && quiet(d.subject); }

// At most the requester's own initial event (B9).
bool quiet_but_initial(const Difference& d) {
  const auto& own = d.subject.events[d.step.client];
  size_t all = 0;
  for (const auto& events : d.subject.events) all += events.size();
  return quiet(d.reference) && all == own.size() && own.size() <= 1;
}

std::vector<std::string> arguments(const Difference& d) {
  std::vector<std::string> result;
  std::string_view rest = d.step.payload;
  for (size_t end = rest.find('\0'); end != std::string_view::npos; end = rest.find('\0')) {
    result.emplace_back(rest.substr(0, end));
    rest.remove_prefix(end + 1);
  }
  return result;
}

// Not a decimal number up to 65535.
bool bad_number(const std::string& text) {
  const bool digits = text.find_first_not_of("0123456789") == std::string::npos;
  return !digits || std::strtoull(text.c_str(), nullptr, 10) > 65535;
}

// The empty string counts as 0 for GET_DOMAIN_PATH only (B18).
bool bad_domid(const std::string& text) { return text.empty() || bad_number(text); }

bool first_domid_bad(const Difference& d) {
  const auto list = arguments(d);
  return !list.empty() && bad_domid(list[0]);
}

bool first_domid_zero(const Difference& d) {
  const auto list = arguments(d);
  return !list.empty() && !bad_domid(list[0]) && std::atoi(list[0].c_str()) == 0;
}

bool depth_watch(const Difference& d) {
  return is(d, support::kWatch) && arguments(d).size() == 3 && quiet_but_initial(d) &&
         (answered(d, "EINVAL", "OK") || answered(d, "EINVAL", "EEXIST") ||
          (is_guest(d.step.client) && answered(d, "EINVAL", "ENOSPC")));
}

bool long_path(const Difference& d) {
  const size_t length = first_argument(d.step.payload).size();
  return length > 2048 && length <= 3072 && outcome(d.reference) == "EINVAL" &&
         outcome(d.subject) != "EINVAL" && quiet_but_initial(d);
}

bool domain_path_of_junk(const Difference& d) {
  return is(d, support::kGetDomainPath) && !arguments(d).empty() && bad_number(arguments(d)[0]) &&
         answered(d, "OK", "EINVAL") && both_quiet(d);
}

bool query_of_junk(const Difference& d) {
  const bool type =
      is(d, support::kIsDomainIntroduced) || is(d, support::kRelease) || is(d, support::kResume);
  return type && first_domid_bad(d) && outcome(d.subject) == "EINVAL" && both_quiet(d);
}

bool target_junk(const Difference& d) {
  const auto list = arguments(d);
  return is(d, support::kSetTarget) && std::any_of(list.begin(), list.end(), bad_domid) &&
         outcome(d.subject) == "EINVAL" && both_quiet(d);
}

bool introduce_junk(const Difference& d) {
  return is(d, support::kIntroduce) && first_domid_bad(d) && answered(d, "OK", "EINVAL") &&
         both_quiet(d);
}

bool introduce_zero(const Difference& d) {
  return is(d, support::kIntroduce) && first_domid_zero(d) && answered(d, "OK", "EINVAL") &&
         both_quiet(d);
}

bool target_zero(const Difference& d) {
  return is(d, support::kSetTarget) && first_domid_zero(d) && answered(d, "OK", "EINVAL") &&
         both_quiet(d);
}

// What 4.17 says depends on whether the guest may read the root.
bool refused_in_other_words(const Difference& d) {
  return answered(d, "EINVAL", "EACCES") || answered(d, "ENOENT", "EACCES");
}

bool special_permissions_read(const Difference& d) {
  return is(d, support::kGetPerms) && first_argument(d.step.payload).starts_with('@') &&
         (answered(d, "EINVAL", "OK") || (is_guest(d.step.client) && refused_in_other_words(d))) &&
         both_quiet(d);
}

bool special_permissions_refused(const Difference& d) {
  return is(d, support::kSetPerms) && is_guest(d.step.client) &&
         first_argument(d.step.payload).starts_with('@') && refused_in_other_words(d) &&
         both_quiet(d);
}

bool watch_quota(const Difference& d) {
  return is(d, support::kWatch) && is_guest(d.step.client) && answered(d, "E2BIG", "ENOSPC") &&
         both_quiet(d);
}

// Numbers strtol takes and a strict reader does not.
bool odd_permission_number(const Difference& d) {
  const auto list = arguments(d);
  const bool odd =
      std::any_of(list.begin() + (list.empty() ? 0 : 1), list.end(), [](const auto& entry) {
        const std::string number = entry.substr(std::min<size_t>(entry.size(), 1));
        return bad_number(number) || (number.size() > 1 && number[0] == '0');
      });
  return is(d, support::kSetPerms) && odd && outcome(d.subject) == "EINVAL" && quiet(d.subject);
}

bool unwatch_malformed(const Difference& d) {
  const std::string_view path = first_argument(d.step.payload);
  return is(d, support::kUnwatch) &&
         (!absolute(path) || path.size() > (is_guest(d.step.client) ? 2048U : 3072U)) &&
         answered(d, "ENOENT", "EINVAL") && both_quiet(d);
}

// For each client the same events, perhaps in another order.
bool same_events(const Difference& d) {
  return std::equal(d.reference.events.begin(), d.reference.events.end(), d.subject.events.begin(),
                    [](auto mine, auto theirs) {
                      std::sort(mine.begin(), mine.end());
                      std::sort(theirs.begin(), theirs.end());
                      return mine == theirs;
                    });
}

// The same replies and, for each client, the same events in another order.
bool only_order_differs(const Difference& d) {
  return replies_agree(d.step, d.reference, d.subject) &&
         d.reference.before_reply == d.subject.before_reply && same_events(d);
}

// No event for a node stands behind one for an ancestor of it.
bool descendants_first(const std::vector<support::Event>& events) {
  for (size_t i = 0; i < events.size(); ++i) {
    const std::string ancestor = absolute(events[i].path).value_or("") + "/";
    for (size_t j = i + 1; j < events.size(); ++j) {
      if (absolute(events[j].path).value_or("").starts_with(ancestor)) return false;
    }
  }
  return true;
}

bool kills(const Difference& d) {
  return d.step.kind == Kind::kDestroy || is(d, support::kRelease);
}

// What is told of domains stands where it stood.
bool special_events_agree(const Difference& d) {
  return std::equal(d.reference.events.begin(), d.reference.events.end(), d.subject.events.begin(),
                    [](const auto& mine, const auto& theirs) {
                      return std::equal(mine.begin(), mine.end(), theirs.begin(), theirs.end(),
                                        [](const auto& one, const auto& other) {
                                          const bool special = one.path.starts_with('@') ||
                                                               other.path.starts_with('@');
                                          return !special || one == other;
                                        });
                    });
}

bool order_of_death(const Difference& d) {
  return kills(d) && only_order_differs(d) && special_events_agree(d);
}

std::vector<std::string> entries(const Observation& seen) {
  std::vector<std::string> result;
  std::string_view rest = seen.reply.payload;
  for (size_t end = rest.find('\0'); end != std::string_view::npos; end = rest.find('\0')) {
    result.emplace_back(rest.substr(0, end));
    rest.remove_prefix(end + 1);
  }
  return result;
}

// The subject's list is the reference's without some guests' entries, the owner's never.
bool entries_of_the_dead(const Difference& d) {
  if (!is(d, support::kGetPerms) || !answered(d, "OK", "OK") || !both_quiet(d)) return false;
  const auto all = entries(d.reference);
  const auto left = entries(d.subject);
  size_t found = 0;
  for (size_t i = 0; i < all.size(); ++i) {
    const bool same = found < left.size() && left[found] == all[i];
    if (same) ++found;
    if (!same && (i == 0 || all[i].substr(1) == "0")) return false;
  }
  return found == left.size();
}

// Taking the entries away is a change of the node.
bool generation_after_death(const Difference& d) {
  Observation subject = d.subject;
  subject.generation = d.reference.generation;
  return d.reference.generation == "same" && d.subject.generation == "new" &&
         d.subject.death_since && replies_agree(d.step, d.reference, subject) && both_quiet(d);
}

bool release_order(const Difference& d) {
  return is(d, support::kRelease) && replies_agree(d.step, d.reference, d.subject) &&
         same_events(d) && special_events_agree(d);
}

// Without what lies below something else that is told to the same watch.
std::vector<support::Event> topmost(const std::vector<support::Event>& events) {
  std::vector<support::Event> result;
  std::copy_if(events.begin(), events.end(), std::back_inserter(result), [&](const auto& event) {
    return std::none_of(events.begin(), events.end(), [&](const auto& other) {
      return other.token == event.token && event.path.starts_with(other.path + "/");
    });
  });
  std::sort(result.begin(), result.end());
  return result;
}

// A shutdown not yet told, and a death, seen at one look.
bool shutdown_and_death(const Difference& d) {
  if (!kills(d) || !replies_agree(d.step, d.reference, d.subject)) return false;
  const auto released = [](const auto& events) {
    return std::count_if(events.begin(), events.end(),
                         [](const auto& event) { return event.path == "@releaseDomain"; });
  };
  return std::equal(d.reference.events.begin(), d.reference.events.end(), d.subject.events.begin(),
                    [&](const auto& mine, const auto& theirs) {
                      return merged(topmost(mine)) == merged(topmost(theirs)) &&
                             released(mine) <= released(theirs);
                    });
}

// Where nodes of one lie below those of another that dies with it, who goes first decides whether
// they go on their own.
bool order_of_two_deaths(const Difference& d) {
  return d.step.kind == Kind::kDestroy && domids_in(d.step).size() == 2 &&
         replies_agree(d.step, d.reference, d.subject) &&
         std::equal(
             d.reference.events.begin(), d.reference.events.end(), d.subject.events.begin(),
             [](const auto& mine, const auto& theirs) { return topmost(mine) == topmost(theirs); });
}

bool commit_order(const Difference& d) {
  return d.step.kind == Kind::kEnd && only_order_differs(d);
}

bool is_told(const Observation& seen, std::string_view path) {
  return std::any_of(seen.events.begin(), seen.events.end(), [path](const auto& events) {
    return std::any_of(events.begin(), events.end(),
                       [path](const auto& event) { return event.path == path; });
  });
}

// One after the other is stored and told, so that a guest is told of a node by what the parent
// admitted then, though the same commit changes that. Told by us alone: only where it does.
bool commit_asks_a_parent_of_its_middle(const Difference& d) {
  if (d.step.kind != Kind::kEnd || !replies_agree(d.step, d.reference, d.subject)) return false;
  for (unsigned client = 0; client < d.reference.events.size(); ++client) {
    auto mine = d.reference.events[client];
    auto theirs = d.subject.events[client];
    std::sort(mine.begin(), mine.end());
    std::sort(theirs.begin(), theirs.end());
    if (!is_guest(client) && mine != theirs) return false;
    std::vector<support::Event> more;
    std::set_difference(theirs.begin(), theirs.end(), mine.begin(), mine.end(),
                        std::back_inserter(more));
    const bool parents_changed = std::all_of(more.begin(), more.end(), [&](const auto& event) {
      const size_t slash = event.path.rfind('/');
      return slash != std::string::npos && slash > 0 &&
             is_told(d.subject, std::string_view(event.path).substr(0, slash));
    });
    if (!parents_changed) return false;
  }
  return true;
}

bool sibling_order(const Difference& d) {
  return is(d, support::kRm) && only_order_differs(d) &&
         std::all_of(d.subject.events.begin(), d.subject.events.end(), descendants_first);
}

bool feature_message(const Difference& d) {
  return (is(d, support::kGetFeature) || is(d, support::kSetFeature)) &&
         outcome(d.reference) == "ENOSYS" && both_quiet(d);
}

bool quota_message(const Difference& d) {
  return (is(d, support::kGetQuota) || is(d, support::kSetQuota)) &&
         outcome(d.reference) == "ENOSYS" && both_quiet(d);
}

bool control_text(const Difference& d) {
  const std::string_view command = first_argument(d.step.payload);
  return is(d, support::kControl) && (command == "help" || command == "quota") &&
         answered(d, "OK", "OK") && both_quiet(d);
}

bool control_log_listing(const Difference& d) {
  return is(d, support::kControl) && arguments(d) == std::vector<std::string>{"log"} &&
         answered(d, "EINVAL", "OK") && both_quiet(d);
}

bool control_quota_of_junk(const Difference& d) {
  const auto list = arguments(d);
  return is(d, support::kControl) && list.size() == 2 && list[0] == "quota" && bad_domid(list[1]) &&
         answered(d, "OK", "EINVAL") && both_quiet(d);
}

// Takes back a watch that only the subject accepted.
void unwatch(Lockstep& pair, const Difference& d) {
  if (!is(d, support::kWatch) || d.subject.reply.is_error()) return;
  const auto list = arguments(d);
  pair.subject().quietly(d.step, support::kUnwatch, zstrings({list[0], list[1]}));
}

// Gives the node the same permissions on both sides.
void set_same_permissions(Lockstep& pair, const Difference& d) {
  if (d.reference.reply.is_error()) return;
  const std::string owner = is_guest(d.step.client) ? std::to_string(domid_of(d.step.client)) : "0";
  const std::string payload = zstrings({first_argument(d.step.payload), "n" + owner});
  pair.reference().quietly(d.step, support::kSetPerms, payload);
  pair.subject().quietly(d.step, support::kSetPerms, payload);
}

constexpr std::array<Intended, 27> kIntended{{
    {"B9", "WATCH with a depth: EINVAL; accepted, sockets have feature 4", depth_watch, unwatch},
    {"C5", "a path of 2049 to 3072 bytes: EINVAL; allowed to the privileged", long_path, unwatch},
    {"B18", "GET_DOMAIN_PATH of no domid: what atoi makes of it; EINVAL", domain_path_of_junk,
     nullptr},
    {"L18", "a query or release of no domid: what atoi makes of it; EINVAL", query_of_junk,
     nullptr},
    {"B16", "SET_TARGET with no domid: what atoi makes of it; EINVAL", target_junk, nullptr},
    {"B14", "INTRODUCE of no domid: taken for domain 0; EINVAL", introduce_junk, nullptr},
    {"F5", "INTRODUCE of domain 0: rebinds its ring; refused with EINVAL", introduce_zero, nullptr},
    {"B16", "SET_TARGET of domain 0 to itself: OK; EINVAL, as B15 has it", target_zero, nullptr},
    {"B7", "GET_PERMS of a special node: EINVAL; as of any other", special_permissions_read,
     nullptr},
    {"L20", "WATCH over the quota: E2BIG; ENOSPC", watch_quota, nullptr},
    {"B8", "SET_PERMS of a special node by a guest: EINVAL or ENOENT; EACCES",
     special_permissions_refused, nullptr},
    {"B8", "permission numbers with sign, space, octal zero, over 65535: taken; EINVAL",
     odd_permission_number, set_same_permissions},
    {"B10", "UNWATCH of a malformed or overlong path: ENOENT; EINVAL", unwatch_malformed, nullptr},
    {"D11", "events of a commit: by first access, reads too; by first change", commit_order,
     nullptr},
    {"D8", "events of a commit: as the parent was in its middle; as it is at its end",
     commit_asks_a_parent_of_its_middle, nullptr},
    {"D5", "events of a removed subtree: siblings as created; siblings in any order", sibling_order,
     nullptr},
    {"F9", "events of a dead domain's nodes: as the tree was made; in any order", order_of_death,
     nullptr},
    {"F9", "two deaths at one moment: the longest introduced first; in any order",
     order_of_two_deaths, nullptr},
    {"D18", "a shutdown and a death seen at one look: one @releaseDomain; one each",
     shutdown_and_death, nullptr},
    {"C16", "permission entries of the dead: shown, without effect; gone", entries_of_the_dead,
     nullptr},
    {"C16", "generation of a node with entries of the dead: the same; another",
     generation_after_death, nullptr},
    {"B0.9", "RELEASE: its events before or after the reply; before it", release_order, nullptr},
    {"B19", "GET_FEATURE and SET_FEATURE: ENOSYS; known", feature_message, nullptr},
    {"B21", "GET_QUOTA and SET_QUOTA: ENOSYS; known", quota_message, nullptr},
    {"H2", "CONTROL help and quota list other commands and quotas", control_text, nullptr},
    {"H2", "CONTROL quota of no domid: what atoi makes of it; EINVAL", control_quota_of_junk,
     nullptr},
    {"H2", "CONTROL log without argument: EINVAL; lists the switches", control_log_listing,
     nullptr},
}};

}  // namespace

std::span<const Intended> intended_differences() { return kIntended; }

const Intended* explain(const Difference& difference) {
  if (!difference.reference.broken.empty() || !difference.subject.broken.empty()) return nullptr;
  const auto found = std::find_if(kIntended.begin(), kIntended.end(),
                                  [&](const Intended& entry) { return entry.applies(difference); });
  return found == kIntended.end() ? nullptr : &*found;
}

}  // namespace vxs::differential
