// Two daemons that are asked the same, and what they answered.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/differential/discipline.hh"
#include "tests/differential/step.hh"
#include "tests/support/fake_machine.hh"
#include "tests/support/frame_client.hh"

namespace vxs::differential {

// A running daemon; it ends with the object.
class Server {
 public:
  virtual ~Server() = default;
  [[nodiscard]] virtual std::string socket_path() const = 0;
  // What it printed, for a report about its death.
  [[nodiscard]] virtual std::string output() const = 0;
  // The machine its guests live on; null for a run of sockets only.
  [[nodiscard]] virtual support::FakeMachine* machine() { return nullptr; }
};
using StartServer = std::function<std::unique_ptr<Server>()>;

// What one step brought about, with everything that two correct daemons may
// choose freely taken out: transaction ids, generation numbers.
struct Observation {
  support::Frame reply;  // req_id and tx_id are 0
  // A generation in the reply: "first", "same" or "new" against the last one
  // seen for that path; empty where there is none.
  std::string generation;
  // A guest's entries went (C16) since that last one.
  bool death_since = false;
  // Events of each client, those of the requester in front of its reply first.
  std::array<std::vector<support::Event>, kClients> events;
  // Whom the daemon is connected to after the step.
  std::array<bool, kClients> reachable{};
  size_t before_reply = 0;  // how many of the requester's came before its reply
  // Set when a daemon closed the connection, broke the framing, or kept silent.
  std::string broken;
};

// One daemon with its clients.
class Side {
 public:
  explicit Side(const StartServer& start);

  // Sends the step's (first) request.
  void send(const Step& step);
  // Takes its reply; all of it for kListAll.
  void receive(const Step& step, Observation& seen);
  // Sends, then takes what shows that every client has all its events.
  void drain_send();
  void drain_receive(Observation& seen);

  // One request outside the run, by the client and in the transaction of `step`,
  // its events dropped.
  void quietly(const Step& step, uint32_t type, const std::string& payload);

  [[nodiscard]] std::string output() const { return server_->output(); }

  [[nodiscard]] World world();

 private:
  // The toolstack's steps: done, and then until the daemon has let go of what died and looked at
  // who exists.
  void run_machine(const Step& step);
  void settle(const std::vector<uint32_t>& gone);
  [[nodiscard]] uint32_t transaction_id(const Step& step) const;
  void receive_burst(const Step& step, Observation& seen);
  void receive_list(const Step& step, Observation& seen);
  void note_generation(const Step& step, Observation& seen);
  void keep_transaction(const Step& step, Observation& seen);
  void meet(const Step& step);

  std::unique_ptr<Server> server_;
  std::vector<std::unique_ptr<support::FrameClient>> clients_;  // null: no such guest
  std::array<bool, kClients> drained_{};                        // whom drain_send() asked
  std::array<std::array<uint32_t, kSlots>, kClients> ids_{};
  struct Look {
    std::string generation;
    std::size_t deaths;
  };
  std::map<std::string, Look, std::less<>> looks_;  // at generations, by path
  std::size_t deaths_ = 0;                          // of guests, and releases
};

// What the reference and the subject made of a step they disagree on.
struct Difference {
  Step step;
  Observation reference;
  Observation subject;
  // Short form that stays the same while a failing run is being shrunk.
  [[nodiscard]] std::string signature() const;
  // All of it for a person.
  [[nodiscard]] std::string text() const;
};

class Lockstep {
 public:
  Lockstep(const StartServer& reference, const StartServer& subject);

  // Runs one step on both; nothing if they agree in every respect.
  std::optional<Difference> run(const Step& step);

  // The reference's observation of the last step, for transcripts.
  [[nodiscard]] const Observation& last() const { return last_; }

  // The reference's.
  [[nodiscard]] World world() { return reference_.world(); }

  [[nodiscard]] Side& reference() { return reference_; }
  [[nodiscard]] Side& subject() { return subject_; }

 private:
  Side reference_;
  Side subject_;
  Observation last_;
};

// Whether replies agree apart from what is free (B6: where a listing is cut
// depends on the length of the generation).
bool replies_agree(const Step& step, const Observation& a, const Observation& b);
// Events in order; in a burst as sets (D14).
bool events_agree(const Step& step, const Observation& a, const Observation& b);
// The events without repetitions of an earlier one (D14).
std::vector<support::Event> merged(const std::vector<support::Event>& events);

std::string reply_text(const Observation& seen);

}  // namespace vxs::differential
