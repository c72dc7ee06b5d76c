// Random watches and events against a list of watches and the rules' own words.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "daemon/watch/watch_index.hh"

namespace vxs::daemon {
namespace {

using Depth = std::optional<std::uint32_t>;

struct Watched {
  std::string path;
  Depth depth;
  std::uint64_t id;
};

std::string make_path(const std::vector<unsigned>& digits) {
  static const char* const kNames[]{"a", "ab", "abc", "b", "a-long-component-name", "7", "-"};
  if (digits.empty()) return "/";
  if (digits.size() == 2 && digits[0] == 6) {
    return digits[1] % 2 == 0 ? "@releaseDomain" : "@releaseDomain/7";
  }
  std::string path;
  for (const unsigned digit : digits) path += std::string("/") + kNames[digit % 7];
  return path;
}

bool is_below(const std::string& path, const std::string& top) {
  return path != top && (top == "/" ? path.starts_with('/') : path.starts_with(top + "/"));
}

long level(const std::string& path) { return path == "/" ? 0 : std::ranges::count(path, '/'); }

/// D1, D2 and D18 in the words of the conformance items.
bool concerns(const Watched& watch, const std::string& path) {
  if (path == "@releaseDomain") return watch.path == path && !watch.depth;
  if (path == "@releaseDomain/7") {
    return watch.path == path ||
           (watch.path == "@releaseDomain" && watch.depth && *watch.depth > 0);
  }
  if (watch.path != path && !is_below(path, watch.path)) return false;
  return !watch.depth || level(path) - level(watch.path) <= static_cast<long>(*watch.depth);
}

RC_GTEST_PROP(WatchModel, D1_D2_D5_D18_MatchesWhatTheRulesSay, ()) {
  const auto digits = rc::gen::mapcat(rc::gen::inRange(0, 6), [](int size) {
    return rc::gen::container<std::vector<unsigned>>(static_cast<std::size_t>(size),
                                                     rc::gen::inRange(0U, 7U));
  });
  const auto step = rc::gen::tuple(rc::gen::inRange(0, 5), digits, rc::gen::inRange(0U, 6U));
  const auto steps = *rc::gen::resize(
      200, rc::gen::container<std::vector<std::tuple<int, std::vector<unsigned>, unsigned>>>(step));
  BasicWatchIndex<std::uint64_t> index;
  const std::size_t empty = index.bytes();
  std::vector<Watched> model;
  std::uint64_t next = 0;
  bool grew = false;
  for (const auto& [kind, where, number] : steps) {
    const std::string path = make_path(where);
    if (kind < 2) {
      const Depth depth = number < 4 ? Depth(number) : std::nullopt;
      index.add(path, depth, next);
      model.push_back({path, depth, next++});
      grew = grew || model.size() > 40;
    } else if (kind == 2 && !model.empty()) {
      const auto gone = model.begin() + static_cast<long>((number * 31) % model.size());
      RC_ASSERT(index.remove(gone->path, gone->id));
      RC_ASSERT(!index.remove(gone->path, gone->id));
      model.erase(gone);
    }
    RC_ASSERT(index.size() == model.size());

    std::vector<std::uint64_t> want;
    std::vector<std::uint64_t> got;
    for (const Watched& watch : model) {
      if (concerns(watch, path)) want.push_back(watch.id);
    }
    index.match(path, [&got](std::uint64_t id) { got.push_back(id); });
    std::ranges::sort(got);
    RC_ASSERT(got == want);

    want.clear();
    got.clear();
    for (const Watched& watch : model) {
      if (watch.path == path && concerns(watch, path)) want.push_back(watch.id);
    }
    index.match_exact(path, [&got](std::uint64_t id) { got.push_back(id); });
    std::ranges::sort(got);
    RC_ASSERT(got == want);

    for (const bool children_first : {true, false}) {
      std::multimap<std::string, std::uint64_t> want_below;
      std::multimap<std::string, std::uint64_t> got_below;
      std::vector<std::string> order;
      for (const Watched& watch : model) {
        if (is_below(watch.path, path)) want_below.emplace(watch.path, watch.id);
      }
      index.match_subtree_exact(path, children_first,
                                [&](std::uint64_t id, std::string_view watched) {
                                  got_below.emplace(watched, id);
                                  order.emplace_back(watched);
                                });
      const auto sorted = [](const auto& map) {
        std::vector<std::pair<std::string, std::uint64_t>> all(map.begin(), map.end());
        std::ranges::sort(all);
        return all;
      };
      RC_ASSERT(sorted(got_below) == sorted(want_below));
      for (std::size_t i = 0; i < order.size(); ++i) {
        for (std::size_t j = i + 1; j < order.size(); ++j) {
          RC_ASSERT(!is_below(children_first ? order[j] : order[i],
                              children_first ? order[i] : order[j]));
        }
      }
    }
  }
  for (const Watched& watch : model) RC_ASSERT(index.remove(watch.path, watch.id));
  if (!grew) RC_ASSERT(index.bytes() == empty);
}

}  // namespace
}  // namespace vxs::daemon
