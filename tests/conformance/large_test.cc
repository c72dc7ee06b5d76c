// Large directories and deep paths are unremarkable.
#include <algorithm>

#include "tests/conformance/fixture.hh"

namespace vxs::conformance {
namespace {

using std::chrono::steady_clock;

constexpr std::uint32_t kChildren = 100'000;

class Large : public Conformance {
 protected:
  /// Seconds that `count` requests made by `make(i)` take, pipelined in pieces.
  template <typename Make>
  static double timed(Client& client, std::uint32_t count, Make make) {
    const auto begin = steady_clock::now();
    constexpr std::uint32_t kPiece = 1000;
    for (std::uint32_t done = 0; done < count; done += kPiece) {
      std::string bytes;
      const std::uint32_t now = std::min(kPiece, count - done);
      for (std::uint32_t i = 0; i < now; ++i) bytes += encode(make(done + i));
      client.send_bytes(bytes);
      for (std::uint32_t i = 0; i < now; ++i) {
        const Frame reply = client.reply();
        EXPECT_FALSE(reply.is_error()) << reply.error();
      }
    }
    return std::chrono::duration<double>(steady_clock::now() - begin).count();
  }

  static double create(Client& client, const std::string& parent, std::uint32_t first,
                       std::uint32_t count) {
    return timed(client, count, [&](std::uint32_t i) {
      return Frame{kWrite, i, 0, zstrings({parent + "/" + std::to_string(first + i)}) + "v"};
    });
  }

  /// The list by DIRECTORY_PART; how many requests it took in `requests`.
  static std::string list_all(Client& client, const std::string& path, int& requests,
                              std::uint32_t tx = 0) {
    std::string names;
    std::string generation;
    for (requests = 1;; ++requests) {
      const std::string reply = client.ask(
          kDirectoryPart, std::string_view(zstrings({path, std::to_string(names.size())})), tx);
      const auto start = reply.find('\0') + 1;
      if (requests == 1) generation = reply.substr(0, start);
      EXPECT_EQ(reply.substr(0, start), generation);
      names += reply.substr(start);
      const bool end = reply.size() == start + 1 || reply.ends_with(std::string_view("\0\0", 2));
      if (end || reply.starts_with('!') || requests > 1000) break;
    }
    names.pop_back();
    return names;
  }
};

TEST_F(Large, B5_B6_AHundredThousandChildren) {
  Client client = connect();
  const double few = create(client, at("/few"), 0, 2000);
  const double first = create(client, at("/many"), 0, kChildren - 2000);
  const double last = create(client, at("/many"), kChildren - 2000, 2000);
  std::printf("%.1f us per child at first, %.1f us behind %u\n", few / 2000 * 1e6,
              last / 2000 * 1e6, kChildren);
  EXPECT_LT(last, 20 * few + 0.5) << "cost of one more child grows with their number";
  EXPECT_LT(first, 30.0);

  EXPECT_EQ(client.ask(kDirectory, {at("/many")}), "!E2BIG");
  std::string expected;
  for (std::uint32_t i = 0; i < kChildren; ++i) expected += std::to_string(i) + '\0';
  int requests = 0;
  const auto begin = steady_clock::now();
  EXPECT_TRUE(list_all(client, at("/many"), requests) == expected);
  const double took = std::chrono::duration<double>(steady_clock::now() - begin).count();
  std::printf("listed by %d DIRECTORY_PART in %.0f ms\n", requests, took * 1e3);
  EXPECT_LT(requests, 200);
  EXPECT_LT(took, 10.0);

  // A transaction sees the same, and one child of the middle goes and comes back at the end.
  const std::uint32_t tx = client.start();
  ASSERT_EQ(client.rm(at("/many/50000"), tx), kOk);
  ASSERT_EQ(client.write(at("/many/50000"), "again", tx), kOk);
  const std::string moved = list_all(client, at("/many"), requests, tx);
  EXPECT_EQ(moved.size(), expected.size());
  EXPECT_TRUE(moved.ends_with(std::string_view("99999\00050000\0", 12)));
  EXPECT_EQ(client.commit(tx), kOk);
  EXPECT_EQ(client.read(at("/many/50000")), "again");

  ASSERT_EQ(client.watch(at("/many/77777"), "t"), kOk);
  ASSERT_EQ(client.rm(at("/many")), kOk);
  EXPECT_THAT(client.heard(), ElementsAre(at("/many/77777")));
  EXPECT_EQ(client.list(at()), "few");
  EXPECT_EQ(client.control({"check"}), "OK");
}

TEST_F(Large, J18_XSA418_APathOfAThousandComponents) {
  Client client = connect();
  std::string path;
  for (int i = 0; i < 1500; ++i) path += i % 2 == 0 ? "/a" : "/b";
  ASSERT_EQ(path.size(), 3000U);
  const std::string thousand = path.substr(0, 2000);
  ASSERT_EQ(client.write(thousand, "deep"), kOk);
  EXPECT_EQ(client.read(thousand), "deep");
  ASSERT_EQ(client.write(path, "deeper"), kOk);
  EXPECT_EQ(client.list(thousand), "a");
  EXPECT_EQ(client.perms(path), "n0");
  ASSERT_EQ(client.watch(path, "t"), kOk);
  ASSERT_EQ(client.watch("/a", "t", "999"), kOk);
  ASSERT_EQ(client.write(thousand, "x"), kOk);
  EXPECT_THAT(client.heard(), ElementsAre(thousand));
  const std::uint32_t tx = client.start();
  ASSERT_EQ(client.write(path, "in a transaction", tx), kOk);
  ASSERT_EQ(client.rm(thousand, tx), kOk);
  ASSERT_EQ(client.abort(tx), kOk);
  EXPECT_EQ(client.control({"check"}), "OK");
  ASSERT_EQ(client.rm("/a"), kOk);
  EXPECT_THAT(client.heard(), ElementsAre(path, "/a"));
  EXPECT_EQ(client.read(thousand), "!ENOENT");
}

TEST_F(Large, B5_ALargeDirectorySurvivesARestart) {
  VxenstoredProcess other({.parent_dir = "/dev/shm"});
  std::string path;
  for (int i = 0; i < 1000; ++i) path += "/d";
  {
    Client client(other.socket_path());
    create(client, "/many", 0, 20'000);
    ASSERT_EQ(client.write(path, "deep"), kOk);
  }
  other.restart();
  Client client(other.socket_path());
  int requests = 0;
  const std::string names = list_all(client, "/many", requests);
  EXPECT_EQ(std::count(names.begin(), names.end(), '\0'), 20'000);
  EXPECT_EQ(client.read("/many/19999"), "v");
  EXPECT_EQ(client.read(path), "deep");
}

}  // namespace
}  // namespace vxs::conformance
