#pragma once
// vxenstored below its supervisor, to be killed, with guests of a fake machine.

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tests/bench/server.hh"

namespace vxs::bench {

// What comes after `words` in the last line of `log` that has them, up to the line's end or `end`;
// "?" if none has.
[[nodiscard]] std::string last_after(const std::string& log, std::string_view words,
                                     std::string_view end);

class Supervised {
 public:
  // Starts both and waits until they answer; throws BenchError. `guests`: behind the fake Xen
  // library, whose machine has dom0 alone at first.
  Supervised(const ServerPaths& paths, bool guests);
  // An orderly end, of whatever is left of it.
  ~Supervised();
  Supervised(const Supervised&) = delete;
  Supervised& operator=(const Supervised&) = delete;

  [[nodiscard]] std::string socket_path() const { return directory_.path() / "run" / "socket"; }
  [[nodiscard]] std::string machine_directory() const { return directory_.path() / "machine"; }
  [[nodiscard]] pid_t supervisor() const { return process_->pid(); }
  // The daemon that runs now; nothing while there is none.
  [[nodiscard]] std::optional<pid_t> daemon() const;
  // The same, waited for; throws BenchError.
  [[nodiscard]] pid_t wait_for_daemon() const;

  // kill -9 of the daemon; when it was sent. `pidfd`: readable when the process is gone; to be
  // closed.
  std::chrono::steady_clock::time_point kill_daemon(int& pidfd);
  // SIGTERM, which writes a checkpoint, and another supervisor.
  void start_anew();

  // What both said so far.
  [[nodiscard]] std::string log() const;

 private:
  void start();
  void end();

  ServerPaths paths_;
  bool guests_;
  ScratchDirectory directory_;
  std::unique_ptr<Process> process_;
};

}  // namespace vxs::bench
