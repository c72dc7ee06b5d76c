// A little Xenstore daemon in this process, which breaks one promise on purpose: the checkers of
// the soak are held against it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/crash/kept/link.hh"
#include "tests/crash/kept/scripted_ring.hh"
#include "tests/crash/model.hh"

namespace vxs::test::kept {

enum class Fault : std::uint8_t {
  kNone,
  // Each time a promise is broken, and a checker has to see it:
  kLoseReply,
  kDoubleReply,
  kSwapReplies,
  kWrongRequestId,
  kLoseByte,
  kHang,   // one client is not served any more
  kClose,  // one connection
  kDropFirstEvent,
  kDropEvent,
  kStrangeEvent,        // of a watch that nobody set
  kLoseWrite,           // answered, not done
  kStaleCounter,        // READ of a number answers the one before
  kDirtyRead,           // what a transaction writes is seen outside
  kHalfCommit,          // of the transactions of subtrees
  kHalfPair,            // of those of pairs
  kCommitAndRefuse,     // EAGAIN, and done
  kNoConflicts,         // two commits of the same number
  kRepeatCommit,        // a commit is done again, later
  kForgetWatches,       // at a kill
  kForgetDepths,        // at a kill
  kForgetTransactions,  // at a kill
  // Of guests:
  kNoSignal,    // bytes in the ring without an event, and none follows
  kFreezeRing,  // without a cause
  kBadIndices,  // in a ring
  kKeepNodes,   // of a dead domain
  kKeepDomain,  // its death is not seen
  kKeepPage,    // of a dead domain: mapped
  kNoIntroduceEvent,
  kNoReleaseEvent,
  kIgnoreReconnect,
  kKeepWatches,  // when a ring begins anew
  kKeepInput,    // when a ring begins anew
  // These are allowed:
  kDoubleEvents,
  kDoomTransactions,  // at a kill
};

class ScriptedServer {
 public:
  // Breaks its promise at every `every`-th opportunity.
  ScriptedServer(Fault fault, std::uint64_t every);
  ~ScriptedServer();
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  // Guests of this machine may be introduced.
  void serve_guests(fakexen::Machine& machine);

  // From now on; until then it keeps all of them.
  void begin() { began_ = true; }
  // A connected client.
  std::unique_ptr<Link> connect();
  // Answers what arrived.
  void serve();
  // As if it had been killed and started again; `closing`: volatile connections, what was not
  // handled is lost.
  void kill(bool closing);

  // The nodes of a subtree.
  [[nodiscard]] StoreDump dump(const std::string& root) const;
  [[nodiscard]] std::uint64_t broken() const { return broken_; }

 private:
  struct Watch {
    std::string path;
    std::optional<std::uint32_t> depth;
  };
  struct Transaction {
    Model view;
    std::vector<ModelRequest> changes;
    std::map<std::string, std::string> reads;
    bool doomed = false;
  };
  struct Peer {
    int fd = -1;
    std::unique_ptr<ScriptedRing> ring;  // of a guest
    bool silent = false;                 // kNoSignal
    bool kept = false;                   // kKeepDomain
    bool hangs = false;
    std::string in, out, held;
    std::map<std::string, Watch> watches;  // by token
    std::map<std::uint32_t, Transaction> transactions;
    std::uint32_t next_tx = 1;
  };
  bool breaks(Fault fault);
  void serve(Peer& peer);
  void handle(Peer& peer, const support::Frame& asked);
  std::string outcome(Peer& peer, const support::Frame& asked, support::Frame& reply);
  std::string read(Peer& peer, const support::Frame& asked, support::Frame& reply);
  std::string change(Peer& peer, const support::Frame& asked);
  std::string end(Peer& peer, const support::Frame& asked);
  std::string watch(Peer& peer, const support::Frame& asked);
  std::string unwatch(Peer& peer, const support::Frame& asked);
  std::string introduce(const support::Frame& asked);
  std::string release(const support::Frame& asked);
  [[nodiscard]] Peer* guest(std::uint32_t domid);
  void look_at_guests();
  void begin_anew(Peer& peer);
  void bury(Peer& peer);
  void fire_special(const std::string& name, std::uint32_t domid);
  void apply(const ModelRequest& request, std::uint32_t creator);
  void fire(const std::string& path);
  static void put_event(Peer& peer, const std::string& path, const std::string& token);
  void put(Peer& peer, support::Frame reply);
  static void close(Peer& peer);

  Fault fault_;
  bool began_ = false;
  std::uint64_t every_, opportunities_ = 0, broken_ = 0;
  Model store_;
  fakexen::Machine* machine_ = nullptr;
  int events_fd_ = -1;
  std::uint32_t events_ = 0;  // handle of the device
  std::vector<std::unique_ptr<Peer>> peers_, new_peers_;
  std::vector<ModelRequest> again_;  // kRepeatCommit
  std::string first_event_;          // token of the watch just set
};

}  // namespace vxs::test::kept
