#include "daemon/keeper/keeper.hh"

#include <fcntl.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <utility>

#include "store/crash_point.hh"

namespace vxs::keeper {
namespace {

using supervisor::Channel;
using supervisor::Message;
using supervisor::MessageType;

constexpr std::chrono::milliseconds kStartPatience{10'000};
/// Ours is to wait then: the program before is to end first, and the supervisor tells if it will
/// not.
constexpr std::chrono::milliseconds kTurnPatience{std::chrono::hours(24)};
constexpr int kMessagesPerPass = 64;
constexpr std::chrono::milliseconds kHandOverPatience{2'000};
/// For a supervisor that is told of a live update: it does nothing else that takes time.
constexpr std::chrono::milliseconds kDrainPatience{5'000};

bool is_seqpacket(int fd) {
  int type = 0;
  socklen_t size = sizeof(type);
  return ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

UpdateRole role_of(std::uint16_t flags) {
  if ((flags & supervisor::kUpdateTrial) != 0) return UpdateRole::kTrial;
  if ((flags & supervisor::kUpdateFailed) == 0) return UpdateRole::kNone;
  return (flags & supervisor::kUpdateTimedOut) != 0 ? UpdateRole::kTimedOut : UpdateRole::kFailed;
}

/// True if `fd` is ready for `events` now, or before `deadline`.
bool wait_for(int fd, short events, std::chrono::steady_clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    pollfd watched{fd, events, 0};
    const int ready = ::poll(&watched, 1, static_cast<int>(std::max(left.count(), 0L)));
    if (ready > 0) return true;
    if (left.count() <= 0 || (ready < 0 && errno != EINTR)) return false;
  }
}

/// An EXEC with these arrives as it is.
bool can_be_told(const std::vector<std::string>& words) {
  return !words.empty() && words.size() <= supervisor::kArgumentsMax &&
         std::all_of(words.begin(), words.end(), [](const std::string& word) {
           return word.size() <= supervisor::kArgumentMax;
         });
}

}  // namespace

// --- the start ---------------------------------------------------------------

process::StartResult<std::unique_ptr<Keeper>> Keeper::adopt(Inheritance& inheritance) {
  inheritance = {};
  const char* variable = std::getenv(supervisor::kChannelVariable);
  if (variable == nullptr) return std::unique_ptr<Keeper>();
  const int fd = std::atoi(variable);
  ::unsetenv(supervisor::kChannelVariable);
  if (fd <= STDERR_FILENO || !is_seqpacket(fd)) {
    return process::start_error(std::string(supervisor::kChannelVariable) +
                                " names no supervisor's descriptor");
  }
  // Started through a descriptor, we would be called by its number.
  (void)::prctl(PR_SET_NAME, program_invocation_short_name);
  std::unique_ptr<Keeper> keeper(new Keeper(process::Descriptor(fd)));
  auto received = keeper->receive_inheritance(inheritance, kStartPatience);
  if (!received) return tl::unexpected(received.error());
  keeper->successor_ = Successor::like(keeper->supervisor_pid_);
  return keeper;
}

process::StartResult<void> Keeper::await_turn(Inheritance& inheritance) {
  channel_.queue(Message{.type = MessageType::kPrepared});
  if (!drain()) return process::start_error("the supervisor died");
  VXS_CRASH_POINT("ahead-prepared");
  return receive_inheritance(inheritance, kTurnPatience);
}

process::StartResult<void> Keeper::receive_inheritance(Inheritance& inheritance,
                                                       std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    Message message;
    switch (channel_.receive(message)) {
      case Channel::Received::kNothing:
        if (wait_for(channel_.fd(), POLLIN, deadline)) continue;
        return process::start_error("the supervisor does not say what it keeps");
      case Channel::Received::kClosed:
        return process::start_error("the supervisor died");
      case Channel::Received::kStrange:
        continue;
      case Channel::Received::kMessage:
        break;
    }
    if (message.type == MessageType::kHello) {
      take_hello(message);
      if (ahead_) return {};
    }
    if (message.type == MessageType::kKept) {
      if (!message.fd) {
        return process::start_error("there are too few descriptors (RLIMIT_NOFILE) for " +
                                    message.name + ", which is kept for this daemon");
      }
      kept_[message.name] = message.fd.get();
      inheritance.descriptors.push_back({message.name, std::move(message.fd)});
      VXS_CRASH_POINT("start-handed");
    }
    if (message.type == MessageType::kStart) {
      inheritance.starts = message.value;
      inheritance.previous_status = static_cast<int>(message.more);
      inheritance.update = role_of(message.flags);
      VXS_CRASH_POINT("start-inherited");
      return {};
    }
  }
}

void Keeper::take_hello(const Message& hello) {
  greeted_ = true;
  supervisor_pid_ = static_cast<pid_t>(hello.value);
  interval_ = std::chrono::microseconds(hello.more / 3);
  managed_ = (hello.flags & supervisor::kManaged) != 0;
  starts_ahead_ = (hello.flags & supervisor::kStartsAhead) != 0;
  ahead_ = (hello.flags & supervisor::kAheadOfTime) != 0;
}

Keeper::~Keeper() = default;

void Keeper::start(daemon::EventLoop& loop, Callbacks callbacks) {
  loop_ = &loop;
  callbacks_ = std::move(callbacks);
  watch();
}

void Keeper::watch() {
  readable_ = loop_->readable(channel_.fd(), [this] { on_readable(); });
  readable_.enable();
  writable_ = loop_->writable(channel_.fd(), [this] { send_pending(); });
  send_pending();
}

// --- to the supervisor -------------------------------------------------------

bool Keeper::keep(const std::string& name, int fd) {
  if (!supervisor::is_valid_name(name) || fd < 0) return false;
  kept_[name] = fd;
  send(Message{.type = MessageType::kKeep, .name = name});
  VXS_CRASH_POINT("keep-sent");
  return true;
}

void Keeper::release(const std::string& name) {
  if (kept_.erase(name) != 0) send(Message{.type = MessageType::kRelease, .name = name});
}

void Keeper::ready() {
  ready_ = true;
  send(Message{.type = MessageType::kReady});
  VXS_CRASH_POINT("ready-sent");
}

void Keeper::stopping() { send(Message{.type = MessageType::kStopping}); }

void Keeper::alive() {
  // One that does not read learns that we live from what it will read.
  if (!channel_.has_pending()) send(Message{.type = MessageType::kAlive});
}

void Keeper::send(Message message) {
  channel_.queue(std::move(message));
  send_pending();
}

void Keeper::send_pending() {
  const bool left = channel_.send_pending([this](const std::string& name) {
    if (name == supervisor::kOrderName) return order_.get();
    if (name == supervisor::kProgramName) {
      VXS_CRASH_POINT("exec-words-sent");
      return program_.get();
    }
    const auto found = kept_.find(name);
    return found == kept_.end() ? -1 : found->second;
  });
  if (loop_ == nullptr || !channel_) return;
  left ? writable_.enable() : writable_.disable();
}

// --- hot swap ----------------------------------------------------------------

process::StartResult<std::map<std::string, int>> Keeper::hold() {
  const auto deadline = std::chrono::steady_clock::now() + kHandOverPatience;
  numbers_.clear();
  held_ = false;
  send(Message{.type = MessageType::kHold, .value = 1});
  VXS_CRASH_POINT("swap-hold-sent");
  // One that follows a dead one says HELLO before anything else, and knows of no HOLD.
  const auto asked = deaths_;
  while (channel_ && !held_ && deaths_ == asked && wait_for(channel_.fd(), POLLIN, deadline)) {
    on_readable();
  }
  if (deaths_ != asked) return process::start_error("the supervisor died meanwhile");
  if (!held_) return process::start_error("the supervisor does not answer");
  return numbers_;
}

void Keeper::go_on() { send(Message{.type = MessageType::kHold, .value = 0}); }

process::StartResult<void> Keeper::hand_over(const supervisor::HandOver& order) {
  auto written = supervisor::write_hand_over(order);
  if (!written) return tl::unexpected(written.error());
  order_ = std::move(*written);
  // The numbers in the stream are those of the one that was asked to hold.
  if (!held_) return process::start_error("the supervisor died meanwhile");
  channel_.queue(
      Message{.type = MessageType::kHandOver, .name = std::string(supervisor::kOrderName)});
  if (!drain()) return process::start_error("the supervisor died, or does not read");
  VXS_CRASH_POINT("swap-hand-over-sent");
  return {};
}

bool Keeper::await_supervisor() {
  const auto begin = std::chrono::steady_clock::now();
  const auto deadline = begin + kDrainPatience;
  // From HELLO on it sees our end, and what was sent before that counts.
  while (channel_ && std::chrono::steady_clock::now() < deadline &&
         wait_for(channel_.fd(), POLLIN, greeted_ ? begin : deadline)) {
    on_readable();
  }
  return channel_ && greeted_ && drain();
}

// --- live update -------------------------------------------------------------

bool Keeper::drain() {
  const auto deadline = std::chrono::steady_clock::now() + kDrainPatience;
  send_pending();
  while (channel_ && channel_.has_pending()) {
    if (!wait_for(channel_.fd(), POLLOUT, deadline)) return false;
    send_pending();
  }
  // A supervisor that died has dropped the queue.
  pollfd watched{channel_.fd(), 0, 0};
  return channel_ && ::poll(&watched, 1, 0) >= 0 && (watched.revents & (POLLHUP | POLLERR)) == 0;
}

std::vector<std::string> Keeper::own_words() {
  std::vector<std::string> words;
  std::ifstream stream("/proc/self/cmdline", std::ios::binary);
  for (std::string word; std::getline(stream, word, '\0');) words.push_back(word);
  return words;
}

void Keeper::queue_words(const std::vector<std::string>& words) {
  for (const auto& word : words) {
    channel_.queue(Message{.type = MessageType::kArgument, .name = word});
  }
}

bool Keeper::queue_exec(process::Descriptor program, const std::vector<std::string>& words,
                        std::uint16_t flags, std::chrono::microseconds patience) {
  // What is queued already shows that it does not read.
  if (!can_be_told(words) || !channel_ || channel_.has_pending()) return false;
  program_ = std::move(program);
  queue_words(words);
  channel_.queue(Message{.type = MessageType::kExec,
                         .flags = flags,
                         .value = static_cast<std::uint64_t>(patience.count()),
                         .name = std::string(supervisor::kProgramName)});
  return drain();
}

bool Keeper::exec(process::Descriptor program, const std::vector<std::string>& words,
                  std::chrono::microseconds patience) {
  return queue_exec(std::move(program), words, 0, patience);
}

bool Keeper::exec_ahead(process::Descriptor program, const std::vector<std::string>& words) {
  if (!starts_ahead_ || !queue_exec(std::move(program), words, supervisor::kAhead, {})) {
    return false;
  }
  next_ = Next::kStarted;
  return true;
}

void Keeper::drop_next() {
  if (std::exchange(next_, Next::kNone) == Next::kNone) return;
  send(Message{.type = MessageType::kDropNext});
}

bool Keeper::taken_over() {
  channel_.queue(Message{.type = MessageType::kTakenOver});
  return drain();
}

// --- from the supervisor -----------------------------------------------------

void Keeper::on_readable() {
  for (int i = 0; i < kMessagesPerPass; ++i) {
    Message message;
    switch (channel_.receive(message)) {
      case Channel::Received::kMessage:
        handle(message);
        break;
      case Channel::Received::kStrange:
        break;
      case Channel::Received::kNothing:
        return;
      case Channel::Received::kClosed:
        return handle_death();
    }
  }
}

void Keeper::handle(Message& message) {
  if (message.type == MessageType::kAccepted) {
    kept_[message.name] = message.fd.get();
    if (!message.fd) {
      // The supervisor leaves room (kReserve), so this is the daemon using too much for itself.
      spdlog::error("no descriptor is left for {}; its connection is closed", message.name);
      return release(message.name);
    }
    VXS_CRASH_POINT("client-handed-over");
    return callbacks_.accepted(std::move(message.name), std::move(message.fd));
  }
  if (message.type == MessageType::kNumber) {
    numbers_[message.name] = static_cast<int>(message.value);
  }
  if (message.type == MessageType::kHeld) held_ = true;
  if (message.type == MessageType::kNextReady && next_ == Next::kStarted) next_ = Next::kReady;
  if (message.type == MessageType::kNextEnded && next_ != Next::kNone) {
    next_ = Next::kEnded;
    next_status_ = static_cast<int>(message.more);
  }
  if (message.type == MessageType::kHello) {
    take_hello(message);
    if (callbacks_.replaced) callbacks_.replaced();
  }
}

void Keeper::tell_program() {
  const auto words = own_words();
  if (!can_be_told(words)) {
    // No live update can have given us such words: they are those it was started with itself.
    spdlog::warn("the command line is too long to tell the new supervisor which program runs");
    return;
  }
  program_.reset(::open("/proc/self/exe", O_PATH | O_CLOEXEC));
  queue_words(words);
  channel_.queue(Message{.type = MessageType::kExec,
                         .flags = supervisor::kInUse,
                         .name = std::string(supervisor::kProgramName)});
}

/// All it had sent was read. The new one is sent what is kept now; it says HELLO when it reads.
void Keeper::handle_death() {
  readable_ = daemon::Interest();
  writable_ = daemon::Interest();
  channel_ = Channel();
  next_ = Next::kNone;  // it ends with the supervisor that started it
  held_ = false;
  ++deaths_;
  // One that did not get as far as HELLO would not the next time either.
  const bool worth_it = std::exchange(greeted_, false) && !managed_;
  auto socket = worth_it ? successor_.spawn() : process::Descriptor();
  const bool spawned = static_cast<bool>(socket);
  if (spawned) {
    channel_ = Channel(std::move(socket));
    for (const auto& [name, fd] : kept_) {
      channel_.queue(Message{.type = MessageType::kKeep, .name = name});
    }
    // It knows the program that the dead one was started with, and that may be an older one.
    tell_program();
    if (ready_) channel_.queue(Message{.type = MessageType::kReady});
    watch();
  }
  spdlog::error("the supervisor, pid {}, died; serving on{}", supervisor_pid_,
                spawned ? ", and starting another one" : " without one");
  if (callbacks_.died) callbacks_.died(spawned);
}

}  // namespace vxs::keeper
