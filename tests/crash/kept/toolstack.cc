#include "tests/crash/kept/toolstack.hh"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sstream>
#include <utility>

#include "tests/crash/kept/judges.hh"
#include "tests/crash/kept/ring_link.hh"
#include "tests/support/fake_machine.hh"

namespace vxs::test::kept {
namespace {

using std::chrono::milliseconds;
using support::Frame;
using support::GuestPage;
using support::zstrings;

// Two domids for each guest. The soak's clients name 1 to 9 in permissions, from which the domids
// of dead domains go (C16).
constexpr std::uint32_t kFirstDomid = 100;
constexpr std::uint32_t kReconnectFeature = 1;  // A19
const std::string kIntroduced = "@introduceDomain", kReleased = "@releaseDomain";

template <class T>
T checked(const fakexen::Result<T>& result, const char* what) {
  if (!result) throw Violation(std::string(what) + ": " + std::strerror(result.error()));
  if constexpr (!std::is_void_v<T>) return *result;
}

}  // namespace

Toolstack::Toolstack(const ToolstackSetting& setting, fakexen::Machine& machine, Board& board,
                     const Connect& connect)
    : machine_(machine),
      board_(board),
      random_(setting.seed ^ 0x9e3779b9),
      first_(setting.first),
      basic_(setting.basic),
      link_(connect()),
      talk_(true, [this](const support::Event& event) { on_event(event); }, {}) {
  if (!link_) throw Violation("the toolstack cannot connect");
  for (std::size_t n = 0; n < setting.guests; ++n) {
    Guest guest;
    guest.client = setting.first + n;
    guest.domid = kFirstDomid + 2 * static_cast<std::uint32_t>(n);
    guests_.push_back(std::move(guest));
  }
  // With a depth, an event says of whom it tells (D18).
  for (const std::string& special : {kIntroduced, kReleased}) {
    ask_ok(support::kWatch,
           basic_ ? zstrings({special, special}) : zstrings({special, special, "1"}), {});
  }
}

Toolstack::~Toolstack() = default;

void Toolstack::count(std::uint64_t& what) {
  ++what;
  if (board_.down) ++counts_.while_down;
}

Toolstack::Guest* Toolstack::of_domid(std::uint32_t domid) {
  const auto n = (domid - kFirstDomid) / 2;
  return domid < kFirstDomid || n >= guests_.size() ? nullptr : &guests_[n];
}

// ------------------------------------------------------------------------------ conversation

void Toolstack::ask_ok(std::uint32_t type, std::string payload, std::function<void()> then) {
  talk_.ask(type, std::move(payload), 0, [then = std::move(then)](const Frame& reply) {
    std::string text = judge_outcome(reply, "");
    if (text.empty() && then) then();
    return text;
  });
}

// Somebody came, or went; who of them is not said, and one event may be of several.
void Toolstack::on_basic_event(const std::string& special) {
  const auto seen = std::find(first_events_.begin(), first_events_.end(), special);
  if (seen == first_events_.end()) return first_events_.push_back(special);
  for (Guest& guest : guests_) {
    (special == kIntroduced ? guest.owes_introduction : guest.owes_release).reset();
  }
}

void Toolstack::on_event(const support::Event& event) {
  if (event.path == event.token) {
    if (basic_) on_basic_event(event.token);
    return;  // the first, of the watch itself
  }
  const bool known = event.token == kIntroduced || event.token == kReleased;
  const auto domid = known && event.path.starts_with(event.token + '/')
                         ? number_of(event.path.substr(event.token.size() + 1))
                         : -1;
  Guest* const guest = domid < 0 ? nullptr : of_domid(static_cast<std::uint32_t>(domid));
  if (guest == nullptr) {
    throw Violation("an event of no guest's: " + event.path + " " + event.token);
  }
  // A late one of its other domid says nothing of what is owed now; it was no violation either.
  if (event.token == kIntroduced && guest->domid == domid) guest->owes_introduction.reset();
  if (event.token == kReleased &&
      (guest->domid == domid || guest->past_domid == static_cast<std::uint32_t>(domid))) {
    guest->owes_release.reset();
  }
}

void Toolstack::talk(Time now) {
  std::string bytes;
  const bool open = link_->receive(bytes);
  talk_.arrived(bytes, now);
  if (!open) throw Violation("the daemon closed the connection");
  while (talk_.wants_to_send(now)) {
    const long sent = link_->send(talk_.leaving(now));
    if (sent < 0) throw Violation("the daemon closed the connection");
    if (sent == 0) return;
    talk_.left(static_cast<std::size_t>(sent), now);
  }
}

void Toolstack::turn(Time now) {
  try {
    talk(now);
    board_.suspicious = false;
    for (Guest& guest : guests_) {
      act(guest, now);
      if (late(guest, Time{}, now).empty()) continue;
      board_.suspicious = true;
      if (board_.down) continue;
      if (const auto text = late(guest, board_.up_since, now); !text.empty()) throw Violation(text);
    }
    talk(now);
  } catch (const Violation& violation) {
    throw Violation("the toolstack: " + std::string(violation.what()) + "\nIts last exchanges:\n" +
                    talk_.history());
  }
}

milliseconds Toolstack::idle() const {
  const bool busy = std::any_of(guests_.begin(), guests_.end(), [](const Guest& guest) {
    return guest.phase != Phase::kUsed && guest.phase != Phase::kIntroducing;
  });
  return milliseconds(busy ? 1 : 50);
}

// ------------------------------------------------------------------------------------- lives

void Toolstack::enter(Guest& guest, Phase phase, Time now, std::uint64_t longest_ms) {
  guest.phase = phase;
  guest.since = now;
  guest.due = now + milliseconds(longest_ms == 0 ? 0 : below(longest_ms));
}

void Toolstack::act(Guest& guest, Time now) {
  if (now < guest.due) return;
  switch (guest.phase) {
    case Phase::kForgetting:
      return forget(guest, now);
    case Phase::kAbsent:
      return make(guest, now);
    case Phase::kReconnecting:
      if (guest.ring->page().get(GuestPage::kConnection) == 0) {
        enter(guest, Phase::kUsable, now);
      }
      return;
    case Phase::kShutDown:
      return destroy(guest, now);
    case Phase::kIntroducing:
    case Phase::kUsable:
    case Phase::kUsed:
    case Phase::kReleasing:
      return;
  }
}

std::string Toolstack::late(const Guest& guest, Time from, Time now) const {
  const auto is_late = [&](const std::optional<Time>& since) {
    return since && now - std::max(*since, from) > board_.patience;
  };
  const std::string domain = "domain " + std::to_string(guest.domid);
  const std::string past = "domain " + std::to_string(guest.past_domid);
  if (is_late(guest.since)) {
    switch (guest.phase) {
      case Phase::kForgetting:
        return past + " is dead and still introduced";
      case Phase::kAbsent:
        return "the page of a dead domain is still mapped: " + domain;
      case Phase::kReconnecting:
        return domain + " asked to connect anew, and nothing happened (A20)";
      case Phase::kIntroducing:
      case Phase::kReleasing:
        return "no answer of what was asked for " + domain;
      case Phase::kUsable:
      case Phase::kUsed:
      case Phase::kShutDown:
        break;
    }
  }
  if (is_late(guest.owes_introduction)) return "no " + kIntroduced + " of " + domain;
  if (is_late(guest.owes_release)) return "no " + kReleased + " of " + past;
  return "";
}

void Toolstack::forget(Guest& guest, Time now) {
  if (guest.asks) return;
  guest.asks = true;
  guest.due = now + milliseconds(3);
  talk_.ask(support::kIsDomainIntroduced, zstrings({std::to_string(guest.past_domid)}), 0,
            [this, &guest](const Frame& reply) {
              guest.asks = false;
              if (reply.payload == std::string("F\0", 2)) {
                enter(guest, Phase::kAbsent, Clock::now(), 20);
              } else if (reply.payload != std::string("T\0", 2)) {
                return std::string("expected was T or F");
              }
              return std::string();
            });
}

void Toolstack::make(Guest& guest, Time now) {
  fakexen::Uuid handle{};
  const std::uint64_t number = ++handles_;
  std::memcpy(handle.data(), &number, sizeof number);
  const auto made = machine_.create_domain(guest.domid, handle);
  if (!made && made.error() == EEXIST) {
    guest.due = now + milliseconds(2);  // still dying
    return;
  }
  checked(made, "create_domain");
  count(counts_.lives);
  guest.ring = std::make_unique<support::FakeGuest>(machine_, guest.domid);
  // As init-dom0less leaves it for its guests (A21).
  if (below(8) == 0) guest.ring->page().set(GuestPage::kConnection, 1);
  enter(guest, Phase::kIntroducing, now);
  guest.owes_introduction = now;
  introduce(guest, true);
}

void Toolstack::introduce(Guest& guest, bool anew) {
  ask_ok(support::kIntroduce, guest.ring->introduction(), [this, &guest, anew] {
    if (anew) return look_around(guest);
    tidy_up(guest);
  });
}

// What it owned is there, or is not: a channel that was found closed is a death where Xen numbers
// no lives (design §6).
void Toolstack::tidy_up(Guest& guest) {
  talk_.ask(support::kDirectory, zstrings({root_of(guest.client)}), 0,
            [this, &guest](const Frame& reply) {
              if (reply.is_error()) return std::string("the root is gone");
              std::istringstream names(reply.payload);
              for (std::string name; std::getline(names, name, '\0');) {
                if (name == "beat") continue;
                ask_ok(support::kRm, zstrings({root_of(guest.client) + '/' + name}), {});
              }
              look_around(guest);
              return std::string();
            });
}

// Of whoever had this subtree before, root and beat are left and nothing else.
void Toolstack::look_around(Guest& guest) {
  talk_.ask(support::kDirectory, zstrings({root_of(guest.client)}), 0, [](const Frame& reply) {
    return !reply.is_error() && reply.payload == zstrings({"beat"})
               ? ""
               : "nodes of a dead domain are left, or others are not";
  });
  talk_.ask(support::kRead, zstrings({beat_path(guest.client)}), 0,
            [this, &guest](const Frame& reply) {
              const Time now = Clock::now();
              const auto number = reply.is_error() ? -1 : number_of(reply.payload);
              if (number < 0 ||
                  !board_.beats[guest.client].found(static_cast<std::uint64_t>(number), now)) {
                return std::string("that is no beat that this guest had");
              }
              enter(guest, Phase::kUsable, now);
              return std::string();
            });
}

std::unique_ptr<Link> Toolstack::connect(std::size_t client) {
  Guest& guest = guests_.at(client - first_);
  if (guest.phase != Phase::kUsable) return nullptr;
  // No event of a later life may hide that one is missing.
  if (guest.owes_introduction || guest.owes_release) return nullptr;
  const GuestPage& page = guest.ring->page();
  if (page.get(GuestPage::kConnection) != 0) throw Violation("it is not connected (A21)");
  if (!basic_ && (page.get(GuestPage::kFeatures) & kReconnectFeature) == 0) {
    throw Violation("its page does not have the features any more (A19)");
  }
  enter(guest, Phase::kUsed, Clock::now());
  return make_ring_link(machine_, *guest.ring, [this, &guest](bool dies) { depart(guest, dies); });
}

// ------------------------------------------------------------------------------------- leaving

void Toolstack::depart(Guest& guest, bool dies) {
  const Time now = Clock::now();
  if (!dies) return reconnect(guest, now);
  // A C daemon still answers what waited for it when a ring is introduced anew (F3).
  const auto dice = below(basic_ ? 4 : 5);
  if (dice == 4) return soft_reset(guest, now);
  guest.owes_release = now;
  guest.past_domid = guest.domid;
  switch (dice) {
    case 0: {
      count(counts_.shut_down);
      const auto reason = below(2) == 0 ? support::kPoweroff : support::kCrash;
      checked(machine_.shutdown(guest.domid, reason), "shutdown");
      return enter(guest, Phase::kShutDown, now, 40);
    }
    case 1:
      return release(guest, now);
    default:
      return destroy(guest, now);
  }
}

void Toolstack::reconnect(Guest& guest, Time now) {
  count(counts_.reconnected);
  guest.ring->page().set(GuestPage::kConnection, 1);
  guest.ring->notify();
  enter(guest, Phase::kReconnecting, now);
}

void Toolstack::soft_reset(Guest& guest, Time now) {
  count(counts_.reintroduced);
  checked(machine_.soft_reset(guest.domid), "soft_reset");
  guest.ring->start_over();
  enter(guest, Phase::kIntroducing, now);
  introduce(guest, false);
}

void Toolstack::destroy(Guest& guest, Time now) {
  count(counts_.destroyed);
  guest.ring.reset();
  const std::uint32_t domid = guest.domid;
  checked(machine_.destroy(std::span(&domid, 1)), "destroy");
  if (below(2) == 0) {
    ++counts_.reused;
    // A C daemon that nobody told of the death takes the next one for the same (no handles).
    if (!basic_) return enter(guest, Phase::kAbsent, now, 40);
  } else {
    guest.domid = kFirstDomid + ((guest.domid - kFirstDomid) ^ 1U);
  }
  enter(guest, Phase::kForgetting, now);
}

// The domain stays, and is introduced again as if it were another (F6).
void Toolstack::release(Guest& guest, Time now) {
  count(counts_.released);
  enter(guest, Phase::kReleasing, now);
  ask_ok(support::kRelease, zstrings({std::to_string(guest.domid)}), [this, &guest] {
    const Time later = Clock::now();
    enter(guest, Phase::kIntroducing, later);
    guest.owes_introduction = later;
    introduce(guest, true);
  });
}

// --------------------------------------------------------------------------------------- rest

std::string Toolstack::statistics() const {
  return "guests: " + std::to_string(counts_.lives) + " domains, " +
         std::to_string(counts_.reused) + " of them on the domid of the one before; " +
         std::to_string(counts_.destroyed) + " destroyed, " + std::to_string(counts_.shut_down) +
         " of them shut down before, " + std::to_string(counts_.released) + " released; " +
         std::to_string(counts_.reconnected) + " rings connected anew, " +
         std::to_string(counts_.reintroduced) + " introduced anew; " +
         std::to_string(counts_.while_down) + " of all these while there was no daemon";
}

bool Toolstack::is_quiet() const {
  return talk_.unanswered() == 0 &&
         std::all_of(guests_.begin(), guests_.end(), [](const Guest& guest) {
           return guest.phase == Phase::kUsed && !guest.owes_introduction && !guest.owes_release;
         });
}

std::string Toolstack::who_is_not_quiet() const {
  for (const Guest& guest : guests_) {
    if (guest.phase == Phase::kUsed && !guest.owes_introduction && !guest.owes_release) continue;
    return "guest " + std::to_string(guest.client) + ", domain " + std::to_string(guest.domid) +
           ", phase " + std::to_string(static_cast<int>(guest.phase)) +
           (guest.owes_introduction ? ", no " + kIntroduced : "") +
           (guest.owes_release ? ", no " + kReleased : "") + "\nThe toolstack's exchanges:\n" +
           talk_.history();
  }
  return "the toolstack waits for an answer\n" + talk_.history();
}

}  // namespace vxs::test::kept
