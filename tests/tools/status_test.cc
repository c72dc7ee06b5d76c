#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <array>
#include <cstring>
#include <filesystem>
#include <thread>

#include "tests/tools/fixture.hh"

namespace vxs::test {
namespace {

using testing::HasSubstr;

/// A daemon that answers one request: the frame's type and payload, then the reply given.
class OneAnswer {
 public:
  OneAnswer(const std::string& path, std::uint32_t reply_type, std::string reply)
      : reply_type_(reply_type), reply_(std::move(reply)) {
    listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    listen(listener_, 1);
    thread_ = std::thread([this] { serve(); });
  }
  ~OneAnswer() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  OneAnswer(const OneAnswer&) = delete;
  OneAnswer& operator=(const OneAnswer&) = delete;

  /// What was asked; to be read after vxs ended.
  std::array<std::uint32_t, 4> header{};
  std::string payload;

 private:
  void serve() {
    const int peer = accept(listener_, nullptr, nullptr);
    if (peer < 0) return;
    if (recv(peer, header.data(), 16, MSG_WAITALL) == 16) {
      payload.resize(header[3]);
      const ssize_t got = recv(peer, payload.data(), payload.size(), MSG_WAITALL);
      const std::array<std::uint32_t, 4> answer{reply_type_, header[1], header[2],
                                                static_cast<std::uint32_t>(reply_.size())};
      if (got >= 0 && send(peer, answer.data(), 16, MSG_NOSIGNAL) == 16) {
        (void)!send(peer, reply_.data(), reply_.size(), MSG_NOSIGNAL);
      }
    }
    close(peer);
  }

  int listener_ = -1;
  std::uint32_t reply_type_;
  std::string reply_;
  std::thread thread_;
};

class StatusTest : public SampleTest {
 protected:
  StatusTest() { std::filesystem::create_directory(dir_.path() + "/run"); }
  [[nodiscard]] std::string socket_path() const { return dir_.path() + "/run/socket"; }
};

TEST_F(StatusTest, WithoutADaemonSaysSoAndShowsTheRest) {
  const Outcome run = vxs({"status"});
  EXPECT_EQ(run.exit_code, 1) << run.err;
  EXPECT_THAT(run.out, HasSubstr("no daemon answers at " + socket_path()));
  EXPECT_THAT(run.out, HasSubstr("  seq:                  11\n"));
  EXPECT_THAT(run.out, HasSubstr("  failed transactions:  1\n"));
}

TEST_F(StatusTest, PrintsWhateverTheDaemonSaysOfItself) {
  OneAnswer daemon(socket_path(), 0,
                   std::string("seq: 15\nlag: 0.2 s\nweird key: \x1b[31m\n\0", 38));
  const Outcome run = vxs({"status"});
  EXPECT_EQ(run.exit_code, 0) << run.out;
  EXPECT_EQ(daemon.header[0], 0u);  // CONTROL
  EXPECT_EQ(daemon.payload, std::string("vxs-status\0", 11));
  EXPECT_THAT(run.out, HasSubstr("  lag:                  0.2 s\n"));
  EXPECT_THAT(run.out, HasSubstr("  weird key:            \\x1b[31m\n"));
}

TEST_F(StatusTest, JsonIsOneObjectWithThreeParts) {
  OneAnswer daemon(socket_path(), 0, std::string("seq: 15\n\0", 9));
  const auto all = objects(vxs({"status", "--json"}).out);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0]["daemon"]["seq"], "15");
  EXPECT_EQ(all[0]["history"]["seq"], "11");
  EXPECT_TRUE(all[0]["journal"].contains("directory"));
}

TEST_F(StatusTest, AnotherXenstoredIsNamedAsSuch) {
  OneAnswer daemon(socket_path(), 16, std::string("EINVAL\0", 7));
  const Outcome run = vxs({"status"});
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.out, HasSubstr("is no vxenstored"));
}

}  // namespace
}  // namespace vxs::test
