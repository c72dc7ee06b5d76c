#include "tests/daemon/swap/swap_fixture.hh"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>

namespace vxs::test {

using support::FakeGuest;
using support::FrameClient;
using support::WireClient;
using support::zstrings;

SwapFixture::SwapFixture()
    : stock_(support::StockDaemon::start_c(dir_.path(), "", machine_.dir())) {}

// One whose supervisor is killed starts another: everything that runs in our directory has to end.
SwapFixture::~SwapFixture() {
  stock_.process().signal(SIGTERM);
  if (stock_.process().wait(std::chrono::seconds(10))) return;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string pid = entry.path().filename().string();
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream file(entry.path() / "cmdline");
    const std::string command{std::istreambuf_iterator<char>(file), {}};
    if (command.find(dir_.path() + "/") != std::string::npos) {
      ::kill(static_cast<pid_t>(std::stol(pid)), SIGKILL);
    }
  }
}

void SwapFixture::TearDown() {
  if (HasFailure()) std::printf("the daemons said:\n%s\n", output().c_str());
}

std::string SwapFixture::our_binary() {
  return std::string(std::getenv("VXS_BUILD_DIR")) + "/daemon/vxenstored";
}

FakeGuest SwapFixture::guest(std::uint32_t domid) {
  machine_.create_domain(domid);
  FakeGuest guest(machine_.machine(), domid);
  WireClient dom0 = client();
  const std::string home = "/local/domain/" + std::to_string(domid);
  dom0.call(support::kMkdir, zstrings({home}));
  dom0.call(support::kSetPerms, zstrings({home, "n" + std::to_string(domid)}));
  EXPECT_EQ(write(dom0, home + "/store/port", std::to_string(guest.port())), "");
  EXPECT_EQ(dom0.call(support::kIntroduce, guest.introduction()).payload, zstrings({"OK"}));
  return guest;
}

std::string SwapFixture::control(WireClient& client, std::vector<std::string> words) {
  std::string payload = zstrings({"live-update"});
  for (const std::string& word : words) payload += zstrings({word});
  client.send({.type = support::kControl, .req_id = 0, .tx_id = 0, .payload = payload});
  const auto reply = client.reply(std::chrono::seconds(30));
  std::string text = reply.is_error() ? reply.error() : reply.payload;
  while (text.ends_with('\0') || text.ends_with('\n')) text.pop_back();
  return text;
}

std::string SwapFixture::live_update(WireClient& client, const std::string& binary,
                                     const std::vector<std::string>& start) {
  if (const auto answer = control(client, {"-f", binary}); answer != "OK") return answer;
  std::vector<std::string> words{"-s"};
  words.insert(words.end(), start.begin(), start.end());
  return control(client, words);
}

std::string SwapFixture::program() const {
  return std::filesystem::read_symlink("/proc/" + std::to_string(pid()) + "/exe").string();
}

std::vector<pid_t> SwapFixture::children() const {
  const std::string name = std::to_string(pid());
  std::ifstream file("/proc/" + name + "/task/" + name + "/children");
  return {std::istream_iterator<pid_t>(file), {}};
}

std::string SwapFixture::output() const {
  std::ifstream file(dir_.path() + "/output");
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string SwapFixture::write(FrameClient& client, std::string_view path, std::string_view value,
                               std::uint32_t tx) {
  return client.call(support::kWrite, zstrings({path}) + std::string(value), tx).error();
}

std::string SwapFixture::read(FrameClient& client, std::string_view path, std::uint32_t tx) {
  const auto reply = client.call(support::kRead, zstrings({path}), tx);
  return reply.is_error() ? reply.error() : reply.payload;
}

}  // namespace vxs::test
