// Keeps the daemon's descriptors, accepts for it, and starts it again (design §6).
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/process/descriptor.hh"
#include "daemon/process/start_error.hh"
#include "daemon/supervisor/channel.hh"
#include "daemon/supervisor/child.hh"
#include "daemon/supervisor/hand_over.hh"
#include "daemon/supervisor/service_manager.hh"

namespace vxs::supervisor {

struct Options {
  /// The daemon's program and arguments; it stays in the foreground.
  std::vector<std::string> command;
  /// What is run, if it is not what command[0] names: "/proc/self/exe" for a daemon of this binary.
  std::string binary;
  /// The first restart is immediate, the next ones after 10 ms, 20 ms … up to this; from the
  /// beginning again once a daemon has been ready for a second.
  std::chrono::milliseconds backoff_max{5000};
  /// A daemon that says nothing for so long gets SIGABRT, two seconds later SIGKILL. Zero: the
  /// service manager's interval (WatchdogSec=), off without one.
  std::chrono::milliseconds watchdog{0};
  /// The same for a restarted daemon until it is ready. The first start is the caller's to watch.
  std::chrono::milliseconds start_timeout{300'000};
  /// Kept from the beginning: what another program left to this process (hot swap). Ours from
  /// create() on. A daemon that fails before it is ever ready is started again then: there is
  /// somebody to lose.
  std::vector<std::pair<std::string, int>> inherited;
  /// Called once, when the first daemon is ready: for the parent of the daemon form, which waits.
  std::function<void()> on_ready;
};

/// Runs until the daemon has ended for good; returns the exit status for this process: the
/// daemon's, 128 + n if it died of signal n, and 0 if it did as we were told to end it. That is so
/// after exit status 0, after SIGTERM or SIGINT, after STOPPING, and when the daemon fails before
/// the first READY (unless there is something inherited). In every other case it is started again,
/// with all descriptors. A daemon that said EXEC is followed by the program it named, and by itself
/// again if that one does not take over (message.hh).
///
/// Call it in a process that may be forked, with signals as prepare_signals() leaves them and
/// before any thread is started, but for one that logs and has all signals blocked. It takes over
/// the signals TERM, INT, HUP, USR1 and USR2, the soft limit of descriptors, and the variables of
/// the service manager. Errors (nothing was started then): no such binary, system calls.
[[nodiscard]] process::StartResult<int> run(const Options& options);

/// One thread. What it does from day to day is in supervisor.cc, in the order in which it happens;
/// how one program follows another in supervisor_update.cc.
class Supervisor {
 public:
  [[nodiscard]] static process::StartResult<Supervisor> create(const Options& options);
  [[nodiscard]] int run();

 private:
  using Clock = std::chrono::steady_clock;
  using Deadline = std::optional<Clock::time_point>;

  /// What is started.
  struct Program {
    Binary binary;
    std::vector<std::string> arguments;
  };

  Supervisor(const Options& options, Binary binary, process::Descriptor signals);
  process::StartResult<void> adopt(int channel);

  [[nodiscard]] bool must_go_on() const noexcept {
    return ever_ready_ || !options_.inherited.empty();
  }
  void start_child();
  void begin(Child child, Channel channel);
  [[nodiscard]] Message hello(std::uint16_t more_flags) const;
  void greet();
  void handle_signal();
  void receive();
  void handle(Message& message);
  void handle_end();
  void retry_later();
  void exec(Message& message);
  void start_ahead(const Program& program);
  void hear_next();
  void next_ended();
  void drop_next();
  void try_next();
  void taken_over();
  void fall_back(int status);
  void end(int code) noexcept;
  void stop();

  void hold(bool held);
  void hand_over();

  void keep(const std::string& name, process::Descriptor fd);
  void release(const std::string& name);
  [[nodiscard]] int find(const std::string& name) const;
  [[nodiscard]] std::vector<int> listeners() const;
  void accept_from(int listener);
  void pause_accepting(const char* why);

  void child_said_something();
  void check_times(Clock::time_point now);
  [[nodiscard]] int poll_timeout(Clock::time_point now) const;
  void wait();

  Options options_;
  Program program_;  ///< the next start's
  process::Descriptor signals_;
  InheritedLimits limits_;

  /// All that must outlive the daemon.
  std::map<std::string, process::Descriptor> kept_;
  std::uint64_t next_client_ = 0;
  std::size_t kept_max_ = 0;
  ServiceManager manager_;

  Child child_;
  Channel channel_;
  bool ready_ = false;       ///< this daemon is
  bool ever_ready_ = false;  ///< one was
  bool stopping_ = false;    ///< the next end is the last
  std::uint64_t starts_ = 0;
  int previous_status_ = 0;
  std::chrono::milliseconds backoff_{0};
  std::optional<int> exit_code_;
  bool held_ = false;                  ///< nobody is accepted, for the daemon hands over
  std::optional<HandOver> hand_over_;  ///< what to become when the daemon has ended
  bool order_lost_ = false;            ///< that was said, and cannot be read

  // Live update.
  std::vector<std::string> words_;  ///< ARGUMENTs that wait for their EXEC
  std::optional<Program> next_;     ///< EXEC came: to be tried when the daemon has ended
  Child ahead_;                     ///< started beside the daemon, waits for its turn
  Channel ahead_channel_;
  std::vector<Child> dropped_;       ///< killed, but not gone yet
  std::optional<Program> previous_;  ///< program_ is on trial: to be gone back to
  std::chrono::microseconds patience_{0};
  Deadline trial_until_;
  bool timed_out_ = false;
  std::uint16_t start_flags_ = 0;  ///< of the next START

  Clock::time_point ready_since_;
  Deadline restart_at_;
  Deadline silent_until_;  ///< the daemon is killed then
  bool aborted_ = false;   ///< it got SIGABRT
  Deadline accept_again_;
  std::chrono::milliseconds accept_pause_{0};
  Clock::time_point housekeeping_at_;
  Clock::time_point tell_manager_at_;
};

}  // namespace vxs::supervisor
