// A server of a wire area's connections is killed at random instants, a successor goes on, and the
// peers notice nothing. VXS_WIRE_KILLS says how often.
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "tests/daemon/wire_area/peer.hh"
#include "tests/daemon/wire_area/support.hh"

namespace vxs::daemon::test {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kConnections = 4;

class WireKill : public testing::Test {
 protected:
  void SetUp() override {
    auto area = make_area();
    area_.reset(::dup(area->fd()));
    for (std::uint64_t id = 0; id < kConnections; ++id) {
      Pair pair = make_pair();
      if (id >= 2) {  // little fits at once: replies leave in parts
        const int size = 6000;
        ASSERT_EQ(::setsockopt(pair.ours.get(), SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
      }
      sockets_.push_back(pair.ours.get());
      ours_.push_back(std::move(pair.ours));
      peers_.emplace_back(std::move(pair.peer), id);
      ASSERT_TRUE(area->open_slot({.connection = id, .descriptor = id, .peer = {}}).has_value());
    }
  }
  pid_t start(std::uint64_t seed) {
    const pid_t child = ::fork();
    if (child != 0) return child;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const std::string wrong = Echo(area_.get(), sockets_, seed).run();
    std::fprintf(stderr, "echo: %s\n", wrong.c_str());
    ::_exit(3);
  }
  /// Lets a server live for `life`, counted from when it has adopted the area or, if `early`, from
  /// its birth. If not `ask`, only until all is answered. False: something was wrong.
  bool live(std::uint64_t seed, Clock::duration life, bool early, bool ask) {
    const RawArea raw(area_.get());
    const std::uint64_t before = raw.header().restarts;
    const pid_t child = start(seed);
    bool good = child > 0;
    bool counting = early;
    const auto born = Clock::now();
    auto until = born + (early ? life : std::chrono::seconds(30));
    while (good && Clock::now() < until && (ask || waits())) {
      for (Peer& peer : peers_) good = good && peer.pump(random_, ask);
      if (counting || raw.header().restarts == before) continue;
      counting = true;
      until = Clock::now() + life;
    }
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    for (const Peer& peer : peers_) EXPECT_EQ(peer.problem(), "");
    EXPECT_TRUE(WIFSIGNALED(status)) << "the server found something wrong";
    return good && WIFSIGNALED(status);
  }
  bool waits() const {
    for (const Peer& peer : peers_) {
      if (peer.waits()) return true;
    }
    return false;
  }
  /// Counts kills between a system call and its note.
  void look() {
    const RawArea raw(area_.get());
    for (std::uint32_t index = 0; index < kConnections; ++index) {
      const auto& control = raw.control(index);
      int left = 0;
      socklen_t length = sizeof left;
      ::getsockopt(sockets_[control.descriptor], SOL_SOCKET, SO_PEEK_OFF, &left, &length);
      if (control.in_counter != 0 &&
          control.in_counter - static_cast<unsigned>(left) != control.in_end) {
        ++received_unnoted_;
      }
      if (control.send_at == control.out_sent && control.send.msg_len > 0) ++sent_unnoted_;
    }
  }

  process::Descriptor area_;
  std::vector<process::Descriptor> ours_;
  std::vector<int> sockets_;
  std::vector<Peer> peers_;
  std::mt19937_64 random_{20261122};
  int received_unnoted_ = 0;
  int sent_unnoted_ = 0;
};

TEST_F(WireKill, NoByteIsLostDoubledOrReorderedAtAnyKill) {
  const char* wanted = std::getenv("VXS_WIRE_KILLS");
  const int kills = wanted != nullptr ? std::atoi(wanted) : 200;
  for (int i = 0; i < kills; ++i) {
    const auto life = std::chrono::microseconds(i % 50 == 0 ? 30'000 : random_() % 3000);
    ASSERT_TRUE(live(random_(), life, i % 8 == 0, true)) << "at kill " << i;
    look();
  }
  // The last one answers all that is left.
  ASSERT_TRUE(live(random_(), std::chrono::seconds(60), false, false));
  EXPECT_FALSE(waits());
  std::uint64_t answered = 0;
  for (const Peer& peer : peers_) answered += peer.answered();
  std::printf("%d kills, %llu requests; killed after a receive %d times, after a send %d times\n",
              kills, static_cast<unsigned long long>(answered), received_unnoted_, sent_unnoted_);
  EXPECT_GT(answered, static_cast<std::uint64_t>(kills));
}

}  // namespace
}  // namespace vxs::daemon::test
