// The guests of a soak as domains, and the toolstack they have: domains are made and introduced,
// shut down, die and are released; their domids come again at once or later; rings begin anew, by
// the guest's own handshake (A20) or by a new introduction (F3). What the daemon does with each is
// checked: nothing of a dead domain is left for the next one, and @introduceDomain and
// @releaseDomain tell of all.
#pragma once

#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "tests/crash/kept/board.hh"
#include "tests/crash/kept/conversation.hh"
#include "tests/crash/kept/link.hh"
#include "tests/support/fake_guest.hh"

namespace vxs::test::kept {

struct ToolstackSetting {
  std::size_t first = 0;  // number of the first guest among the clients
  std::size_t guests = 0;
  std::uint64_t seed = 1;
  // The daemon may be a C xenstored (4.17): special events do not say of whom they tell, pages have
  // no features, rings are not introduced anew, and a domid comes again once its end is noticed.
  bool basic = false;
};

class Toolstack {
 public:
  // That it sets itself.
  static constexpr std::size_t kWatches = 2;

  // `connect`: a connection of its own, privileged, which is kept. The harness made what the
  // guests' subtrees begin with. Machine and board outlive it, and it outlives the links.
  Toolstack(const ToolstackSetting& setting, fakexen::Machine& machine, Board& board,
            const Connect& connect);
  ~Toolstack();

  // The ring of the guest with this number among the clients; null until it may be used.
  std::unique_ptr<Link> connect(std::size_t client);

  // What is due now. Throws Violation with its own last exchanges.
  void turn(Time now);
  [[nodiscard]] int fd() const { return link_->fd(); }
  // How long nothing is due.
  [[nodiscard]] std::chrono::milliseconds idle() const;

  // Every guest is there, and all events of their coming and going came.
  [[nodiscard]] bool is_quiet() const;
  // Who is not, with the last exchanges.
  [[nodiscard]] std::string who_is_not_quiet() const;

  struct Counts {
    std::uint64_t lives = 0, reused = 0;  // domains; of them on the domid of the one before
    std::uint64_t destroyed = 0, shut_down = 0, released = 0;
    std::uint64_t reconnected = 0, reintroduced = 0;  // rings
    std::uint64_t while_down = 0;                     // of all these, while there was no daemon
  };
  [[nodiscard]] const Counts& counts() const { return counts_; }
  [[nodiscard]] std::string statistics() const;

 private:
  enum class Phase : std::uint8_t {
    kForgetting,   // another domid comes next, once the daemon knows that the old one is gone
    kAbsent,       // no domain yet
    kIntroducing,  // requests are under way
    kUsable,       // no client is there yet
    kUsed,
    kReconnecting,  // the guest asked for a fresh ring
    kShutDown,      // and not destroyed yet
    kReleasing,
  };
  struct Guest {
    std::size_t client = 0;
    Phase phase = Phase::kAbsent;
    Time since{};  // in this phase
    Time due{};
    std::uint32_t domid = 0;
    std::uint32_t past_domid = 0;  // of kForgetting
    std::unique_ptr<support::FakeGuest> ring;
    // Special events that have to come, and since when.
    std::optional<Time> owes_introduction, owes_release;
    bool asks = false;  // IS_DOMAIN_INTRODUCED is under way
  };

  void talk(Time now);
  void act(Guest& guest, Time now);
  // "" unless something is late, not counting the time before `from`.
  [[nodiscard]] std::string late(const Guest& guest, Time from, Time now) const;
  void enter(Guest& guest, Phase phase, Time now, std::uint64_t longest_ms = 0);
  void depart(Guest& guest, bool dies);
  void forget(Guest& guest, Time now);
  void make(Guest& guest, Time now);
  void introduce(Guest& guest, bool anew);
  void tidy_up(Guest& guest);
  void look_around(Guest& guest);
  void reconnect(Guest& guest, Time now);
  void soft_reset(Guest& guest, Time now);
  void destroy(Guest& guest, Time now);
  void release(Guest& guest, Time now);
  void ask_ok(std::uint32_t type, std::string payload, std::function<void()> then);
  void on_event(const support::Event& event);
  void on_basic_event(const std::string& special);
  void count(std::uint64_t& what);
  [[nodiscard]] Guest* of_domid(std::uint32_t domid);
  std::uint64_t below(std::uint64_t n) { return random_() % n; }

  fakexen::Machine& machine_;
  Board& board_;
  std::mt19937_64 random_;
  std::size_t first_;
  bool basic_;
  std::vector<Guest> guests_;
  std::uint64_t handles_ = 0;
  std::unique_ptr<Link> link_;
  std::vector<std::string> first_events_;  // of its own watches, that came
  Conversation talk_;
  Counts counts_;
};

}  // namespace vxs::test::kept
