// What bad clients can do to others and to memory. An instrumented build does the same and leaves
// out what times and sizes mean nothing there. VXS_BARS=1 asks for the bar of times itself instead
// of ten times as much.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <random>

#include "tests/conformance/fixture.hh"

namespace vxs::conformance {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

#if defined(VXS_ASAN) || defined(VXS_TSAN)
constexpr bool kMeasures = false;
#else
constexpr bool kMeasures = true;
#endif

constexpr int kBadClients = 62;
constexpr std::size_t kMiB = 1 << 20;

std::size_t resident_bytes(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/statm");
  std::size_t size = 0;
  std::size_t resident = 0;
  file >> size >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

/// CPU the process used, in clock ticks.
long cpu_ticks(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string word;
  long user = 0;
  long system = 0;
  for (int field = 1; field <= 13; ++field) file >> word;
  file >> user >> system;
  return user + system;
}

std::string reads_of(const std::string& path, int count) {
  std::string bytes;
  for (int i = 0; i < count; ++i) bytes += encode({kRead, 9, 0, zstrings({path})});
  return bytes;
}

/// Sends what goes in now. False if the peer is gone.
bool push(Client& client, std::string_view bytes, std::size_t& sent) {
  while (sent < bytes.size()) {
    const ssize_t count =
        ::send(client.fd(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count <= 0) return errno == EAGAIN;
    sent += static_cast<std::size_t>(count);
  }
  return true;
}

/// Reads and forgets what is there.
void discard(Client& client) {
  char buffer[65536];
  while (::recv(client.fd(), buffer, sizeof buffer, MSG_DONTWAIT) > 0) {
  }
}

/// How long a thread was ready to run and did not, in its life.
microseconds waited_for_cpu(const std::string& task) {
  std::ifstream file("/proc/" + task + "/schedstat");
  long on_cpu = 0;
  long waited = 0;
  file >> on_cpu >> waited;
  return microseconds(waited / 1000);
}

struct Latency {
  microseconds p99{};      ///< as the client sees it
  microseconds p99_own{};  ///< without the time in which either side waited for a processor
};

/// A daemon that is kept busy loses its processor to whatever else runs on the machine; that is
/// the scheduler's doing, and p99_own leaves it out.
Latency latency_of_reads(Client& client, pid_t daemon, const std::string& path, int count) {
  const std::string server = std::to_string(daemon);
  std::vector<microseconds> times;
  std::vector<microseconds> own;
  for (int i = 0; i < count; ++i) {
    const auto server_before = waited_for_cpu(server);
    const auto self_before = waited_for_cpu("thread-self");
    const auto begin = steady_clock::now();
    EXPECT_EQ(client.read(path), "value");
    const auto took = std::chrono::duration_cast<microseconds>(steady_clock::now() - begin);
    const auto waited =
        waited_for_cpu(server) - server_before + waited_for_cpu("thread-self") - self_before;
    times.push_back(took);
    own.push_back(std::max(took - waited, microseconds(0)));
  }
  const auto p99 = [](std::vector<microseconds>& all) {
    std::sort(all.begin(), all.end());
    return all[all.size() * 99 / 100];
  };
  return {.p99 = p99(times), .p99_own = p99(own)};
}

/// A third stalls with full buffers, a third stops in the middle of a message, a third floods:
/// pipelined requests as fast as they go, and headers of garbage.
class BadClients {
 public:
  BadClients(const std::string& socket_path, const std::string& large) : socket_path_(socket_path) {
    const std::string stall = reads_of(large, 2000);
    for (int i = 0; i < kBadClients; ++i) {
      Client client(socket_path);
      std::size_t sent = 0;
      if (i % 3 == 0) {
        for (int k = 0; k < 20; ++k) {
          push(client, stall, sent);
          std::this_thread::sleep_for(milliseconds(1));
        }
        stalled_.push_back(std::move(client));
      } else if (i % 3 == 1) {
        const std::string half = encode({kWrite, 1, 0, std::string(4096, 'x')});
        push(client, std::string_view(half).substr(0, i % 2 == 0 ? 11 : 4000), sent);
        stalled_.push_back(std::move(client));
      } else {
        flooding_.push_back(std::move(client));
      }
    }
    thread_ = std::thread([this, large] { flood(large); });
  }
  ~BadClients() {
    stop_ = true;
    thread_.join();
  }
  BadClients(const BadClients&) = delete;
  BadClients& operator=(const BadClients&) = delete;

 private:
  void flood(const std::string& large) {
    std::string requests = reads_of(large, 50);
    for (int i = 0; i < 200; ++i) requests += encode({kWrite, 1, 0, zstrings({"/flood"}) + "x"});
    for (int i = 0; i < 200; ++i) requests += encode({kDirectory, 1, 0, zstrings({"//bad"})});
    std::vector<std::size_t> sent(flooding_.size(), 0);
    std::mt19937 random(7);
    while (!stop_) {
      for (std::size_t i = 1; i < flooding_.size(); ++i) {
        if (sent[i] == requests.size()) sent[i] = 0;
        push(flooding_[i], requests, sent[i]);
        discard(flooding_[i]);
      }
      // The first one is thrown out for its header every time, and comes back.
      std::string garbage(512, '\0');
      for (char& byte : garbage) byte = static_cast<char>(random());
      std::size_t all = 0;
      push(flooding_[0], garbage, all);
      flooding_[0] = Client(socket_path_);
    }
  }

  std::string socket_path_;
  std::vector<Client> stalled_;
  std::vector<Client> flooding_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

class Limits : public Conformance {};

TEST_F(Limits, J14_BadClientsCostOthersLittleTimeAndTheDaemonLittleMemory) {
  Client client = connect();
  ASSERT_EQ(client.write(at(), "value"), kOk);
  ASSERT_EQ(client.write(at("/large"), std::string(4000, 'v')), kOk);
  const Latency alone = latency_of_reads(client, daemon().pid(), at(), 3000);
  const std::size_t before = resident_bytes(daemon().pid());

  Latency crowded;
  std::size_t after = 0;
  {
    const BadClients bad(daemon().socket_path(), at("/large"));
    crowded = latency_of_reads(client, daemon().pid(), at(), 3000);
    after = resident_bytes(daemon().pid());
  }
  std::printf(
      "p99 alone %ld us (own %ld), beside %d bad clients %ld us (own %ld); memory %+ld KiB\n",
      static_cast<long>(alone.p99.count()), static_cast<long>(alone.p99_own.count()), kBadClients,
      static_cast<long>(crowded.p99.count()), static_cast<long>(crowded.p99_own.count()),
      (static_cast<long>(after) - static_cast<long>(before)) / 1024);
  EXPECT_EQ(client.control({"check"}), "OK");
  if (!kMeasures) return;
  const int factor = getenv("VXS_BARS") != nullptr ? 10 : 100;
  EXPECT_LE(crowded.p99_own.count(), factor * std::max<long>(alone.p99_own.count(), 10));
  EXPECT_LE(after, before + 2 * kMiB * kBadClients);
}

TEST_F(Limits, J14_AClientWith256KiBUnsentIsNoLongerRead) {
  Client client = connect();
  ASSERT_EQ(client.write(at(), std::string(4000, 'v')), kOk);
  Client stalled = connect();
  // Far more replies than the daemon and the socket hold, then a request whose effect shows.
  const int reads = 600;
  stalled.send_bytes(reads_of(at(), reads) + encode({kMkdir, 1, 0, zstrings({at("/mark")})}));
  std::this_thread::sleep_for(milliseconds(300));
  EXPECT_EQ(client.read(at("/mark")), "!ENOENT");
  for (int i = 0; i < reads; ++i) ASSERT_EQ(stalled.reply().payload.size(), 4000U) << i;
  EXPECT_EQ(stalled.reply().payload, kOk);
  EXPECT_EQ(client.read(at("/mark")), "");
}

TEST_F(Limits, J14_StalledClientsTakeAtMostTwoMiBEach) {
  Client client = connect();
  ASSERT_EQ(client.write(at(), std::string(4000, 'v')), kOk);
  const std::size_t before = resident_bytes(daemon().pid());
  std::vector<Client> stalled;
  for (int i = 0; i < 100; ++i) {
    stalled.push_back(connect());
    stalled.back().send_bytes(reads_of(at(), 600));
  }
  std::this_thread::sleep_for(milliseconds(300));
  (void)client.list("/");
  const std::size_t after = resident_bytes(daemon().pid());
  std::printf("%ld KiB per stalled client\n",
              (static_cast<long>(after) - static_cast<long>(before)) / 1024 / 100);
  if (kMeasures) {
    EXPECT_LE(after, before + 100 * 2 * kMiB);
  }
  for (Client& one : stalled) {
    for (int i = 0; i < 600; ++i) ASSERT_EQ(one.reply().payload.size(), 4000U) << i;
  }
}

TEST_F(Limits, J14_SixteenMiBOfUnreadEventsCloseTheWatcherAndAreLogged) {
  Client client = connect();
  Client watcher = connect();
  ASSERT_EQ(watcher.watch(at(), std::string(3900, 't')), kOk);
  std::string writes;
  const int count = 6000;
  for (std::uint32_t i = 0; i < count; ++i) {
    writes += encode({kMkdir, i, 0, zstrings({at("/") + std::to_string(i)})});
  }
  client.send_bytes(writes);
  for (int i = 0; i < count; ++i) ASSERT_EQ(client.reply().payload, kOk);
  EXPECT_TRUE(watcher.closed_by_peer(seconds(10)));
  EXPECT_TRUE(eventually([] { return logged("of watch events unread"); }));
  EXPECT_EQ(status(client, "watches"), "0");
}

TEST_F(Limits, J14_FewerUnreadEventsAreAllDeliveredThoughSentInParts) {
  Client client = connect();
  Client watcher = connect();
  ASSERT_EQ(watcher.watch(at(), std::string(3900, 't')), kOk);
  std::string writes;
  const std::uint32_t count = 3500;
  for (std::uint32_t i = 0; i < count; ++i) {
    writes += encode({kMkdir, i, 0, zstrings({at("/") + std::to_string(i)})});
  }
  client.send_bytes(writes);
  for (std::uint32_t i = 0; i < count; ++i) ASSERT_EQ(client.reply().payload, kOk);
  EXPECT_EQ(watcher.drain().size(), count);
}

TEST_F(Limits, J16_J20_J22_RandomBytesKillNobody) {
  std::mt19937 random(42);
  const auto below = [&random](std::size_t limit) {
    return static_cast<std::uint32_t>(random() % limit);
  };
  Client other = connect();
  ASSERT_EQ(other.watch("/", "t"), kOk);
  for (int round = 0; round < 300; ++round) {
    Client client = connect();
    std::string bytes;
    for (int frame = 0; frame < 20; ++frame) {
      std::string payload(below(60), '\0');
      for (char& byte : payload) {
        constexpr std::string_view kLikely("/aT0n\0\0", 7);
        byte = below(4) != 0 ? kLikely[below(kLikely.size())] : static_cast<char>(below(256));
      }
      bytes += encode({below(30), below(1000), below(3), payload});
    }
    bytes.resize(bytes.size() - below(40));
    try {
      client.send_bytes(bytes);
    } catch (const WireError&) {
      continue;  // closed for a header
    }
    if (round % 2 == 0) discard(client);
    if (round % 10 == 0) (void)other.drain();
  }
  (void)other.drain();
  EXPECT_EQ(other.control({"check"}), "OK");
}

/// A daemon with room for few more than fifty clients.
class DescriptorLimit : public testing::Test {
 protected:
  ~DescriptorLimit() override {
    if (HasFailure()) std::printf("the daemon's log:\n%s\n", daemon.output().c_str());
  }

  [[nodiscard]] int shortages_logged() const {
    const std::string log = daemon.output();
    int count = 0;
    for (auto at = log.find(kShortage); at != std::string::npos; at = log.find(kShortage, at + 1)) {
      ++count;
    }
    return count;
  }

  static constexpr std::string_view kShortage = "cannot accept a client";
  VxenstoredProcess daemon{
      {.parent_dir = "/dev/shm", .wrapper = {"/usr/bin/prlimit", "--nofile=64:64"}}};
};

TEST_F(DescriptorLimit, AcceptBacksOffWithoutDescriptorsAndRecovers) {
  std::vector<Client> clients;
  for (int i = 0; i < 100; ++i) clients.emplace_back(daemon.socket_path());
  EXPECT_EQ(clients[0].write("/a", "v"), kOk);
  EXPECT_EQ(clients[0].read("/a"), "v");
  EXPECT_THROW(
      {
        clients[99].send({kRead, 1, 0, zstrings({"/a"})});
        if (!clients[99].receive(milliseconds(300))) throw WireError("not accepted yet");
      },
      WireError);
  const long before = cpu_ticks(daemon.pid());
  std::this_thread::sleep_for(milliseconds(500));
  EXPECT_LE(cpu_ticks(daemon.pid()) - before, 20) << "it waits and does not spin";
  EXPECT_EQ(shortages_logged(), 1);
  EXPECT_EQ(clients[0].read("/a"), "v");

  clients.erase(clients.begin() + 1, clients.begin() + 70);
  for (std::size_t i = 1; i + 1 < clients.size(); ++i) EXPECT_EQ(clients[i].read("/a"), "v") << i;
  EXPECT_EQ(clients.back().receive()->payload, "v") << "the request it sent while it waited";
  EXPECT_EQ(clients.back().write("/b", "w"), kOk);
}

TEST_F(DescriptorLimit, AShortageIsLoggedOnceHoweverOftenAcceptingIsTriedAndThenTheNext) {
  for (int shortage = 1; shortage <= 2; ++shortage) {
    std::vector<Client> clients;
    for (int i = 0; i < 100; ++i) clients.emplace_back(daemon.socket_path());
    std::this_thread::sleep_for(milliseconds(700));  // seven tries
    EXPECT_EQ(shortages_logged(), shortage);
    clients.clear();
    // The queue is found empty: who comes then is alone.
    for (int i = 0; i < 2; ++i) EXPECT_EQ(Client(daemon.socket_path()).list("/nowhere"), "!ENOENT");
  }
}

}  // namespace
}  // namespace vxs::conformance
