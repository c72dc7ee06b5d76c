// Descriptors that outlive the daemon: kept by the supervisor, by name.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/keeper/successor.hh"
#include "daemon/loop/event_loop.hh"
#include "daemon/process/descriptor.hh"
#include "daemon/process/start_error.hh"
#include "daemon/supervisor/channel.hh"
#include "daemon/supervisor/hand_over.hh"

namespace vxs::keeper {

/// A descriptor and its name. Its owner is whoever has this.
struct Kept {
  std::string name;
  process::Descriptor fd;
};

/// What a start is in a live update (supervisor/message.hh).
enum class UpdateRole : std::uint8_t {
  kNone,
  kTrial,     ///< the new program: it says taken_over() before it changes anything
  kFailed,    ///< the old one again: previous_status says how the new one ended
  kTimedOut,  ///< the same, because the new one took too long
};

/// What a daemon finds at its start.
struct Inheritance {
  /// In the order of their names. Empty: this is the first daemon, or the one before kept nothing.
  std::vector<Kept> descriptors;
  std::uint64_t starts = 0;  ///< by this supervisor; 1: it never started another
  int previous_status = 0;   ///< how the daemon before ended, as wait(2) tells; 0: there was none
  UpdateRole update = UpdateRole::kNone;
};

/// The supervisor as the daemon sees it. One thread, the loop's. After adopt() nothing waits: what
/// the socket does not take at once is queued and sent by the loop.
///
/// What was handed to the socket survives a kill of the daemon, what is still queued does not;
/// has_pending() tells, and only a supervisor that does not read (it is stopped, or 200 messages
/// behind) lets anything be queued.
class Keeper {
 public:
  struct Callbacks {
    /// A client connected, and is kept under this name already. Non-blocking, close-on-exec.
    std::function<void(std::string name, process::Descriptor fd)> accepted;
    /// The supervisor died. The daemon goes on. `successor`: another one was started and gets all
    /// that is kept; else nobody accepts or restarts from here on, unless a service manager, which
    /// will end this daemon too, starts both again.
    std::function<void(bool successor)> died;
    /// Another supervisor took over; supervisor_pid() is new (pid file).
    std::function<void()> replaced;
  };

  /// Takes VXENSTORED_SUPERVISOR_FD out of the environment and waits, at most ten seconds, for what
  /// the supervisor hands over, which is in `inheritance` then. Null if there is no such variable:
  /// nobody keeps anything. Call it before any thread is started. Errors: the descriptor is no
  /// supervisor's; it died.
  /// Where is_ahead() is true then, nothing was handed over yet.
  [[nodiscard]] static process::StartResult<std::unique_ptr<Keeper>> adopt(
      Inheritance& inheritance);
  /// This program was started beside the daemon that it is to follow (live update): it may read
  /// what that one writes, and change nothing.
  [[nodiscard]] bool is_ahead() const noexcept { return ahead_; }
  /// Then: says that all is prepared, and waits for its turn, however long that takes. As adopt()
  /// in all else.
  [[nodiscard]] process::StartResult<void> await_turn(Inheritance& inheritance);
  ~Keeper();
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  /// Begins to call back. Clients that connect before wait in the socket. Once; the loop outlives
  /// this object.
  void start(daemon::EventLoop& loop, Callbacks callbacks);

  /// Keeps a descriptor from now on; one of the same name is replaced. The caller still owns `fd`,
  /// which stays open until release(), or until the name is kept anew. Names as
  /// supervisor::is_valid_name has them; those that begin with "listen" are accepted on if they
  /// listen; those that begin with "client-" are the supervisor's to give. False: no such name.
  bool keep(const std::string& name, int fd);
  /// Ends the keeping. For a connection: shutdown(SHUT_RDWR), the record of its end, this, close.
  void release(const std::string& name);

  /// Requests are answered from now on: what systemd, and the parent of the daemon form, wait for.
  void ready();
  /// An orderly end: no other daemon is to be started, however this one ends.
  void stopping();
  /// The main loop runs. Call it at least every alive_interval(), from ready() on.
  void alive();

  // --- live update -------------------------------------------------------------
  /// Asks for `program` to be started with these words, the first of which is its argv[0], when
  /// this process has ended. It has to have said taken_over() within `patience`, or this program is
  /// started again. False: the supervisor is not there, does not read, or cannot be told that many
  /// words; end only if that is well. All that was said before has arrived then.
  [[nodiscard]] bool exec(process::Descriptor program, const std::vector<std::string>& words,
                          std::chrono::microseconds patience);
  /// The same before, to shorten the pause: `program` is started beside this process and prepares
  /// itself; exec() with the same words makes it the next one. next() tells how far it is. False:
  /// that cannot be had from this supervisor.
  [[nodiscard]] bool exec_ahead(process::Descriptor program, const std::vector<std::string>& words);
  enum class Next : std::uint8_t {
    kNone,     ///< nothing was started ahead, or the supervisor that did it died
    kStarted,  ///< it prepares itself
    kReady,    ///< it waits for exec()
    kEnded,    ///< next_status() says how, as wait(2) tells
  };
  [[nodiscard]] Next next() const noexcept { return next_; }
  [[nodiscard]] int next_status() const noexcept { return next_status_; }
  /// exec() will not follow: ends it, if there is one.
  void drop_next();
  /// The new program has what it needs, and goes on: the old one is not started any more. False:
  /// the supervisor was not told, and nothing may be changed.
  [[nodiscard]] bool taken_over();
  /// The words of this process's own command line.
  [[nodiscard]] static std::vector<std::string> own_words();

  /// A third of the time after which the supervisor kills a silent daemon; zero: it never does.
  [[nodiscard]] std::chrono::microseconds alive_interval() const noexcept { return interval_; }

  // --- hot swap (supervisor/hand_over.hh) --------------------------------------
  /// Nobody is accepted from now on. What was accepted before is told by accepted() first; then
  /// returns the numbers that all kept descriptors have at the supervisor. Waits for it, at most
  /// two seconds; not from within a callback. Errors: no supervisor, one that does not answer, or
  /// died (then another one may follow, which knows nothing of it).
  [[nodiscard]] process::StartResult<std::map<std::string, int>> hold();
  /// Takes that back.
  void go_on();
  /// What the supervisor is to become when this process has ended, which is to be the next thing it
  /// does: from success on it becomes that, however this process ends. Errors: as
  /// hold(), also if it is not the supervisor any more that hold() asked; the order cannot be
  /// written down.
  [[nodiscard]] process::StartResult<void> hand_over(const supervisor::HandOver& order);
  /// Before this process ends to be started again: looks whether the supervisor lives, and if
  /// another one has to follow, waits at most five seconds until that one has all. False: nobody
  /// will start another daemon, unless a service manager does.
  [[nodiscard]] bool await_supervisor();

  /// The pid for the pid file. Of a dead one until replaced().
  [[nodiscard]] pid_t supervisor_pid() const noexcept { return supervisor_pid_; }
  /// False between died() and replaced().
  [[nodiscard]] bool connected() const noexcept { return static_cast<bool>(channel_); }
  [[nodiscard]] bool has_pending() const noexcept { return channel_.has_pending(); }

 private:
  explicit Keeper(process::Descriptor socket) : channel_(std::move(socket)) {}

  process::StartResult<void> receive_inheritance(Inheritance& inheritance,
                                                 std::chrono::milliseconds patience);
  [[nodiscard]] bool queue_exec(process::Descriptor program, const std::vector<std::string>& words,
                                std::uint16_t flags, std::chrono::microseconds patience);
  void take_hello(const supervisor::Message& hello);
  void on_readable();
  void handle(supervisor::Message& message);
  void handle_death();
  void tell_program();
  void watch();
  void send(supervisor::Message message);
  void send_pending();
  /// Until the socket has taken everything. False: it does not.
  [[nodiscard]] bool drain();
  void queue_words(const std::vector<std::string>& words);

  supervisor::Channel channel_;
  daemon::EventLoop* loop_ = nullptr;
  Callbacks callbacks_;
  daemon::Interest readable_;
  daemon::Interest writable_;
  std::map<std::string, int> kept_;     ///< not owned
  std::map<std::string, int> numbers_;  ///< of what is kept, at the supervisor
  bool held_ = false;                   ///< HELD came, and its sender lives
  std::uint64_t deaths_ = 0;            ///< of supervisors
  process::Descriptor order_;           ///< of HAND_OVER, on its way
  process::Descriptor program_;         ///< that exec() or a new supervisor is told of
  pid_t supervisor_pid_ = 0;
  std::chrono::microseconds interval_{0};
  bool managed_ = false;  ///< by a service manager
  bool greeted_ = false;  ///< this supervisor said HELLO
  bool ready_ = false;
  bool ahead_ = false;         ///< is_ahead()
  bool starts_ahead_ = false;  ///< the supervisor can
  Next next_ = Next::kNone;
  int next_status_ = 0;
  Successor successor_;
};

}  // namespace vxs::keeper
