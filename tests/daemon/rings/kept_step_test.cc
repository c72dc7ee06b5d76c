// Rings that outlive the daemon, at single instructions: a child serves them one instruction at a
// time, and after each that changes page or wire area a successor takes up copies of what there
// is, as if the child had died there, and the guests get on with it.
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <csignal>
#include <cstring>

#include "tests/daemon/rings/kept_fixture.hh"

namespace vxs::test {
namespace {

using support::RingGuest;

class KeptRingSteps : public KeptRingTest {
 protected:
  // `serve` is what the child does; `check` what the guests do afterwards, with the next daemon.
  void run_steps(const std::function<void()>& serve, const std::function<void()>& check) {
    std::fflush(nullptr);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
      ::raise(SIGSTOP);
      serve();
      ::raise(SIGSTOP);
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    int checks = 0;
    bool right = check_now(check);
    (void)changed();
    while (right) {
      ASSERT_EQ(::ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr), 0);
      ASSERT_EQ(::waitpid(child, &status, 0), child);
      ASSERT_TRUE(WIFSTOPPED(status)) << "the child ended";
      if (WSTOPSIG(status) != SIGTRAP) break;
      if (!changed()) continue;
      ++checks;
      right = check_now(check);
    }
    EXPECT_TRUE(right) << "after change " << checks;
    EXPECT_TRUE(!right || WSTOPSIG(status) == SIGSTOP) << "the child was stopped by a signal";
    EXPECT_GT(checks, 10);
    ::kill(child, SIGKILL);
    ::waitpid(child, &status, 0);
  }
  // All rings have their turn, whatever their event channels say.
  void serve() {
    run->rings.scan(8);
    for (int i = 0; i < 3; ++i) pass();
  }

 private:
  // In a process of its own, on copies of everything.
  bool check_now(const std::function<void()>& check) {
    std::fflush(nullptr);
    const pid_t checker = ::fork();
    if (checker == 0) {
      take_copies();
      check();
      std::fflush(nullptr);
      ::_exit(HasFailure() ? 1 : 0);
    }
    int status = 0;
    return ::waitpid(checker, &status, 0) == checker && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
  }
  bool changed() {
    std::string now;
    const daemon::test::RawArea& raw = area();
    const auto where = raw.geometry();
    now.append(raw.at(0), 128);
    for (std::uint32_t index = 0; index < raw.header().slots; ++index) {
      if (raw.state(index) == 0) continue;
      now.append(raw.at(where.block(index)), 2048);
      now.append(raw.at(where.data(index)), 4096);
    }
    for (const DomId domid : {DomId{1}, DomId{2}}) {
      const auto& bytes = xen.at(domid).page->bytes;
      now.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
    if (now == last_) return false;
    last_ = std::move(now);
    return true;
  }
  const daemon::test::RawArea& area() {
    if (!raw_) raw_ = std::make_unique<daemon::test::RawArea>(area_fd());
    return *raw_;
  }

  std::string last_;
  std::unique_ptr<daemon::test::RawArea> raw_;
};

TEST_F(KeptRingSteps, ARequestIsTakenCarriedOutAndAnsweredOnce) {
  auto& guest = introduce(1);
  auto& other = introduce(2);
  ASSERT_EQ(call(2, wire::kWatch, zstrings({"/w", "t"})), "OK");
  events.clear();
  guest.put(RingGuest::frame(wire::kWrite, zstrings({"/w/a"}) + "1", 0, 51));
  guest.put(RingGuest::frame(wire::kRead, zstrings({"/w/a"}), 0, 52));
  run_steps([this] { serve(); },
            [&] {
              std::vector<std::uint32_t> answered;
              bool heard = false;
              for (int i = 0; i < 8; ++i) {
                pass();
                guest.take();
                other.take();
                while (const auto frame = guest.next()) {
                  answered.push_back(frame->header.req_id);
                  EXPECT_EQ(frame->payload.substr(0, 1), frame->header.req_id == 51 ? "O" : "1");
                }
                while (other.next()) heard = true;
              }
              EXPECT_EQ(answered, (std::vector<std::uint32_t>{51, 52}));
              EXPECT_TRUE(heard);
              EXPECT_EQ(read(2, "/w/a"), "1");
            });
}

TEST_F(KeptRingSteps, ALargeRequestAndALargeReplyInParts) {
  auto& guest = introduce(1);
  introduce(2);
  const std::string large(1900, 'x');
  ASSERT_EQ(write(2, "/large", large), "OK");
  guest.put(RingGuest::frame(wire::kRead, zstrings({"/large"}), 0, 51));
  const std::string half = RingGuest::frame(wire::kWrite, zstrings({"/b"}) + large, 0, 52);
  const std::size_t put = guest.put(half);
  run_steps([this] { serve(); },
            [&] {
              std::string rest = half.substr(put);
              std::vector<std::uint32_t> answered;
              for (int i = 0; i < 30 && answered.size() < 2; ++i) {
                rest.erase(0, guest.put(rest));
                signal(1);
                pass();
                guest.take(400);
                while (const auto frame = guest.next()) {
                  answered.push_back(frame->header.req_id);
                  EXPECT_TRUE(frame->header.req_id != 51 || frame->payload == large);
                }
              }
              EXPECT_EQ(answered, (std::vector<std::uint32_t>{51, 52}));
              EXPECT_TRUE(read(1, "/b") == large);
            });
}

TEST_F(KeptRingSteps, A20_ARingConnectsAnewOrWasNotTouched) {
  auto& guest = introduce(1);
  introduce(2);
  ASSERT_EQ(call(1, wire::kWatch, zstrings({"/w", "t"})), "OK");
  ASSERT_EQ(write(2, "/w", "1"), "OK");
  guest.put(RingGuest::frame(wire::kWrite, zstrings({"/of-before"}) + "1", 0, 51));
  guest.page().set_connection(protocol::kRingReconnect);
  run_steps([this] { serve(); },
            [&] {
              for (int i = 0; i < 5; ++i) pass();
              EXPECT_EQ(guest.page().connection(), protocol::kRingConnected);
              guest.forget();
              EXPECT_EQ(call(1, wire::kWatch, zstrings({"/w", "t"})), "OK");
              EXPECT_EQ(read(1, "/of-before"), "ENOENT");
            });
}

}  // namespace
}  // namespace vxs::test
