// A death at each step of a hot swap, in both directions (docs/crash-points.md): clients and a
// guest are in the middle of something, and docs/guarantees.md says what they may notice.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <thread>

#include "tests/crash/kept/crash_points.hh"
#include "tests/crash/kept/standstill.hh"
#include "tests/daemon/swap/point_at_exec.hh"
#include "tests/daemon/swap/swap_fixture.hh"
#include "tests/support/daemon_ready.hh"

namespace vxs::test {
namespace {

using namespace std::chrono_literals;
using kept::ListedPoint;
using kept::Standstill;
using support::Event;
using support::FakeGuest;
using support::WireClient;
using support::zstrings;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const std::string kNoSession = "Not in live-update session.";
const std::string kNotActivated = "Error activating new binary.";
const std::string kSupervisorDied = "the supervisor died meanwhile";
constexpr std::uint32_t kUpdateId = 77;

bool eventually(const std::function<bool()>& condition) {
  const auto until = std::chrono::steady_clock::now() + 30s;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

std::string program_of(pid_t pid) {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/exe", error).string();
}

std::vector<pid_t> children_of(pid_t pid) {
  const std::string name = std::to_string(pid);
  std::ifstream file("/proc/" + name + "/task/" + name + "/children");
  return {std::istream_iterator<pid_t>(file), {}};
}

pid_t parent_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string word; file >> word;) {
    if (word == "PPid:") return file >> word ? std::stoi(word) : 0;
  }
  return 0;
}

// Returns when its descriptors are closed, whoever is to reap it. Signal 0: it ends by itself.
void kill_and_wait(pid_t pid, int signal = SIGKILL) {
  const auto pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  ASSERT_GE(pidfd, 0);
  EXPECT_EQ(::kill(pid, signal), 0);
  pollfd ended{pidfd, POLLIN, 0};
  EXPECT_EQ(::poll(&ended, 1, 30'000), 1);
  ::close(pidfd);
}

std::vector<std::string> points_of(ListedPoint::When when) {
  std::vector<std::string> names;
  for (const auto& point : kept::listed_crash_points(support::required_env("VXS_SOURCE_DIR") +
                                                     "/docs/crash-points.md")) {
    if (point.when == when && point.journal != "disk") names.push_back(point.name);
  }
  return names;
}

class SwapCrashPoints : public SwapFixture {
 protected:
  void SetUp() override {
    writer_ = std::make_unique<WireClient>(client());
    watcher_ = std::make_unique<WireClient>(client());
    guest_ = std::make_unique<FakeGuest>(guest(3));
    ASSERT_EQ(watcher_->call(support::kWatch, zstrings({"/w", "t"})).error(), "");
    ASSERT_EQ(watcher_->drain().size(), 1U);
    ASSERT_EQ(write(*guest_, "name", "three"), "");
  }

  static std::string ours() { return std::filesystem::canonical(our_binary()).string(); }
  static const std::vector<std::uint64_t>& places(const std::string& point) {
    static const auto kPlaces = kept::crash_points_of(ours());
    return kPlaces.at(point);
  }
  static bool die_at(pid_t pid, const std::string& point) {
    return kept::set_crash_point(pid, ours(), places(point));
  }

  // Whom new clients see, and so the pid file names.
  [[nodiscard]] pid_t known() const {
    const WireClient one = client();
    ucred peer{};
    socklen_t size = sizeof peer;
    EXPECT_EQ(::getsockopt(one.fd(), SOL_SOCKET, SO_PEERCRED, &peer, &size), 0);
    return peer.pid;
  }
  // Below its supervisor, or above one that it started itself.
  [[nodiscard]] static pid_t daemon_of(pid_t supervisor) {
    const auto below = children_of(supervisor);
    return below.empty() ? parent_of(supervisor) : below.front();
  }
  [[nodiscard]] bool another_follows(pid_t dead) const {
    return eventually([&] {
      const pid_t now = known();
      return now != dead && ::kill(now, 0) == 0;
    });
  }

  // Everybody is in the middle of something.
  void begin_something() {
    value_ = std::to_string(++round_);
    ASSERT_EQ(write(*writer_, "/kept", value_), "");
    ASSERT_EQ(write(*writer_, "/w/" + value_, ""), "");
    frame_ = support::encode({.type = support::kWrite,
                              .req_id = 1000 + round_,
                              .tx_id = 0,
                              .payload = zstrings({"/half"}) + value_});
    half_ = std::make_unique<WireClient>(client());
    half_->send_bytes(std::string_view(frame_).substr(0, 20));
    guest_->send({.type = support::kRead,
                  .req_id = 2000 + round_,
                  .tx_id = 0,
                  .payload = zstrings({"name"})});
  }
  void expect_all_go_on() {
    half_->send_bytes(std::string_view(frame_).substr(20));
    const auto completed = half_->reply(30s);
    EXPECT_EQ(completed.req_id, 1000 + round_);
    EXPECT_EQ(completed.error(), "");
    EXPECT_EQ(read(*half_, "/half"), value_);
    EXPECT_EQ(read(*writer_, "/kept"), value_);
    EXPECT_EQ(write(*writer_, "/kept", value_ + "+"), "");
    const auto events = watcher_->drain();
    EXPECT_THAT(events, Not(IsEmpty()));  // one may come twice (D14)
    EXPECT_THAT(events, Each(Event{"/w/" + value_, "t"}));
    EXPECT_EQ(guest_->reply(30s).req_id, 2000 + round_);
    EXPECT_EQ(write(*guest_, "round", value_), "");
    EXPECT_EQ(read(*guest_, "round"), value_);
    WireClient late = client();
    EXPECT_EQ(read(late, "/kept"), value_ + "+");
    for (auto* one : {half_.get(), writer_.get(), &late}) {
      EXPECT_FALSE(one->receive(0ms).has_value()) << "one reply too many";
    }
  }

  // `live-update -f FILE`, and -s, whose answer is not awaited.
  static void ask_for(WireClient& requester, const std::string& file) {
    ASSERT_EQ(control(requester, {"-f", file}), "OK");
    requester.send({.type = support::kControl,
                    .req_id = kUpdateId,
                    .tx_id = 0,
                    .payload = zstrings({"live-update", "-s"})});
  }
  // Of -s, which has no other.
  static std::string answer(WireClient& requester) {
    const auto reply = requester.reply(30s);
    EXPECT_EQ(reply.req_id, kUpdateId);
    EXPECT_EQ(requester.call(support::kGetDomainPath, zstrings({"1"})).error(), "");
    std::string text = reply.is_error() ? reply.error() : reply.payload;
    while (text.ends_with('\0') || text.ends_with('\n')) text.pop_back();
    return text;
  }
  // `there()` and `back()` with whatever supervisor there is.
  void swap_to(const std::string& file) {
    WireClient requester = client();
    ASSERT_EQ(live_update(requester, file), "OK");
    ASSERT_EQ(read(requester, "/kept"), value_ + "+");
    ASSERT_EQ(program_of(known()), file == stock_binary() ? file : ours());
  }

  // --- where connections end ---------------------------------------------------

  void expect_all_end() {
    for (auto* one : {half_.get(), writer_.get()}) EXPECT_TRUE(one->closed_by_peer(30s));
    ASSERT_TRUE(eventually([this] { return host().processes().empty(); }));
  }
  // A daemon of ours that is started in `rundir`, as after a stop.
  [[nodiscard]] static std::string kept_in(const std::string& rundir) {
    std::filesystem::create_directories(rundir);
    support::Command command;
    command.argv = {our_binary(), "-N", "--xen", "off"};
    command.env = {{"XENSTORED_RUNDIR", rundir}};
    command.output = rundir + "/later";
    support::ChildProcess later(command);
    support::wait_until_answering(later, rundir + "/socket", command.output, 10s);
    WireClient one(rundir + "/socket");
    std::string found = read(one, "/kept");
    later.signal(SIGTERM);
    EXPECT_TRUE(later.wait(10s).has_value());
    return found;
  }
  // What `vxs import` makes of the stream that lies there.
  [[nodiscard]] std::string kept_in_stream() const {
    const std::string rundir = dir() + "/imported";
    std::filesystem::create_directories(rundir);
    support::Command command;
    command.argv = {support::required_env("VXS_BUILD_DIR") + "/tools/vxs", "import",
                    dir() + "/state_dump"};
    command.env = {{"XENSTORED_RUNDIR", rundir}};
    command.output = rundir + "/import";
    support::ChildProcess import(command);
    EXPECT_EQ(import.wait(30s), 0);
    return kept_in(rundir);
  }

  std::unique_ptr<WireClient> writer_, watcher_, half_;
  std::unique_ptr<FakeGuest> guest_;
  std::uint32_t round_ = 0;
  std::string value_, frame_;
};

// --- back to the C daemon --------------------------------------------------------

TEST_F(SwapCrashPoints, H5_TheDaemonDiesAtEachStepOfGivingBack) {
  there();
  const auto points = points_of(ListedPoint::When::kGiveBack);
  ASSERT_GT(points.size(), 8U);
  for (const auto& point : points) {
    SCOPED_TRACE(point);
    begin_something();
    const pid_t daemon = children().front();
    ASSERT_TRUE(die_at(daemon, point));
    WireClient requester = client();
    ask_for(requester, stock_binary());
    const std::string said = answer(requester);
    if (point == "swap-hand-over-sent") {
      EXPECT_EQ(said, "OK");
      EXPECT_EQ(program(), stock_binary());
      EXPECT_THAT(children(), IsEmpty());
      expect_all_go_on();
      swap_to(our_binary());
      continue;
    }
    EXPECT_EQ(said, point == "swap-noted" ? kNotActivated : kNoSession);
    EXPECT_EQ(program(), ours());
    ASSERT_EQ(children().size(), 1U);
    EXPECT_NE(children().front(), daemon) << "it did not die";
    expect_all_go_on();
    if (HasFailure()) return;
  }
  swap_to(stock_binary());
}

TEST_F(SwapCrashPoints, H5_TheDaemonDiesWhileTheSupervisorIsBetweenTwoStepsOfGivingBack) {
  there();
  for (const std::string point :
       {"supervisor-hold-read", "supervisor-held", "supervisor-hand-over-read"}) {
    SCOPED_TRACE(point);
    begin_something();
    WireClient requester = client();
    {
      Standstill still(pid(), ours(), places(point), Standstill::Who::kItself);
      ask_for(requester, stock_binary());
      ASSERT_TRUE(eventually([&] { return still.reached(); }));
      // The order is sent: it may be gone already.
      for (const pid_t daemon : children()) (void)::kill(daemon, SIGKILL);
    }
    const bool handed_over = point == "supervisor-hand-over-read";
    EXPECT_EQ(answer(requester), handed_over ? "OK" : kNoSession);
    EXPECT_EQ(program(), handed_over ? stock_binary() : ours());
    expect_all_go_on();
    if (HasFailure()) return;
  }
}

// The numbers in the stream are those of the supervisor that was asked for them, and who follows it
// has others; and a daemon that ends while nobody is there to start it again is the last one.
TEST_F(SwapCrashPoints, Bug_TheSupervisorDiesWhileTheDaemonIsBetweenTwoStepsOfGivingBack) {
  there();
  for (const auto& point : points_of(ListedPoint::When::kGiveBack)) {
    if (point == "swap-hand-over-sent") continue;  // both are about to go
    SCOPED_TRACE(point);
    begin_something();
    const pid_t supervisor = known();
    const pid_t daemon = daemon_of(supervisor);
    WireClient requester = client();
    {
      Standstill still(daemon, ours(), places(point), Standstill::Who::kItself);
      ask_for(requester, stock_binary());
      ASSERT_TRUE(eventually([&] { return still.reached(); }));
      kill_and_wait(supervisor);
    }
    const bool serves_still = point == "swap-begun" || point == "swap-hold-sent";
    EXPECT_EQ(answer(requester), serves_still ? kSupervisorDied : kNotActivated);
    expect_all_go_on();
    ASSERT_TRUE(another_follows(supervisor));
    const pid_t now = known();
    EXPECT_EQ(program_of(now), ours());
    EXPECT_EQ(daemon_of(now) == daemon, serves_still);
    if (HasFailure()) return;
  }
  swap_to(stock_binary());
}

// How the daemon ended is told to its parent only.
TEST_F(SwapCrashPoints, Bug_ASupervisorThatADaemonStartedCanBecomeTheCDaemon) {
  there();
  begin_something();
  const pid_t first = known();
  kill_and_wait(first);
  ASSERT_TRUE(another_follows(first));
  const pid_t second = known();
  expect_all_go_on();
  begin_something();
  WireClient requester = client();
  ask_for(requester, stock_binary());
  EXPECT_EQ(answer(requester), "OK");
  EXPECT_EQ(known(), second);
  EXPECT_EQ(program_of(second), stock_binary());
  expect_all_go_on();
  // What it is started as is what the first one was: it says so where that did.
  EXPECT_THAT(output(), HasSubstr("supervisor: going on for one that died"));
}

// --- one that is the last --------------------------------------------------------

// What is left when a supervisor died.
enum class Left : std::uint8_t {
  kAll,      // another one follows, and nobody notices
  kJournal,  // connections end; who is started next serves the state
  kStream,   // connections end; the state is in state_dump
};

struct Death {
  const char* point;
  Left left;
};

void PrintTo(const Death& death, std::ostream* out) { *out << death.point; }

std::string name_of_point(const testing::TestParamInfo<Death>& info) {
  std::string name = info.param.point;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

class SupervisorOfASwap : public SwapCrashPoints, public testing::WithParamInterface<Death> {
 protected:
  // After its death.
  void expect_what_is_left(WireClient& requester, const std::string& said, int signal = SIGTRAP) {
    const auto status = host().wait(30s);
    ASSERT_TRUE(status && WIFSIGNALED(*status));
    EXPECT_EQ(WTERMSIG(*status), signal);
    if (GetParam().left == Left::kAll) {
      EXPECT_EQ(answer(requester), said);
      expect_all_go_on();
      ASSERT_TRUE(another_follows(pid()));
      return swap_to(stock_binary());
    }
    expect_all_end();
    EXPECT_TRUE(std::filesystem::exists(dir() + "/state_dump"));
    const bool in_journal = GetParam().left == Left::kJournal;
    EXPECT_EQ(kept_in(dir()), in_journal ? value_ : "ENOENT");
    if (!in_journal) {
      EXPECT_EQ(kept_in_stream(), value_);
    }
  }
};

class SupervisorThatGivesBack : public SupervisorOfASwap {};

TEST_P(SupervisorThatGivesBack, H5_DiesAtANamedStep) {
  there();
  begin_something();
  const std::string point = GetParam().point;
  std::string file = stock_binary();
  if (point == "supervisor-not-become") {
    file = dir() + "/garbage";
    std::ofstream(file) << "\x7f"
                           "ELF, or so it says";
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  }
  WireClient requester = client();
  if (point == "supervisor-hand-over-read") {
    // The daemon would start another one, if it saw that before its own end.
    const pid_t daemon = children().front();
    Standstill still(pid(), ours(), places(point), Standstill::Who::kItself);
    ask_for(requester, file);
    ASSERT_TRUE(eventually([&] { return still.reached(); }));
    kill_and_wait(daemon, 0);
    ASSERT_EQ(::kill(pid(), SIGKILL), 0);
    return expect_what_is_left(requester, "", SIGKILL);
  }
  ASSERT_TRUE(die_at(pid(), point));
  ask_for(requester, file);
  expect_what_is_left(requester, kSupervisorDied);
}

constexpr Death kDeathsOfGivingBack[] = {
    {"supervisor-hold-read", Left::kAll},          {"supervisor-held", Left::kAll},
    {"supervisor-hand-over-read", Left::kJournal}, {"supervisor-becoming", Left::kJournal},
    {"supervisor-undressed", Left::kJournal},      {"supervisor-renamed", Left::kStream},
    {"supervisor-not-become", Left::kJournal},
};
INSTANTIATE_TEST_SUITE_P(Points, SupervisorThatGivesBack, testing::ValuesIn(kDeathsOfGivingBack),
                         name_of_point);

// --- from the C daemon -----------------------------------------------------------

class SupervisorThatTakesOver : public SupervisorOfASwap {};

TEST_P(SupervisorThatTakesOver, H7_DiesAtANamedStep) {
  begin_something();
  WireClient requester = client();
  PointAtExec at_exec(pid(), ours(), places(GetParam().point), PointAtExec::Who::kItself);
  // Traced, the C daemon answers as always.
  ask_for(requester, our_binary());
  at_exec.await();
  expect_what_is_left(requester, "OK");
}

// Those of its own, of the checkpoint it writes, and of a supervisor whose daemon starts.
constexpr Death kDeathsOfTakingOver[] = {
    {"take-over-executed", Left::kStream},
    {"take-over-stream-read", Left::kStream},
    {"take-over-area-filled", Left::kStream},
    {"checkpoint-written", Left::kStream},
    {"checkpoint-renamed", Left::kJournal},
    {"take-over-state-written", Left::kJournal},
    {"take-over-descriptors-kept", Left::kJournal},
    {"supervisor-restarting", Left::kJournal},
    {"supervisor-forked", Left::kJournal},
    {"supervisor-handing", Left::kJournal},
    {"supervisor-keep-read", Left::kAll},
    {"supervisor-kept", Left::kAll},
    {"supervisor-ready", Left::kAll},
    {"take-over-ended", Left::kAll},
};
INSTANTIATE_TEST_SUITE_P(Points, SupervisorThatTakesOver, testing::ValuesIn(kDeathsOfTakingOver),
                         name_of_point);

TEST(SwapCrashPointsList, TheListOfTheSwapsPointsIsWhatDiesHere) {
  std::set<std::string> dies;
  for (const auto& death : kDeathsOfGivingBack) dies.insert(death.point);
  for (const auto& death : kDeathsOfTakingOver) dies.insert(death.point);
  // Only with a service manager: tests/daemon/supervisor.
  dies.insert("supervisor-let-go");
  for (const auto when : {ListedPoint::When::kTakeOver, ListedPoint::When::kSupervisorSwap}) {
    for (const auto& point : points_of(when)) EXPECT_TRUE(dies.contains(point)) << point;
  }
}

TEST_F(SwapCrashPoints, H7_TheFirstDaemonDiesAtEachStepOfItsStart) {
  auto points = points_of(ListedPoint::When::kStart);
  ASSERT_GT(points.size(), 10U);
  points.emplace_back("keep-sent");
  // Nothing was received over these connections that a daemon of ours counted.
  std::erase(points, "start-input-counted");
  for (const auto& point : points) {
    SCOPED_TRACE(point);
    begin_something();
    const std::string before = output();
    WireClient requester = client();
    PointAtExec at_exec(pid(), ours(), places(point), PointAtExec::Who::kChild);
    ask_for(requester, our_binary());
    at_exec.await();
    EXPECT_EQ(answer(requester), "OK");
    EXPECT_EQ(program(), ours());
    expect_all_go_on();
    EXPECT_THAT(output().substr(before.size()), HasSubstr("died (signal 5)"));
    if (HasFailure()) return;
    swap_to(stock_binary());
  }
}

}  // namespace
}  // namespace vxs::test
