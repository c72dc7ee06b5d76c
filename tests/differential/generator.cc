#include "tests/differential/generator.hh"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "tests/fakexen/machine.hh"
#include "tests/support/wire_client.hh"

namespace vxs::differential {
namespace {

using namespace std::string_literals;
using support::zstrings;

constexpr std::array<const char*, 7> kNames = {"a", "b", "c", "dd", "x-1", "y_2", "z@z"};
constexpr std::array<const char*, 5> kTokens = {"t", "u", "", "two words", "TOK|ffff|01"};
constexpr std::array<const char*, 2> kSpecial = {"@introduceDomain", "@releaseDomain"};
constexpr unsigned kPhaseLength = 300;
// Where oxenstored finds a ring; C takes any frame (A22).
const std::string kFrame = std::to_string(fakexen::kStoreGfn);
constexpr size_t kRememberedWatches = 40;

struct Weight {
  uint32_t type;
  unsigned weight;
};
constexpr Weight kWeights[] = {{support::kWrite, 200},
                               {support::kRead, 130},
                               {support::kMkdir, 60},
                               {support::kRm, 80},
                               {support::kDirectory, 80},
                               {support::kDirectoryPart, 40},
                               {support::kGetPerms, 60},
                               {support::kSetPerms, 70},
                               {support::kWatch, 80},
                               {support::kUnwatch, 40},
                               {support::kResetWatches, 4},
                               {support::kGetDomainPath, 12},
                               {support::kIsDomainIntroduced, 12},
                               {support::kRelease, 6},
                               {support::kResume, 6},
                               {support::kSetTarget, 6},
                               {support::kIntroduce, 6},
                               {support::kControl, 6},
                               {support::kTransactionStart, 12},
                               {support::kTransactionEnd, 6},
                               {support::kGetFeature, 2},
                               {support::kSetFeature, 2},
                               {support::kGetQuota, 2},
                               {support::kSetQuota, 2},
                               {support::kWatchEvent, 1},
                               {support::kError, 1},
                               {20, 1},
                               {27, 1},
                               {65535, 1},
                               {0xFFFFFFFF, 1}};

// Besides those, for the sockets of a run with guests: 4.17 knows of no domain without them.
constexpr Weight kToolstack[] = {{support::kIntroduce, 25},
                                 {support::kRelease, 10},
                                 {support::kResume, 10},
                                 {support::kSetTarget, 12},
                                 {support::kIsDomainIntroduced, 15}};

uint32_t draw(std::span<const Weight> weights, std::mt19937_64& random) {
  unsigned total = 0;
  for (const Weight& entry : weights) total += entry.weight;
  auto drawn = static_cast<unsigned>(random() % total);
  for (const Weight& entry : weights) {
    if (drawn < entry.weight) return entry.type;
    drawn -= entry.weight;
  }
  return weights.back().type;
}

constexpr size_t kLargestPayload = 4096;

// 4.17 dies of permissions of a special node that does not exist, likewise.
bool kills_stock(const Step& step) {
  const std::string_view path = first_argument(step.payload);
  return (step.type == support::kGetPerms || step.type == support::kSetPerms) &&
         path.starts_with('@') && path != "@releaseDomain" && path != "@introduceDomain";
}

// 4.17 removes the whole tree when the domain dies that owns its root (here it goes to dom0).
bool endangers_root(const Step& step) {
  const std::string_view path = first_argument(step.payload);
  return step.type == support::kSetPerms && path == "/" && step.payload.size() > 4 &&
         step.payload.compare(3, 2, "0\0"s) != 0;
}

// Between the limits of C5 only one side would create the node.
bool grows_one_side(const Step& step) {
  return (step.type == support::kWrite || step.type == support::kMkdir) &&
         first_argument(step.payload).size() > 2048 && first_argument(step.payload).size() <= 3072;
}

// 4.17 dies of a malformed argument form in these (an errno of 0 is taken for
// an answer given); vxenstored's own tests cover them.
bool may_be_mangled(uint32_t type) {
  return type != support::kRead && type != support::kDirectory && type != support::kGetPerms &&
         type != support::kMkdir && type != support::kRm;
}

}  // namespace

unsigned Generator::below(unsigned bound) {
  // Not uniform_int_distribution: a seed must mean the same everywhere.
  return static_cast<unsigned>(random_() % bound);
}

std::vector<Step> Generator::opening() const {
  std::vector<Step> steps;
  for (const std::string_view region : kRegions) {
    steps.push_back({Kind::kRequest, 0, support::kMkdir, zstrings({region}), kNoTransaction});
  }
  if (mix_ == Mix::kSockets) return steps;
  const std::array<std::string, 5> permissions = {zstrings({"n0", "r1", "w2"}), zstrings({"b0"}),
                                                  zstrings({"r0", "b3"}), zstrings({"w0"}),
                                                  zstrings({"b0", "n4"})};
  for (size_t i = 0; i < permissions.size(); ++i) {
    steps.push_back({Kind::kRequest, 0, support::kSetPerms,
                     zstrings({kRegions[i]}) + permissions[i], kNoTransaction});
  }
  steps.push_back({Kind::kRequest, 0, support::kSetPerms,
                   zstrings({"@introduceDomain", "n0", "r1"}), kNoTransaction});
  steps.push_back({Kind::kRequest, 0, support::kSetPerms,
                   zstrings({"@releaseDomain", "n0", "r1", "r2"}), kNoTransaction});
  return steps;
}

unsigned Generator::client(const Discipline& discipline) {
  if (mix_ != Mix::kSockets && !once_in(3)) {
    const unsigned guest = guest_of(1 + below(kGuests));
    if (discipline.world().reachable[guest]) return guest;
  }
  return below(kSockets);
}

std::vector<Step> Generator::building(uint32_t domid) {
  const std::string number = std::to_string(domid);
  const std::string home = "/local/domain/" + number;
  std::vector<Step> steps;
  const auto request = [&](uint32_t type, const std::string& payload) {
    steps.push_back({Kind::kRequest, 0, type, payload, kNoTransaction});
  };
  if (!once_in(3)) request(support::kRm, zstrings({home}));
  request(support::kMkdir, zstrings({home}));
  request(support::kSetPerms,
          zstrings({home, "n" + number, "r" + std::to_string(1 + below(kGuests))}));
  if (!once_in(5)) request(support::kIntroduce, zstrings({number, kFrame, "1"}));
  if (domid > 1 && once_in(3)) {
    request(support::kSetTarget, zstrings({number, std::to_string(1 + below(domid - 1))}));
  }
  return steps;
}

Step Generator::machine_step(const Discipline& discipline) {
  const uint32_t domid = 1 + below(kGuests);
  const std::string name = zstrings({std::to_string(domid)});
  if (!discipline.world().exists[guest_of(domid)]) {
    for (Step& step : building(domid)) plan_.push_back(std::move(step));
    return {Kind::kCreate, 0, below(3), name, kNoTransaction};
  }
  switch (below(10)) {
    case 0:
    case 1:
    case 2:
      return {Kind::kShutdown, 0, below(4), name, kNoTransaction};
    case 3:
      return {Kind::kResumeDomain, 0, 0, name, kNoTransaction};
    case 4:
      plan_.push_back({Kind::kRequest, 0, support::kIntroduce,
                       zstrings({std::to_string(domid), kFrame, "1"}), kNoTransaction});
      return {Kind::kSoftReset, 0, 0, name, kNoTransaction};
    case 5:
      return {Kind::kDestroy, 0, 0, name + zstrings({std::to_string(domid % kGuests + 1)}),
              kNoTransaction};
    default:
      return {Kind::kDestroy, 0, 0, name, kNoTransaction};
  }
}

std::string Generator::long_path() {
  // Around the limits of C5: 2048 (4.17) and 3072 for the whole path.
  constexpr std::array<unsigned, 3> kLengths = {2048, 2048, 3072};
  const unsigned around = pick(kLengths);
  const unsigned length = around + below(7) - 3;
  std::string path = once_in(2) ? "/r0" : "/local/domain/12345";
  while (path.size() + 202 < length) path += "/" + std::string(200, 'n');
  return path + "/" + std::string(length - path.size() - 1, 'm');
}

std::string Generator::odd_path() {
  constexpr std::array<const char*, 31> kOdd = {"/",
                                                "/",
                                                "/tool",
                                                "/tool/xenstored",
                                                "/local/domain",
                                                "/local",
                                                "/new",
                                                "/new/a",
                                                "//",
                                                "/r0/",
                                                "/r0//a",
                                                "//r0",
                                                "/r1/a b",
                                                "/r1/.",
                                                "/r1/a+b",
                                                "/r1/a:b",
                                                "/r1/~a",
                                                "/r1/a\x80",
                                                "r0/",
                                                "",
                                                ".",
                                                "@releaseDomain",
                                                "@introduceDomain",
                                                "@releaseDomain",
                                                "@introduceDomain",
                                                "@foo",
                                                "@",
                                                "a@b",
                                                "/@r",
                                                "/r2/@b",
                                                "/local/domain/7"};
  return pick(kOdd);
}

std::string Generator::path(const std::string& region, unsigned client) {
  const unsigned kind = below(100);
  if (kind < 8) return odd_path();
  if (kind < 9) return long_path();
  std::string path;
  if (region == "/local" && once_in(2)) {
    path = pick(kNames);  // relative (C4)
  } else if (region == "/local") {
    const uint32_t other = mix_ == Mix::kSockets ? (once_in(4) ? 7 : 0) : below(kGuests + 1);
    path = "/local/domain/" +
           std::to_string(is_guest(client) && once_in(2) ? domid_of(client) : other);
  } else {
    path = region;
  }
  const unsigned depth = below(4);
  for (unsigned i = 0; i < depth; ++i) path += "/"s + pick(kNames);
  // Long siblings make listings larger than one reply.
  if (region == "/r4" && once_in(3))
    path = "/r4/" + std::string(240, 'L') + std::to_string(below(40));
  return path;
}

std::string Generator::value() {
  const unsigned kind = below(20);
  if (kind == 0) return std::string(below(1900), 'V');
  if (kind == 1) return "with\0nul"s;
  if (kind == 2) return "";
  return "v" + std::to_string(below(1000));
}

std::string Generator::permissions() {
  constexpr std::array<char, 4> kLetters = {'n', 'r', 'w', 'b'};
  constexpr std::array<const char*, 11> kWrong = {"",      "n",    "x0",  "0",   "rr1",   "n 1",
                                                  "r0x10", "w010", "n1x", "r-1", "w65536"};
  std::string list;
  const unsigned count = once_in(30) ? 0 : 1 + below(4);
  for (unsigned i = 0; i < count; ++i) {
    if (once_in(30)) {
      list += pick(kWrong);
    } else {  // one after the other: the same steps of one seed whatever the compiler
      const unsigned domid = once_in(2) ? 0 : below(mix_ == Mix::kSockets ? 12 : 7);
      list += pick(kLetters);
      list += std::to_string(domid);
    }
    list += '\0';
  }
  return list;
}

std::string Generator::token(const std::string& path) {
  // So long that events for deeper paths exceed a message and are dropped (B9).
  if (path.size() < 20 && once_in(100)) return std::string(3800 + below(250), 'T');
  return pick(kTokens);
}

std::string Generator::domid() {
  constexpr std::array<const char*, 14> kDomids = {"0",     "1",     "7",     "007",        "32751",
                                                   "32752", "65535", "65536", "4294967296", "",
                                                   "x",     "1x",    "-1",    " 1"};
  // What atoi makes a domid of junk only one side does, and a guest would come or go.
  if (mix_ != Mix::kSockets) return std::to_string(1 + below(kGuests + 1));
  return once_in(2) ? std::to_string(below(9)) : std::string(pick(kDomids));
}

std::string Generator::introduction() {
  if (mix_ == Mix::kSockets) return zstrings({domid(), "4096", once_in(3) ? "0" : "5"});
  return zstrings({domid(), kFrame, once_in(8) ? "0" : once_in(8) ? "5" : "1"});
}

std::string Generator::control() {
  switch (below(8)) {
    case 0:
      return zstrings({"check"});
    case 1:
      return zstrings({"print", "hello"});
    case 2:
      return zstrings({"help"});
    case 3:
      return zstrings({"quota"});
    case 4:
      return zstrings({"log", "sideways"});
    case 5:
      return zstrings({"print"});
    case 6:
      return zstrings({"check", "more"});
    default:
      return zstrings({"no-such-command"});
  }
}

std::string Generator::payload_for(uint32_t type, const std::string& path) {
  switch (type) {
    case support::kWrite:
      return zstrings({path}) + value();
    case support::kSetPerms:
      return zstrings({path}) + permissions();
    case support::kDirectoryPart:
      return zstrings({path, std::to_string(below(30))});
    case support::kWatch: {
      // Often high up, where much happens below.
      std::string where = once_in(6) ? "/" : once_in(3) ? std::string(pick(kRegions)) : path;
      if (mix_ != Mix::kSockets && once_in(8)) where = pick(kSpecial);
      std::string watch = zstrings({where, token(where)});
      watched_.push_back(watch);
      if (watched_.size() > kRememberedWatches) watched_.erase(watched_.begin());
      if (once_in(25)) watch += zstrings({std::to_string(below(3))});
      return watch;
    }
    case support::kUnwatch:
      return watched_.empty() || once_in(5) ? zstrings({path, token(path)}) : pick(watched_);
    case support::kResetWatches:
    case support::kTransactionStart:
      return "\0"s;
    case support::kTransactionEnd:
      return zstrings({once_in(2) ? "X" : "TT"});
    case support::kControl:
      return control();
    case support::kIntroduce:
      return introduction();
    case support::kSetTarget:
      return zstrings({domid(), domid()});
    case support::kGetDomainPath:
    case support::kIsDomainIntroduced:
    case support::kRelease:
    case support::kResume:
      return zstrings({domid()});
    case support::kSetFeature:
    case support::kSetQuota:
      return zstrings({domid(), "1"});
    case support::kGetFeature:
    case support::kGetQuota:
      return once_in(2) ? "" : zstrings({domid()});
    default:
      return zstrings({path});
  }
}

std::string Generator::mangled(std::string payload) {
  switch (below(5)) {
    case 0:
      if (!payload.empty()) payload.pop_back();
      break;
    case 1:
      payload += '\0';
      break;
    case 2:
      payload += "more";
      break;
    case 3:
      payload += "more\0"s;
      break;
    default:
      payload = payload.substr(0, payload.find('\0'));
      break;
  }
  return payload;
}

Step Generator::request(const Discipline& discipline) {
  Step step;
  step.client = client(discipline);
  std::string region(pick(kRegions));
  if (once_in(2)) step.slot = static_cast<int>(below(kSlots));
  if (discipline.is_open(step.client, step.slot)) {
    region = discipline.region(step.client, step.slot);
  } else {
    step.slot = once_in(40) ? kBogusTransaction : kNoTransaction;
  }
  if (once_in(50)) {
    step.kind = Kind::kListAll;
    step.payload = path(once_in(2) ? "/r4" : region, step.client);
    if (once_in(2)) step.payload = "/r4";
    return step;
  }
  const bool toolstack = mix_ != Mix::kSockets && !is_guest(step.client) && once_in(10);
  step.type = draw(toolstack ? std::span<const Weight>(kToolstack) : kWeights, random_);
  // Without a transaction a START has no slot to remember it in.
  const bool start = step.type == support::kTransactionStart;
  const bool end = step.type == support::kTransactionEnd;
  if (step.slot == kNoTransaction && (start || (end && once_in(2)))) step.slot = kBogusTransaction;
  std::string where = path(region, step.client);
  const bool lists = step.type == support::kDirectory || step.type == support::kDirectoryPart;
  if (lists && once_in(6)) where = "/r4";
  // A region that goes too often never grows large.
  if (step.type == support::kRm && where == region && !once_in(6)) where += "/a";
  step.payload = payload_for(step.type, where);
  if (step.type == support::kWrite && once_in(12)) step.kind = Kind::kBurst;
  if (may_be_mangled(step.type) && once_in(25)) step.payload = mangled(std::move(step.payload));
  return step;
}

Step Generator::transaction_step(const Discipline& discipline) {
  Step step;
  step.client = client(discipline);
  step.slot = static_cast<int>(below(kSlots));
  if (discipline.is_open(step.client, step.slot)) {
    step.kind = Kind::kEnd;
    step.payload = zstrings({once_in(4) ? "F" : "T"});
  } else {
    step.kind = Kind::kStart;
    step.payload = pick(kRegions);
  }
  return step;
}

bool Generator::spoils(const Step& step) const {
  const bool writes = step.type == support::kWrite || step.type == support::kMkdir ||
                      step.type == support::kRm || step.type == support::kSetPerms;
  const bool may_fail = mix_ == Mix::kLimited || first_argument(step.payload).starts_with("/r4");
  return may_fail && is_guest(step.client) && step.slot >= 0 && writes;
}

Step Generator::draft(const Discipline& discipline) {
  if (mix_ != Mix::kSockets && once_in(40)) return machine_step(discipline);
  if (once_in(500)) return {Kind::kReconnect, below(kSockets), 0, "", kNoTransaction};
  if (once_in(8)) return transaction_step(discipline);
  return request(discipline);
}

Step Generator::next(const Discipline& discipline) {
  if (phase_left_-- == 0) {
    constexpr std::array<unsigned, 4> kOpen = {0, 1, 3, 5};
    phase_left_ = kPhaseLength;
    max_open_ = pick(kOpen);
  }
  for (const std::string_view region : kRegions) {
    const Step remake{Kind::kRequest, 0, support::kMkdir, zstrings({region}), kNoTransaction};
    if (discipline.missing(region) && once_in(5)) return remake;
  }
  while (!plan_.empty()) {
    Step step = std::move(plan_.front());
    plan_.pop_front();
    if (discipline.admits(step)) return step;
  }
  for (;;) {
    Step step = draft(discipline);
    if (step.kind == Kind::kStart && discipline.open_count() >= max_open_) continue;
    if (step.payload.size() > kLargestPayload || kills_stock(step) || endangers_root(step) ||
        grows_one_side(step) || spoils(step)) {
      continue;
    }
    if (discipline.admits(step)) return step;
  }
}

}  // namespace vxs::differential
