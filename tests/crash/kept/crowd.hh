// All clients of a soak, in one thread: each is served when its connection or its time is ready.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "tests/crash/kept/client.hh"

namespace vxs::test::kept {

struct CrowdSetting {
  std::size_t clients = 32;  // at sockets; their numbers are the first
  std::size_t guests = 0;
  bool kept = true;
  bool depths = true;
  bool lone_starts = false;
  bool reconnects = true;  // guests ask for a fresh ring (A20), too
  std::uint64_t seed = 1;
  Clock::duration patience = std::chrono::seconds(20);
  std::string root_perms;  // of every client's root, as GET_PERMS gives them
};

class Crowd {
 public:
  using GuestConnect = std::function<std::unique_ptr<Link>(std::size_t number)>;

  // `guest_connect`: a guest's ring, once it can be used.
  Crowd(const CrowdSetting& setting, const Connect& connect, const Client::Dump& dump,
        const GuestConnect& guest_connect = {});

  [[nodiscard]] Board& board() { return board_; }
  [[nodiscard]] Pauses& pauses() { return pauses_; }
  [[nodiscard]] Pauses& guest_pauses() { return guest_pauses_; }
  [[nodiscard]] const std::vector<std::unique_ptr<Client>>& clients() const { return clients_; }

  // Waits for something to happen, not longer than that, and does what is to be done. Throws
  // Violation with the client's name and history. `others`: descriptors that end the waiting.
  void turn(std::chrono::milliseconds longest, const std::vector<int>& others = {});

  // Something is late already, which may be because the daemon is killed so often: it deserves some
  // time now, and then it is a Violation.
  [[nodiscard]] bool is_suspicious() const { return suspicious_ || board_.suspicious; }

  void killed(Time now);
  // And answers again.
  void served(Time now);

  // Everybody ends what is open; true once all have, and heard of all beats.
  void set_quiet(bool quiet);
  [[nodiscard]] bool is_quiet() const;
  // Who is not quiet, with his history: for when that takes too long.
  [[nodiscard]] std::string who_is_not_quiet() const;

  // Clients at sockets, and guests.
  [[nodiscard]] std::size_t connected() const { return count_connected(false); }
  [[nodiscard]] std::size_t guests_connected() const { return count_connected(true); }
  [[nodiscard]] std::size_t watches() const;
  // Of all clients together; of the guests among them.
  [[nodiscard]] Client::Counts counts() const;
  [[nodiscard]] Client::Counts guest_counts() const;
  // The same as a text: "12345 answers, …".
  [[nodiscard]] std::string statistics() const;

 private:
  void serve(Client& client, Time now);
  void check_patience(Time now);
  [[nodiscard]] std::string late(const Client& client, Time from, Time now) const;

  [[nodiscard]] std::size_t count_connected(bool guests) const;

  Board board_;
  Pauses pauses_, guest_pauses_;
  std::vector<std::unique_ptr<Client>> clients_;
  Time checked_{};
  bool suspicious_ = false;
};

}  // namespace vxs::test::kept
