#include "tests/bench/server.hh"

#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <iterator>
#include <thread>
#include <utility>

#include "tests/bench/bulk.hh"
#include "tests/bench/connection.hh"
#include "tests/bench/echo_server.hh"
#include "tests/bench/error.hh"

namespace vxs::bench {

namespace {

constexpr int kStartLimitMs = 20'000;
// Every domid the workloads name exists in the fake hypervisor; 4.17 gives
// permissions of others to nobody.
constexpr const char* kFakeDomains = "1-4095";

constexpr std::array<std::pair<ServerKind, const char*>, 5> kNames{
    {{ServerKind::kEcho, "echo"},
     {ServerKind::kStockC, "c"},
     {ServerKind::kStockOcaml, "o"},
     {ServerKind::kVxenstored, "vxs"},
     {ServerKind::kKept, "kept"}}};

std::string tail_of(const std::filesystem::path& log) {
  std::ifstream file(log);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  constexpr std::size_t kMost = 2000;
  return text.size() > kMost ? text.substr(text.size() - kMost) : text;
}

std::string machine_of(const std::filesystem::path& directory) { return directory / "machine"; }

Command stock_command(ServerKind kind, const std::filesystem::path& directory,
                      const ServerPaths& paths, bool guests) {
  Command command;
  command.arguments = {paths.run_stock, kind == ServerKind::kStockC ? "c" : "ocaml",
                       directory / "run"};
  command.environment = {{"FAKEXEN_LIB", paths.fakexen}};
  command.environment.emplace_back("FAKEXEN_DOMAINS", guests ? "" : kFakeDomains);
  if (guests) command.environment.emplace_back("FAKEXEN_DIR", machine_of(directory));
  command.log = directory / "log";
  return command;
}

Command with_guests(const std::filesystem::path& directory, const ServerPaths& paths) {
  Command command = vxenstored_command(directory, paths);
  std::replace(command.arguments.begin(), command.arguments.end(), std::string("off"),
               std::string("on"));
  command.environment.emplace_back("FAKEXEN_DIR", machine_of(directory));
  command.environment.emplace_back("LD_PRELOAD", paths.fakexen);
  return command;
}

Command our_command(const std::filesystem::path& directory, const ServerPaths& paths, bool guests) {
  return guests ? with_guests(directory, paths) : vxenstored_command(directory, paths);
}

std::unique_ptr<Process> start(ServerKind kind, const std::filesystem::path& directory,
                               const std::string& socket_path, const ServerPaths& paths,
                               bool guests) {
  switch (kind) {
    case ServerKind::kEcho:
      return std::make_unique<Process>([&] { return run_echo_server(socket_path); });
    case ServerKind::kVxenstored:
      return std::make_unique<Process>(our_command(directory, paths, guests));
    case ServerKind::kKept:
      return std::make_unique<Process>(
          supervised_command(our_command(directory, paths, guests), paths));
    case ServerKind::kStockC:
    case ServerKind::kStockOcaml:
      break;
  }
  return std::make_unique<Process>(stock_command(kind, directory, paths, guests));
}

bool answers(const std::string& socket_path) {
  try {
    Connection connection(socket_path);
    bool asked = false;
    run_pipelined(connection, [&](std::string& out) {
      if (asked) return false;
      append_request(out, MessageType::kDirectory, 0, {path_body("/")});
      asked = true;
      return true;
    });
    return true;
  } catch (const BenchError&) {
    return false;  // not listening yet
  }
}

}  // namespace

ServerPaths default_server_paths() {
  ServerPaths paths;
  paths.vxenstored = std::filesystem::path(VXS_BENCH_BUILD_DIR) / "daemon" / "vxenstored";
  paths.run_stock = std::filesystem::path(VXS_BENCH_SOURCE_DIR) / "tests" / "fakexen" / "run-stock";
  paths.fakexen =
      std::filesystem::path(VXS_BENCH_BUILD_DIR) / "tests" / "fakexen" / "libfakexen.so";
  return paths;
}

std::string server_name(ServerKind kind) {
  for (const auto& [known, name] : kNames) {
    if (known == kind) return name;
  }
  return "?";
}

ServerKind server_kind(const std::string& name) {
  for (const auto& [kind, known] : kNames) {
    if (name == known) return kind;
  }
  throw BenchError("unknown server '" + name + "': echo, c, o, vxs and kept are known");
}

Command vxenstored_command(const std::filesystem::path& directory, const ServerPaths& paths) {
  const std::filesystem::path run = directory / "run";
  std::filesystem::create_directories(run);
  Command command;
  command.arguments = {paths.vxenstored, "--no-fork",
                       "--xen",          "off",
                       "--state-dir",    directory / "state",
                       "--journal-dir",  directory / "journal",
                       "--pid-file",     run / "vxenstored.pid",
                       "--durability",   "process",
                       "--history",      "on"};
  command.arguments.insert(command.arguments.end(), paths.extra_options.begin(),
                           paths.extra_options.end());
  command.environment = {{"XENSTORED_RUNDIR", run}};
  command.log = directory / "log";
  return command;
}

Command supervised_command(Command daemon, const ServerPaths& paths) {
  std::vector<std::string> arguments{paths.vxenstored.parent_path() / "vxenstored-supervise",
                                     "--backoff-max", "0", "--"};
  arguments.insert(arguments.end(), daemon.arguments.begin(), daemon.arguments.end());
  daemon.arguments = std::move(arguments);
  daemon.death_signal = SIGTERM;
  return daemon;
}

pid_t daemon_of(pid_t supervisor) {
  const std::string pid = std::to_string(supervisor);
  std::ifstream children("/proc/" + pid + "/task/" + pid + "/children");
  pid_t first = -1;
  return children >> first ? first : -1;
}

void wait_until_ready(Process& process, const std::string& socket_path,
                      const std::filesystem::path& log, int limit_ms) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::milliseconds(limit_ms);
  while (!answers(socket_path)) {
    if (!process.running()) {
      throw BenchError("a daemon exited while starting; its log ends with:\n" + tail_of(log));
    }
    if (std::chrono::steady_clock::now() > limit) {
      throw BenchError("a daemon does not answer; its log ends with:\n" + tail_of(log));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

Server::Server(ServerKind kind, const ServerPaths& paths, bool guests)
    : kind_(kind), socket_path_(directory_.path() / "run" / "socket") {
  std::filesystem::create_directories(directory_.path() / "run");
  std::filesystem::create_directories(machine_of(directory_.path()));
  process_ = start(kind, directory_.path(), socket_path_, paths, guests);
  try {
    wait_until_ready(*process_, socket_path_, directory_.path() / "log", kStartLimitMs);
  } catch (const BenchError& error) {
    throw BenchError("server " + server_name(kind) + ": " + error.what());
  }
  pid_ = kind == ServerKind::kKept ? daemon_of(process_->pid()) : process_->pid();
}

Server::~Server() {
  if (kind_ == ServerKind::kKept && process_) process_->stop(SIGTERM, kStartLimitMs);
}

std::string Server::machine_directory() const { return machine_of(directory_.path()); }

void Server::require_alive() {
  if (!process_->running()) {
    throw BenchError("the daemon died; its log ends with:\n" + tail_of(directory_.path() / "log"));
  }
}

}  // namespace vxs::bench
