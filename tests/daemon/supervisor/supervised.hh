// A supervisor with a fake daemon, its clients, and a fake systemd.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/process/descriptor.hh"
#include "tests/daemon/supervisor/fake_request.hh"
#include "tests/support/temp_dir.hh"

namespace vxs::supervisor_test {

using std::chrono::milliseconds;
inline constexpr milliseconds kPatience{30'000};

/// Tries until it is true; false after the time.
bool eventually(const std::function<bool()>& condition, milliseconds patience = kPatience);

/// How the supervisor is started.
struct Launch {
  std::vector<std::string> options{};
  std::map<std::string, std::string> env{};
  std::vector<std::string> command{};          ///< empty: the fake daemon
  std::map<std::string, int> passed{};         ///< LISTEN_FDS, by name; not owned
  std::optional<unsigned long> descriptors{};  ///< RLIMIT_NOFILE, hard and soft
};

/// A supervisor and everything below it, killed in the destructor.
class Supervised {
 public:
  explicit Supervised(Launch launch = {});
  ~Supervised();
  Supervised(const Supervised&) = delete;
  Supervised& operator=(const Supervised&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  /// Of the daemon, 0 while there is none.
  [[nodiscard]] pid_t daemon() const;
  [[nodiscard]] std::string socket() const { return dir_.path() + "/socket"; }
  [[nodiscard]] std::string dir() const { return dir_.path(); }
  [[nodiscard]] std::string output() const;
  /// While it is set, starts of the daemon fail (fake_daemon.cc).
  void fail_with(std::optional<int> number) const;
  /// How many daemons were started.
  [[nodiscard]] std::size_t starts() const;

  void signal(int number) const;
  /// It dies of SIGTRAP when it comes by the point (docs/crash-points.md) that has this name.
  [[nodiscard]] bool die_at(const std::string& point) const;
  /// The wait status, once it ended.
  std::optional<int> wait(milliseconds patience = kPatience);
  /// A supervisor that goes on for one that was killed, with the same socket. As systemd does,
  /// first ends what the old one left.
  void start_again(Launch launch);

 private:
  void start(const Launch& launch);
  void kill_all();
  support::TempDir dir_;
  pid_t pid_ = -1;
  std::optional<int> status_;
};

/// All points of the supervisor while a daemon serves, if `serving`; else all others but those of a
/// hot swap.
std::vector<std::string> points_of_supervisor(bool serving);

/// One connection. All waiting ends with kPatience.
class Client {
 public:
  explicit Client(const std::string& path);
  /// Nothing: the connection was closed, or nobody answered.
  std::optional<std::uint64_t> ask(Ask ask, std::uint64_t value = 0);
  /// Does not wait for an answer.
  bool send(Ask ask, std::uint64_t value = 0);
  /// True once the other end closes it.
  [[nodiscard]] bool closed() const;
  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  process::Descriptor fd_;
  std::uint32_t sequence_ = 0;
};

/// The process's open descriptors.
std::size_t descriptors_of(pid_t pid);

/// systemd's end of NOTIFY_SOCKET: reads only when it is asked to.
class FakeSystemd {
 public:
  FakeSystemd();
  /// For the environment.
  [[nodiscard]] std::string address() const { return address_; }
  /// Takes what came, up to `max` messages; returns how many.
  std::size_t read(std::size_t max = 1'000'000);
  /// States in order, without those of the store.
  std::vector<std::string> states;
  /// The store, by name; a second descriptor of one name is counted in `collisions`.
  std::map<std::string, process::Descriptor> store;
  std::size_t collisions = 0;
  std::size_t polled = 0;   ///< stored without FDPOLL=0
  std::size_t unknown = 0;  ///< removed but not there
  [[nodiscard]] std::map<std::string, int> passed() const;

 private:
  void handle(const std::string& text, process::Descriptor fd);
  std::string address_;
  process::Descriptor socket_;
};

}  // namespace vxs::supervisor_test
