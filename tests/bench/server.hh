#pragma once
// The daemons under comparison: each is started in a scratch directory of its
// own and answers on a socket there.

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/process.hh"

namespace vxs::bench {

// kVxenstored: alone, with volatile connections; kKept: below its supervisor, with kept ones.
enum class ServerKind { kEcho, kStockC, kStockOcaml, kVxenstored, kKept };

// Where the programs are; the defaults are those of this build.
struct ServerPaths {
  std::filesystem::path vxenstored;
  std::filesystem::path run_stock;         // tests/fakexen/run-stock
  std::filesystem::path fakexen;           // libfakexen.so
  std::vector<std::string> extra_options;  // for vxenstored, after the usual ones
};
[[nodiscard]] ServerPaths default_server_paths();

[[nodiscard]] std::string server_name(ServerKind kind);
// Throws BenchError for a name that is none of echo, c, o, vxs, kept.
[[nodiscard]] ServerKind server_kind(const std::string& name);

class Server {
 public:
  // Starts the daemon and waits until it answers a request; throws BenchError,
  // with the end of its log, when it does not within 20 s. With `guests` it
  // stands behind the fake Xen library, whose machine has dom0 alone at first.
  Server(ServerKind kind, const ServerPaths& paths, bool guests = false);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] ServerKind kind() const { return kind_; }
  // The daemon's, whoever supervises it.
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] const std::string& socket_path() const { return socket_path_; }
  // The fake machine of a server with guests (FAKEXEN_DIR).
  [[nodiscard]] std::string machine_directory() const;
  // Throws BenchError when the daemon has died.
  void require_alive();

 private:
  ServerKind kind_;
  ScratchDirectory directory_;
  std::string socket_path_;
  std::unique_ptr<Process> process_;  // after directory_: dies before it goes
  pid_t pid_ = -1;
};

// vxenstored's command line for a run: everything lies below `directory`.
[[nodiscard]] Command vxenstored_command(const std::filesystem::path& directory,
                                         const ServerPaths& paths);

// The same command below a supervisor, which is told to end when we die: one that is killed leaves
// a daemon that starts another.
[[nodiscard]] Command supervised_command(Command daemon, const ServerPaths& paths);
// The daemon of a supervisor; -1 while there is none.
[[nodiscard]] pid_t daemon_of(pid_t supervisor);

// Waits until a DIRECTORY of / is answered at `socket_path`; throws BenchError
// with the end of `log` when the process dies or does not answer in time.
void wait_until_ready(Process& process, const std::string& socket_path,
                      const std::filesystem::path& log, int limit_ms);

}  // namespace vxs::bench
