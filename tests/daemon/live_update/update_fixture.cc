#include "tests/daemon/live_update/update_fixture.hh"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

namespace vxs::test {
namespace {

std::string build_dir() { return std::getenv("VXS_BUILD_DIR"); }

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

support::Command control(const std::string& rundir, const std::vector<std::string>& words,
                         const std::string& output) {
  support::Command command;
  command.argv = {"/usr/lib/xen-4.17/bin/xenstore-control", "live-update"};
  command.argv.insert(command.argv.end(), words.begin(), words.end());
  command.env["XENSTORED_RUNDIR"] = rundir;
  command.unset = {"XENSTORED_PATH"};
  command.output = output;
  return command;
}

support::VxenstoredOptions supervised(std::vector<std::string> more, const std::string& parent,
                                      const std::string& machine) {
  support::VxenstoredOptions options;
  options.wrapper = {build_dir() + "/daemon/vxenstored-supervise", "--backoff-max", "20", "--"};
  options.parent_dir = parent;
  options.args = std::move(more);
  options.machine = machine;
  return options;
}

}  // namespace

Asking::Asking(const std::string& rundir, const std::vector<std::string>& words)
    : output_(rundir + "/control-output"), process_(control(rundir, words, output_)) {}

int Asking::end(std::chrono::milliseconds patience) {
  const auto status = process_.wait(patience);
  return status && WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
}

std::string Asking::output() const { return text_of(output_); }

LiveUpdate::LiveUpdate(std::vector<std::string> more, const std::string& parent,
                       const std::string& machine)
    : supervisor(supervised(std::move(more), parent, machine)) {}

LiveUpdate::~LiveUpdate() {
  if (supervisor.terminate(10s)) return;
  // One whose supervisor is killed starts another.
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string pid = entry.path().filename().string();
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    if (text_of(entry.path() / "cmdline").find(supervisor.dir() + "/") != std::string::npos) {
      ::kill(static_cast<pid_t>(std::stol(pid)), SIGKILL);
    }
  }
}

void LiveUpdate::TearDown() {
  if (HasFailure()) std::printf("the daemons said:\n%s\n", supervisor.output().c_str());
}

bool LiveUpdate::eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 3000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

pid_t LiveUpdate::daemon() const {
  const std::string pid = std::to_string(supervisor.pid());
  pid_t first = 0;
  eventually([&] {
    std::ifstream children("/proc/" + pid + "/task/" + pid + "/children");
    return static_cast<bool>(children >> first);
  });
  return first;
}

std::vector<pid_t> LiveUpdate::children() const {
  const std::string pid = std::to_string(supervisor.pid());
  std::ifstream file("/proc/" + pid + "/task/" + pid + "/children");
  return {std::istream_iterator<pid_t>(file), std::istream_iterator<pid_t>()};
}

std::string LiveUpdate::program() const {
  std::error_code ignored;
  return std::filesystem::read_symlink("/proc/" + std::to_string(daemon()) + "/exe", ignored);
}

void LiveUpdate::kill_daemon() const {
  const pid_t pid = daemon();
  if (::kill(pid, SIGKILL) != 0) return;
  while (::kill(pid, 0) == 0) std::this_thread::sleep_for(1ms);
}

std::string LiveUpdate::copy_of_ours(const std::string& name) const {
  const std::string copy = supervisor.dir() + "/" + name;
  std::filesystem::copy_file(build_dir() + "/daemon/vxenstored", copy);
  return copy;
}

void LiveUpdate::let_dummy(const std::string& mode) const {
  std::ofstream(supervisor.dir() + "/update-mode") << mode << "\n";
}

std::string LiveUpdate::dummy() { return build_dir() + "/tests/daemon/live_update/update_dummy"; }

LiveUpdate::Result LiveUpdate::update(std::vector<std::string> words) const {
  Asking asking(supervisor.dir(), words);
  Result result;
  result.code = asking.end();
  result.output = asking.output();
  return result;
}

void LiveUpdate::expect_the_old_one_goes_on(pid_t before) {
  EXPECT_NE(program().find("/daemon/vxenstored"), std::string::npos) << program();
  EXPECT_NE(daemon(), before) << "it was started again";
  WireClient later = client();
  EXPECT_EQ(write(later, "/after", "1"), "");
}

std::string LiveUpdate::write(FrameClient& client, std::string_view path, std::string_view value,
                              std::uint32_t tx) {
  return client.call(support::kWrite, zstrings({path}) + std::string(value), tx).error();
}

std::string LiveUpdate::read(FrameClient& client, std::string_view path, std::uint32_t tx) {
  const auto reply = client.call(support::kRead, zstrings({path}), tx);
  return reply.is_error() ? reply.error() : reply.payload;
}

std::uint32_t LiveUpdate::begin(FrameClient& client) {
  return static_cast<std::uint32_t>(
      std::stoul(client.call(support::kTransactionStart, zstrings({""})).payload));
}

std::string LiveUpdate::commit(FrameClient& client, std::uint32_t tx) {
  return client.call(support::kTransactionEnd, zstrings({"T"}), tx).error();
}

}  // namespace vxs::test
