#include "daemon/supervisor/supervisor.hh"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "daemon/process/listen_socket.hh"
#include "daemon/process/signals.hh"
#include "store/crash_point.hh"

namespace vxs::supervisor {
namespace {

using namespace std::chrono_literals;

constexpr auto kFirstBackoff = 10ms;
constexpr auto kServedWell = 1s;
constexpr auto kAbortPatience = 2s;
constexpr auto kHousekeeping = 5s;
constexpr auto kFirstAcceptPause = 10ms;
constexpr auto kLastAcceptPause = 1000ms;
constexpr int kRestMs = 100;
constexpr int kAcceptsPerPass = 64;
constexpr int kMessagesPerPass = 64;
/// Descriptors left for the daemon's own files and ours: it has the same limit, and must have room
/// for all that is kept.
constexpr std::uint64_t kReserve = 256;

constexpr int kForwarded[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};

process::StartResult<process::Descriptor> open_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : kForwarded) ::sigaddset(&set, number);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  process::Descriptor fd(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!fd) return process::start_error("cannot wait for signals", errno);
  return fd;
}

bool is_listening(int fd) {
  int listening = 0;
  socklen_t size = sizeof(listening);
  return ::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening != 0;
}

/// Who connects sees the pid of who called listen() last (SO_PEERCRED): ours, not that of a daemon
/// of which nobody knows any more. And accept() never waits, should a client be gone again.
void make_ours(const std::string& name, int fd) {
  if (name.rfind(kListenPrefix, 0) != 0 || !is_listening(fd)) return;
  (void)::listen(fd, process::kListenBacklog);
  (void)::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/// A number that no supervisor of this boot can have given out, since none accepts a million
/// connections per second: a daemon that meets the name again may take it for the same connection.
std::uint64_t microseconds_since_boot() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

int exit_code_of(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

}  // namespace

// --- beginning ---------------------------------------------------------------

process::StartResult<int> run(const Options& options) {
  auto supervisor = Supervisor::create(options);
  if (!supervisor) return tl::unexpected(supervisor.error());
  return supervisor->run();
}

process::StartResult<Supervisor> Supervisor::create(const Options& options) {
  const char* adopted_by = std::getenv(kAdoptVariable);
  const int channel = adopted_by ? std::atoi(adopted_by) : -1;
  ::unsetenv(kAdoptVariable);
  const auto limit = process::raise_descriptor_limit();
  auto binary = Binary::open(options.binary.empty() ? options.command.front() : options.binary);
  if (!binary) return tl::unexpected(binary.error());
  auto signals = open_signals();
  if (!signals) return tl::unexpected(signals.error());
  Supervisor supervisor(options, std::move(*binary), std::move(*signals));
  supervisor.kept_max_ = limit - std::min(kReserve, limit / 4);
  if (channel >= 0) {
    const auto adopted = supervisor.adopt(channel);
    if (!adopted) return tl::unexpected(adopted.error());
  }
  return supervisor;
}

Supervisor::Supervisor(const Options& options, Binary binary, process::Descriptor signals)
    : options_(options),
      program_{std::move(binary), options.command},
      signals_(std::move(signals)),
      next_client_(microseconds_since_boot()),
      housekeeping_at_(Clock::now() + kHousekeeping),
      tell_manager_at_(Clock::now()) {
  std::vector<Kept> passed;
  manager_ = ServiceManager::from_environment(passed);
  for (auto& [name, fd] : passed) {
    make_ours(name, fd.get());
    kept_.insert_or_assign(std::move(name), std::move(fd));
  }
  if (!kept_.empty()) spdlog::info("supervisor: {} descriptors come from the store", kept_.size());
  for (const auto& [name, fd] : options_.inherited) {
    keep(name, process::Descriptor(fd));
    if (const auto number = client_number(name)) next_client_ = std::max(next_client_, *number + 1);
  }
  if (options_.watchdog == 0ms) {
    options_.watchdog = std::chrono::duration_cast<std::chrono::milliseconds>(manager_.watchdog());
  }
}

/// A daemon whose supervisor died has started us: it runs, and tells us what there is to keep.
process::StartResult<void> Supervisor::adopt(int channel) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (::getsockopt(channel, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return process::start_error("cannot tell whose supervisor this is to be", errno);
  }
  auto child = Child::adopt(peer.pid);
  if (!child) return tl::unexpected(child.error());
  child_ = std::move(*child);
  channel_ = Channel(process::Descriptor(channel));
  ever_ready_ = true;
  options_.on_ready = nullptr;
  spdlog::warn("supervisor: going on for one that died; the daemon is pid {}", child_.pid());
  greet();
  return {};
}

int Supervisor::run() {
  if (!child_) start_child();
  while (!exit_code_) wait();
  // What the manager was not told in time it is told now; it holds the rest anyway.
  manager_.send_pending([this](const std::string& name) { return find(name); });
  return *exit_code_;
}

void Supervisor::end(int code) noexcept { exit_code_ = code; }

void Supervisor::stop() {
  if (!std::exchange(stopping_, true)) manager_.say("STOPPING=1");
}

// --- the daemon --------------------------------------------------------------

void Supervisor::start_child() {
  restart_at_.reset();
  auto pair = Channel::make_pair();
  VXS_CRASH_POINT("supervisor-restarting");
  auto child = pair ? Child::start(program_.binary, program_.arguments, pair->second.get())
                    : process::StartResult<Child>(tl::unexpected(pair.error()));
  if (!child) {
    spdlog::error("supervisor: {}", child.error().text);
    return must_go_on() ? retry_later() : end(EXIT_FAILURE);
  }
  VXS_CRASH_POINT("supervisor-forked");
  begin(std::move(*child), Channel(std::move(pair->first)));
}

void Supervisor::begin(Child child, Channel channel) {
  child_ = std::move(child);
  channel_ = std::move(channel);
  ready_ = false;
  held_ = false;
  hand_over_.reset();
  order_lost_ = false;
  ++starts_;
  words_.clear();
  greet();
  for (const auto& [name, fd] : kept_) {
    channel_.queue(Message{.type = MessageType::kKept, .name = name});
  }
  channel_.queue(Message{.type = MessageType::kStart,
                         .flags = std::exchange(start_flags_, std::uint16_t{0}),
                         .value = starts_,
                         .more = static_cast<std::uint64_t>(previous_status_)});
  VXS_CRASH_POINT("supervisor-greeting");
}

Message Supervisor::hello(std::uint16_t more_flags) const {
  const auto interval = std::chrono::duration_cast<std::chrono::microseconds>(options_.watchdog);
  const unsigned flags = (manager_.active() ? kManaged : 0U) | kStartsAhead | more_flags;
  return Message{.type = MessageType::kHello,
                 .flags = static_cast<std::uint16_t>(flags),
                 .value = static_cast<std::uint64_t>(::getpid()),
                 .more = static_cast<std::uint64_t>(interval.count())};
}

void Supervisor::greet() {
  channel_.queue(hello(0));
  aborted_ = false;
  silent_until_.reset();
  child_said_something();
}

void Supervisor::receive() {
  Message message;
  for (int i = 0; i < kMessagesPerPass; ++i) {
    switch (channel_.receive(message)) {
      case Channel::Received::kMessage:
        handle(message);
        break;
      case Channel::Received::kStrange:
        spdlog::warn("supervisor: the daemon sent a message that cannot be read");
        break;
      case Channel::Received::kNothing:
        return;
      case Channel::Received::kClosed:
        channel_ = Channel();
        return;
    }
  }
}

void Supervisor::handle(Message& message) {
  child_said_something();
  // One that goes on after EXEC was told too late that we have it, and gave the update up.
  if (message.type != MessageType::kExec) next_.reset();
  switch (message.type) {
    case MessageType::kReady:
      if (ready_) return;
      ready_ = true;
      ready_since_ = Clock::now();
      VXS_CRASH_POINT("supervisor-ready");
      child_said_something();
      if (std::exchange(ever_ready_, true)) return;
      manager_.say("READY=1");
      if (options_.on_ready) options_.on_ready();
      return;
    case MessageType::kKeep:
      if (!message.fd) {
        spdlog::error("supervisor: {} did not arrive and cannot be kept", message.name);
        return;
      }
      VXS_CRASH_POINT("supervisor-keep-read");
      keep(message.name, std::move(message.fd));
      VXS_CRASH_POINT("supervisor-kept");
      return;
    case MessageType::kRelease:
      return release(message.name);
    case MessageType::kStopping:
      return stop();
    case MessageType::kHold:
      return hold(message.value != 0);
    case MessageType::kHandOver:
      hand_over_ = message.fd ? read_hand_over(message.fd.get()) : std::nullopt;
      order_lost_ = !hand_over_;
      VXS_CRASH_POINT("supervisor-hand-over-read");
      return;
    case MessageType::kArgument:
      if (words_.size() < kArgumentsMax) words_.push_back(std::move(message.name));
      return;
    case MessageType::kExec:
      return exec(message);
    case MessageType::kDropNext:
      return drop_next();
    case MessageType::kTakenOver:
      return taken_over();
    default:  // kAlive was that already; a later version's message is not for us
      return;
  }
}

void Supervisor::handle_end() {
  const pid_t pid = child_.pid();
  const auto known_status = child_.reap();
  // All it had sent counts, as does what it sent and we did not get to: nobody sends any more.
  while (channel_) {
    Message message;
    const auto received = channel_.receive(message);
    if (received == Channel::Received::kMessage) handle(message);
    if (received == Channel::Received::kNothing || received == Channel::Received::kClosed) break;
  }
  channel_ = Channel();
  VXS_CRASH_POINT("supervisor-reaped");
  silent_until_.reset();
  const int status = known_status.value_or(stopping_ ? 0 : SIGKILL);
  if (!next_ || stopping_) drop_next();  // its turn did not come
  // It had nothing left to do. And how one ended that we did not start nobody tells us.
  if (hand_over_ && !stopping_) return hand_over();
  if (next_ && stopping_) return end(0);  // it ended on our behalf, and that was all it had to do
  if (next_) return try_next();
  if (previous_ && !stopping_) return fall_back(status);
  const bool as_told = stopping_ && WIFSIGNALED(status) &&
                       (WTERMSIG(status) == SIGTERM || WTERMSIG(status) == SIGINT);
  if (stopping_ || !must_go_on() || (status == 0 && !order_lost_))
    return end(as_told ? 0 : exit_code_of(status));
  if (ready_ && Clock::now() - ready_since_ >= kServedWell) backoff_ = 0ms;
  previous_status_ = status;
  spdlog::error(
      "supervisor: the daemon, pid {}, died ({}); keeping {} descriptors and starting it again{}",
      pid, describe_status(status), kept_.size(),
      backoff_ == 0ms ? std::string() : " in " + std::to_string(backoff_.count()) + " ms");
  retry_later();
}

void Supervisor::retry_later() {
  ready_ = false;
  restart_at_ = Clock::now() + backoff_;
  backoff_ = std::min(std::max(2 * backoff_, std::chrono::milliseconds(kFirstBackoff)),
                      options_.backoff_max);
}

// --- signals -----------------------------------------------------------------

void Supervisor::handle_signal() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof(info)) == sizeof(info)) {
    const int number = static_cast<int>(info.ssi_signo);
    if (number == SIGTERM || number == SIGINT) {
      stop();
      if (!child_) end(0);
      child_.signal(number);
    } else if (ready_) {
      // Before it is ready it may not handle them yet, and then they would kill it.
      child_.signal(number);
    }
  }
}

// --- descriptors -------------------------------------------------------------

int Supervisor::find(const std::string& name) const {
  const auto found = kept_.find(name);
  return found == kept_.end() ? -1 : found->second.get();
}

void Supervisor::keep(const std::string& name, process::Descriptor fd) {
  manager_.remove(name);
  make_ours(name, fd.get());
  kept_.insert_or_assign(name, std::move(fd));
  manager_.store(name);
}

void Supervisor::release(const std::string& name) {
  if (kept_.erase(name) == 0) return;
  VXS_CRASH_POINT("supervisor-released");
  manager_.remove(name);
  if (accept_again_) accept_again_ = Clock::now();  // there may be room now
}

std::vector<int> Supervisor::listeners() const {
  std::vector<int> result;
  for (auto at = kept_.lower_bound(std::string(kListenPrefix));
       at != kept_.end() && at->first.rfind(kListenPrefix, 0) == 0; ++at) {
    if (is_listening(at->second.get())) result.push_back(at->second.get());
  }
  return result;
}

void Supervisor::accept_from(int listener) {
  for (int i = 0; i < kAcceptsPerPass; ++i) {
    if (kept_.size() >= kept_max_) return pause_accepting("all descriptors are in use");
    process::Descriptor client(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!client) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) return;
      if (errno == EINTR || errno == ECONNABORTED) continue;
      return pause_accepting(std::strerror(errno));
    }
    VXS_CRASH_POINT("supervisor-accepting");
    accept_pause_ = 0ms;
    const std::string name = client_name(next_client_++);
    keep(name, std::move(client));
    channel_.queue(Message{.type = MessageType::kAccepted, .name = name});
    VXS_CRASH_POINT("supervisor-accepted");
  }
}

void Supervisor::pause_accepting(const char* why) {
  if (accept_pause_ == 0ms) spdlog::warn("supervisor: no clients are accepted for now: {}", why);
  accept_pause_ = std::clamp(2 * accept_pause_, std::chrono::milliseconds(kFirstAcceptPause),
                             std::chrono::milliseconds(kLastAcceptPause));
  accept_again_ = Clock::now() + accept_pause_;
}

// --- time --------------------------------------------------------------------

void Supervisor::child_said_something() {
  const auto patience = ready_ ? options_.watchdog : ever_ready_ ? options_.start_timeout : 0ms;
  if (aborted_) return;
  silent_until_ = patience == 0ms ? Deadline() : Clock::now() + patience;
}

void Supervisor::check_times(Clock::time_point now) {
  if (silent_until_ && now >= *silent_until_) {
    spdlog::error("supervisor: the daemon hangs; killing it with {}",
                  aborted_ ? "SIGKILL" : "SIGABRT");
    child_.signal(aborted_ ? SIGKILL : SIGABRT);
    aborted_ = true;
    silent_until_ = now + kAbortPatience;
  }
  if (trial_until_ && now >= *trial_until_) {
    trial_until_.reset();
    timed_out_ = true;
    if (!child_) return fall_back(previous_status_);  // it could not even be forked
    child_.signal(SIGKILL);
  }
  if (accept_again_ && now >= *accept_again_) accept_again_.reset();
  if (restart_at_ && now >= *restart_at_) start_child();
  if (manager_.watchdog() > 0us && now >= tell_manager_at_) {
    manager_.say("WATCHDOG=1");
    tell_manager_at_ = now + manager_.watchdog() / 2;
  }
  if (now >= housekeeping_at_) {
    if (child_) limits_.pass_on(child_.pid());
    housekeeping_at_ = now + kHousekeeping;
  }
}

int Supervisor::poll_timeout(Clock::time_point now) const {
  auto next = housekeeping_at_;
  for (const auto& deadline : {restart_at_, silent_until_, accept_again_, trial_until_}) {
    if (deadline) next = std::min(next, *deadline);
  }
  if (manager_.watchdog() > 0us) next = std::min(next, tell_manager_at_);
  // Upwards: waking too early would be waking for nothing, many times.
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - now);
  return static_cast<int>(std::max(left, 0ms).count());
}

/// One pass: waits for anything, then does it. Whatever a dead daemon said comes before its end.
void Supervisor::wait() {
  const auto find_kept = [this](const std::string& name) { return find(name); };
  // Kept by the manager before the daemon has it, if the manager has room.
  manager_.send_pending(find_kept);
  channel_.send_pending([this](const std::string& name) {
    VXS_CRASH_POINT("supervisor-handing");
    return find(name);
  });
  ahead_channel_.send_pending(find_kept);

  std::vector<pollfd> watched{
      {signals_.get(), POLLIN, 0},
      {child_.fd(), POLLIN, 0},
      {channel_.fd(), static_cast<short>(channel_.has_pending() ? POLLIN | POLLOUT : POLLIN), 0},
      {manager_.has_pending() ? manager_.fd() : -1, POLLOUT, 0},
      {ahead_channel_.fd(), POLLIN, 0},  // a HELLO is all it is sent
      {ahead_.fd(), POLLIN, 0}};
  for (const auto& child : dropped_) watched.push_back({child.fd(), POLLIN, 0});
  const auto first_listener = watched.size();
  if (!accept_again_ && !held_) {
    for (const int fd : listeners()) watched.push_back({fd, POLLIN, 0});
  }
  if (::poll(watched.data(), watched.size(), poll_timeout(Clock::now())) < 0) {
    if (errno != EINTR) (void)::poll(nullptr, 0, kRestMs);  // whatever it is, without spinning
    return;
  }
  // READY before a signal that came after it: one is passed on to a daemon that is ready only.
  if (watched[2].revents != 0) receive();
  if (watched[0].revents != 0) handle_signal();
  if (watched[4].revents != 0 && watched[4].fd == ahead_channel_.fd()) hear_next();
  if (watched[5].revents != 0 && watched[5].fd == ahead_.fd()) next_ended();
  if (watched[1].revents != 0) handle_end();
  std::erase_if(dropped_, [](Child& child) {
    pollfd gone{child.fd(), POLLIN, 0};
    if (::poll(&gone, 1, 0) != 1) return false;
    (void)child.reap();
    return true;
  });
  // A listener that was released just now is not in kept_ any more.
  const auto still = listeners();
  for (auto at = watched.begin() + static_cast<std::ptrdiff_t>(first_listener); at != watched.end();
       ++at) {
    if (at->revents != 0 && !held_ && std::count(still.begin(), still.end(), at->fd) != 0) {
      accept_from(at->fd);
    }
  }
  check_times(Clock::now());
}

}  // namespace vxs::supervisor
