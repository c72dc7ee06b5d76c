#include "tests/daemon/swap/stock_host.hh"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

namespace vxs::test {

using support::WireClient;
using support::zstrings;

StockHost::StockHost() : stock_(support::StockDaemon::start_c(dir_.path(), "", machine_.dir())) {}

// One whose supervisor is killed starts another: everything that runs in our directory has to end.
StockHost::~StockHost() {
  stock_.process().signal(SIGTERM);
  (void)stock_.process().wait(std::chrono::seconds(10));
  for (int round = 0; round < 1000; ++round) {
    const auto left = processes();
    if (left.empty()) return;
    for (const pid_t pid : left) ::kill(pid, SIGKILL);
  }
}

std::vector<pid_t> StockHost::processes() const {
  std::vector<pid_t> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string pid = entry.path().filename().string();
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    // It may end meanwhile, and an iterator over the file would throw then.
    std::ifstream file(entry.path() / "cmdline");
    std::ostringstream command;
    command << file.rdbuf();
    if (command.str().find(dir_.path() + "/") != std::string::npos) {
      found.push_back(static_cast<pid_t>(std::stol(pid)));
    }
  }
  return found;
}

std::string StockHost::our_binary() {
  return std::string(std::getenv("VXS_BUILD_DIR")) + "/daemon/vxenstored";
}

std::string StockHost::control(WireClient& client, std::vector<std::string> words) {
  std::string payload = zstrings({"live-update"});
  for (const std::string& word : words) payload += zstrings({word});
  client.send({.type = support::kControl, .req_id = 0, .tx_id = 0, .payload = payload});
  const auto reply = client.reply(std::chrono::seconds(30));
  std::string text = reply.is_error() ? reply.error() : reply.payload;
  while (text.ends_with('\0') || text.ends_with('\n')) text.pop_back();
  return text;
}

std::string StockHost::live_update(WireClient& client, const std::string& binary,
                                   const std::vector<std::string>& start) {
  if (const auto answer = control(client, {"-f", binary}); answer != "OK") return answer;
  std::vector<std::string> words{"-s"};
  words.insert(words.end(), start.begin(), start.end());
  return control(client, words);
}

std::string StockHost::output() const {
  std::ifstream file(dir_.path() + "/output");
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace vxs::test
