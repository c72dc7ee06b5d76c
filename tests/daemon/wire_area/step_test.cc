// Whoever is killed is killed between two instructions. A child goes through an operation one
// instruction at a time; after each of them a successor adopts a copy of the area, as if the child
// had died there, and must find what was before the operation or what is after it.
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <functional>
#include <ostream>
#include <utility>
#include <vector>

#include "tests/daemon/wire_area/support.hh"

namespace vxs::daemon::test {
namespace {

constexpr WireArea::Options kOne{.slots = 1, .output_limit = 65536, .log_limit = 65536};
/// So much of each stream's region is copied.
constexpr std::uint64_t kCopied = 48 * 1024;

/// What a successor finds of the connection.
struct Found {
  bool open = false;
  std::string input;
  std::string sendable;
  std::string log;
  std::uint64_t in_begin = 0;
  std::uint64_t handled = 0;
  std::uint64_t sent = 0;
  std::uint64_t out_end = 0;
  std::uint64_t next_tx = 0;
  bool operator==(const Found&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Found& found) {
  return out << (found.open ? "open" : "free") << ", input " << found.input.size() << " at "
             << found.in_begin << ", handled " << found.handled << ", sendable "
             << found.sendable.size() << " at " << found.sent << ", log " << found.log.size();
}

/// An area with at most one connection.
struct Stage {
  std::unique_ptr<WireArea> area = make_area(kOne);
  Pair pair = make_pair();
  WireSlot& slot() const { return *area->open_slots().front(); }
  WireSlot::Progress progress() const { return slot().progress(); }
};
using Step = std::function<void(const Stage&)>;

int queued(const process::Descriptor& socket) {
  int count = 0;
  EXPECT_EQ(::ioctl(socket.get(), FIONREAD, &count), 0);
  return count;
}

class Successor {
 public:
  explicit Successor(const Stage& stage) : stage_(stage), raw_(stage.area->fd()) {
    const auto where = raw_.geometry();
    regions_ = {{.offset = 0, .length = where.block(1)},
                {.offset = where.data(0), .length = kCopied},
                {.offset = where.data(0) + kOne.output_limit * wire_layout::kRegionFactor,
                 .length = kCopied}};
  }

  /// False: nothing happened since the last time, neither in the area nor at the sockets.
  bool changed() {
    bool changed = false;
    for (Region& region : regions_) {
      const std::string_view now(raw_.at(region.offset), region.length);
      if (region.last == now) continue;
      region.last = now;
      changed = true;
    }
    int counted = 0;
    socklen_t length = sizeof counted;
    EXPECT_EQ(::getsockopt(stage_.pair.ours.get(), SOL_SOCKET, SO_PEEK_OFF, &counted, &length), 0);
    const std::array<int, 3> now = {queued(stage_.pair.ours), queued(stage_.pair.peer), counted};
    return std::exchange(sockets_, now) != now || changed;
  }

  Found look() {
    for (const Region& region : regions_) {
      std::memcpy(to_.at(region.offset), raw_.at(region.offset), region.length);
    }
    const auto area = adopt(copy_->fd());
    EXPECT_TRUE(area->damage().empty()) << area->damage().front();
    if (area->open_slots().empty()) return {};
    WireSlot& slot = *area->open_slots().front();
    EXPECT_TRUE(slot.attach(stage_.pair.ours.get()).has_value());
    const auto progress = slot.progress();
    return {.open = true,
            .input = std::string(slot.input(progress.in_begin)),
            .sendable = std::string(slot.sendable()),
            .log = std::string(slot.log().view()),
            .in_begin = progress.in_begin,
            .handled = progress.handled,
            .sent = slot.sent(),
            .out_end = progress.out_end,
            .next_tx = slot.next_tx()};
  }

 private:
  struct Region {
    std::uint64_t offset;
    std::uint64_t length;
    std::string last{};
  };

  const Stage& stage_;
  RawArea raw_;
  std::unique_ptr<WireArea> copy_ = make_area(kOne);
  RawArea to_{copy_->fd()};
  std::vector<Region> regions_;
  std::array<int, 3> sockets_{};
};

class WireSteps : public testing::Test {
 protected:
  /// Runs `setup`, then `steps` by single instructions.
  void run(const Step& setup, const std::vector<Step>& steps) {
    // What is to be found after each step comes from a run of the same in one go.
    std::vector<Found> expected;
    {
      const Stage stage;
      setup(stage);
      Successor successor(stage);
      expected.push_back(successor.look());
      for (const Step& step : steps) {
        step(stage);
        expected.push_back(successor.look());
      }
    }
    const Stage stage;
    setup(stage);
    Successor successor(stage);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
      ::raise(SIGSTOP);
      for (const Step& step : steps) step(stage);
      ::raise(SIGSTOP);
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    std::size_t at = 0;
    for (;;) {
      ASSERT_EQ(::ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr), 0);
      ASSERT_EQ(::waitpid(child, &status, 0), child);
      ASSERT_TRUE(WIFSTOPPED(status)) << "the child ended";
      if (WSTOPSIG(status) != SIGTRAP) break;
      ++instructions_;
      if (!successor.changed()) continue;
      const Found found = successor.look();
      while (at + 1 < expected.size() && found != expected[at]) ++at;
      if (HasFailure() || found != expected[at]) {
        ADD_FAILURE() << "at instruction " << instructions_ << " a successor finds " << found;
        break;
      }
    }
    const bool ended = WSTOPSIG(status) == SIGSTOP;
    ::kill(child, SIGKILL);
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(ended) << "the child was stopped by a signal";
    EXPECT_EQ(at, expected.size() - 1) << "the last step changes something";
    EXPECT_EQ(successor.look(), expected.back());
    EXPECT_GT(instructions_, 200U);
  }
  std::size_t instructions_ = 0;
};

void open(const Stage& stage) {
  WireSlot& slot = test::open_slot(*stage.area, 1);
  ASSERT_TRUE(slot.attach(stage.pair.ours.get()).has_value());
}

void receive(const Stage& stage) { (void)stage.slot().receive(stage.pair.ours.get()); }
void send(const Stage& stage) { (void)stage.slot().send(stage.pair.ours.get()); }

Step append(std::string bytes) {
  return [bytes](const Stage& stage) { ASSERT_TRUE(stage.slot().output().append(bytes)); };
}

void publish_output(const Stage& stage) {
  auto progress = stage.progress();
  progress.out_begin = stage.slot().sent();
  progress.out_end = stage.slot().output().end();
  stage.slot().publish(progress);
}

Step handled(std::size_t bytes) {
  return [bytes](const Stage& stage) {
    auto progress = stage.progress();
    progress.in_begin += bytes;
    ++progress.handled;
    progress.out_end = stage.slot().output().end();
    progress.log_end = stage.slot().log().end();
    stage.slot().publish(progress);
  };
}

TEST_F(WireSteps, ARequestIsReceivedAndAnsweredInSteps) {
  run(
      [](const Stage& stage) {
        open(stage);
        write_all(stage.pair.peer.get(), "request one,request two,half");
      },
      {receive,
       [](const Stage& stage) {
         ASSERT_TRUE(stage.slot().output().append("reply one,"));
         ASSERT_TRUE(stage.slot().log().append("operation"));
         handled(12)(stage);
       },
       send,
       [](const Stage& stage) {
         ASSERT_TRUE(stage.slot().output().append("reply two, a longer one"));
         handled(12)(stage);
       },
       send,
       [](const Stage& stage) {
         auto progress = stage.progress();
         progress.log_begin = progress.log_end;
         stage.slot().publish(progress);
       }});
}

TEST_F(WireSteps, NoByteIsInTwoPlacesOrInNone) {
  const Stage stage;
  open(stage);
  write_all(stage.pair.peer.get(), "ping");
  Successor successor(stage);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::raise(SIGSTOP);
    for (int i = 0; i < 3; ++i) {
      receive(stage);
      (void)stage.slot().output().append("pong");
      handled(i == 0 ? 4 : 0)(stage);
      send(stage);
    }
    ::raise(SIGSTOP);
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  int moved = 0;
  for (;;) {
    ASSERT_EQ(::ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr), 0);
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP) break;
    if (!successor.changed()) continue;
    const Found found = successor.look();
    const auto in_end = found.in_begin + found.input.size();
    ASSERT_EQ(in_end + static_cast<unsigned>(queued(stage.pair.ours)), 4U);
    ASSERT_EQ(found.sent, static_cast<unsigned>(queued(stage.pair.peer)));
    moved = std::max(moved, static_cast<int>(in_end + found.sent));
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, &status, 0);
  EXPECT_EQ(moved, 4 + 12);
}

TEST_F(WireSteps, InputMovesToTheBeginningOfItsBuffer) {
  run(
      [](const Stage& stage) {
        open(stage);
        write_all(stage.pair.peer.get(), pattern(1, 8000));
        receive(stage);
        handled(7900)(stage);
        write_all(stage.pair.peer.get(), pattern(2, 9000));
      },
      {receive, handled(50), receive, handled(9050)});
}

TEST_F(WireSteps, TheSocketsCountBeginsAnew) {
  run(
      [](const Stage& stage) {
        open(stage);
        const int left = 0x40000000 + 3;
        ASSERT_EQ(::setsockopt(stage.pair.ours.get(), SOL_SOCKET, SO_PEEK_OFF, &left, sizeof left),
                  0);
        RawArea(stage.area->fd()).control(0).in_counter = static_cast<unsigned>(left);
        write_all(stage.pair.peer.get(), "request");
      },
      {receive, handled(7)});
}

TEST_F(WireSteps, TheFirstReceiveAttaches) {
  run(
      [](const Stage& stage) {
        test::open_slot(*stage.area, 1);
        write_all(stage.pair.peer.get(), "request");
      },
      {receive, handled(3)});
}

TEST_F(WireSteps, OutputMovesToTheFrontOfItsRegion) {
  run(
      [](const Stage& stage) {
        open(stage);
        append(pattern(1, 20'300))(stage);
        publish_output(stage);
        stage.slot().begin_send(20'000);
        stage.slot().finish_send(20'000);
        publish_output(stage);
        append("not published yet")(stage);
      },
      {[large = pattern(2, 5000)](const Stage& stage) {
         const auto front = stage.slot().output().view().data();
         ASSERT_TRUE(stage.slot().output().append(large));
         ASSERT_NE(stage.slot().output().view().data(), front);
         ASSERT_TRUE(stage.slot().output().append("more"));
         publish_output(stage);
       },
       send,
       [](const Stage& stage) {
         append("over what was sent")(stage);
         publish_output(stage);
       }});
}

TEST_F(WireSteps, PublishedOutputIsRewrittenAtOnce) {
  run(
      [](const Stage& stage) {
        open(stage);
        append(pattern(1, 1000))(stage);
        publish_output(stage);
        append("not published yet")(stage);
      },
      {[](const Stage& stage) {
         WireBytes& output = stage.slot().output();
         ASSERT_TRUE(output.rewrite(300, output.view(500, output.end()), 800));
       },
       [](const Stage& stage) {
         // In front of itself, this time.
         WireBytes& output = stage.slot().output();
         ASSERT_TRUE(output.rewrite(0, output.view(100, output.end()), 700));
       },
       publish_output,
       [](const Stage& stage) {
         stage.slot().log().truncate(0);
         ASSERT_TRUE(stage.slot().log().append("log"));
         ASSERT_TRUE(stage.slot().log().rewrite(0, "rewritten", 9));
       }});
}

TEST_F(WireSteps, ABurstsMemoryIsGivenBack) {
  run(
      [](const Stage& stage) {
        open(stage);
        append(pattern(1, 65'000))(stage);
        publish_output(stage);
        stage.slot().discard_sendable();
      },
      {[](const Stage& stage) {
        stage.slot().output().forget_dead();
        stage.slot().trim();
        append("next")(stage);
        publish_output(stage);
      }});
}

TEST_F(WireSteps, AConnectionBeginsAndEndsAtOnce) {
  run([](const Stage&) {}, {[](const Stage& stage) { test::open_slot(*stage.area, 1); },
                            [](const Stage& stage) { stage.slot().set_next_tx(9); },
                            [](const Stage& stage) {
                              append("a reply")(stage);
                              publish_output(stage);
                            },
                            [](const Stage& stage) { stage.area->close_slot(stage.slot()); },
                            [](const Stage& stage) { test::open_slot(*stage.area, 2); }});
}

}  // namespace
}  // namespace vxs::daemon::test
