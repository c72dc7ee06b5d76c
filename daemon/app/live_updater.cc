#include "daemon/app/live_updater.hh"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "daemon/app/own_elf_note.hh"
#include "daemon/app/version.hh"
#include "daemon/logging/log.hh"
#include "daemon/process/elf_note.hh"
#include "protocol/escape.hh"
#include "store/crash_point.hh"

namespace vxs::daemon {
namespace {

/// Of a process that has handed over. Not 0: should the supervisor not have got the order, it has
/// to start us again.
constexpr int kHandedOver = 75;

std::vector<std::string> split_words(std::string_view line) {
  constexpr std::string_view kSpace = " \t\n\v\f\r";
  std::vector<std::string> words;
  for (;;) {
    const auto begin = line.find_first_not_of(kSpace);
    if (begin == std::string_view::npos) return words;
    line.remove_prefix(begin);
    const auto end = std::min(line.find_first_of(kSpace), line.size());
    words.emplace_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

}  // namespace

LiveUpdater::LiveUpdater(LiveUpdate& session, keeper::Keeper* keeper, std::chrono::seconds patience,
                         Hooks hooks)
    : session_(session),
      keeper_(keeper),
      patience_(std::max(patience, std::chrono::seconds(1))),
      hooks_(std::move(hooks)) {}

UpdateHost::File LiveUpdater::look_at(const std::string& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) return File::kNotAccessible;
  const bool executable = (status.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) != 0;
  return executable ? File::kGood : File::kNotExecutable;
}

std::optional<std::string> LiveUpdater::begin(const UpdateOrder& order) {
  // It may be another file by now, also one at which an open would wait.
  process::Descriptor program(::open(order.file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!program) return "File not accessible.";
  struct stat status {};
  if (::fstat(program.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return "File not executable.";
  }
  const auto note = process::read_elf_note(program.get());
  spdlog::info("live update to {} ({})", protocol::escaped(order.file),
               note ? "a vxenstored" : "another program");
  if (!note) {
    if (swap_ == nullptr) {
      return "The file is no vxenstored, and handing over to another xenstored is not available.";
    }
    auto refused = swap_->begin(order, std::move(program));
    swapping_ = !refused;
    return refused;
  }
  if (note->state_format < kOwnElfNote.state_format) {
    return fmt::format(
        "The file is an older vxenstored: it knows state of format {}, and this one's is {}.",
        note->state_format, kOwnElfNote.state_format);
  }
  if (note->wire_area < kOwnElfNote.wire_area) {
    return "The file is an older vxenstored: it cannot take up the connections of this one.";
  }
  if (auto obstacle = hooks_.obstacle(); !obstacle.empty()) return obstacle;
  order_ = order;
  program_ = std::move(program);
  checkpointed_ = false;
  return std::nullopt;
}

void LiveUpdater::cancel() {
  if (std::exchange(swapping_, false)) swap_->cancel();
  forget();
}

void LiveUpdater::forget() {
  if (prepared_by_) keeper_->drop_next();
  prepared_by_.reset();
  hooks_.forget_hash();
  written_by_.reset();
  order_.reset();
  program_.reset();
}

void LiveUpdater::fail(const std::string& text) {
  spdlog::error("live update: {}", text);
  forget();
  session_.finish(text);
}

bool LiveUpdater::pass() {
  if (std::exchange(answered_, false)) hooks_.forget_note();
  if (swapping_) {
    swapping_ = swap_->pass();
    return !swapping_;
  }
  if (!order_) return false;
  if (const Wait written = wait_for_checkpoint(); written != Wait::kReady) {
    return written == Wait::kFailed;
  }
  // The less the new one has to replay the shorter is the pause. Without one it takes longer.
  if (!std::exchange(checkpointed_, true) && hooks_.start_checkpoint()) return false;
  switch (wait_for_next()) {
    case Wait::kGoOn:
      return false;
    case Wait::kReady:
      hand_over();
      break;
    case Wait::kFailed:
      break;
  }
  return true;
}

/// A disk that hangs must not leave the requester without an answer.
LiveUpdater::Wait LiveUpdater::wait_for_checkpoint() {
  if (!hooks_.checkpoint_busy()) {
    written_by_.reset();
    return Wait::kReady;
  }
  const auto now = std::chrono::steady_clock::now();
  if (!written_by_) written_by_ = now + std::chrono::seconds(order_->timeout_s);
  if (now < *written_by_) return Wait::kGoOn;
  fail("The checkpoint that the new program begins with was not written in time.");
  return Wait::kFailed;
}

/// All that the new program can do by reading it does while this one serves: clients wait for the
/// rest. One that fails then costs nobody anything.
LiveUpdater::Wait LiveUpdater::wait_for_next() {
  using Next = keeper::Keeper::Next;
  const auto now = std::chrono::steady_clock::now();
  if (!prepared_by_) {
    process::Descriptor program(::fcntl(program_.get(), F_DUPFD_CLOEXEC, 0));
    if (!program || !keeper_->exec_ahead(std::move(program), words())) return Wait::kReady;
    prepared_by_ = now + patience_;
    VXS_CRASH_POINT("update-prepared");
    hooks_.begin_hash();
  }
  switch (keeper_->next()) {
    case Next::kStarted:
      if (now < *prepared_by_) return Wait::kGoOn;
      fail(old_one_goes_on(kNotInTime));
      return Wait::kFailed;
    case Next::kReady:
      return hooks_.hash_busy() ? Wait::kGoOn : Wait::kReady;
    case Next::kEnded:
      fail(old_one_goes_on(how_it_ended(keeper_->next_status())));
      return Wait::kFailed;
    case Next::kNone:
      break;
  }
  fail(hooks_.obstacle().empty() ? "The supervisor died meanwhile." : hooks_.obstacle());
  return Wait::kFailed;
}

std::vector<std::string> LiveUpdater::words() const {
  auto own = keeper::Keeper::own_words();
  if (!order_->command_line || own.empty()) return own;
  std::vector<std::string> result{own.front(), "-N"};  // the supervisor's child, as we are
  for (auto& word : split_words(*order_->command_line)) result.push_back(std::move(word));
  return result;
}

void LiveUpdater::hand_over() {
  auto note = hooks_.stop();
  if (!note) return fail(note.error());
  note->connection = order_->connection;
  note->ordinal = order_->ordinal;
  note->version = kVersion;
  const auto fd = note->write();
  if (!fd) return fail("There is no memory for a note to the new program.");
  (void)keeper_->keep(kUpdateName, fd.get());
  VXS_CRASH_POINT("update-noted");
  if (!keeper_->exec(std::move(program_), words(), patience_)) {
    keeper_->release(kUpdateName);
    return fail("The supervisor does not hear what program to start.");
  }
  VXS_CRASH_POINT("update-exec-sent");
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const auto now_us =
      static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
  spdlog::info(
      "live update: the old one stopped within {:.1f} ms at Seq {}; the new program is to go on",
      (now_us - static_cast<double>(note->stopped_us)) / 1e3, note->seq);
  logging::stop();
  // As after a SIGKILL: everything is where the next one finds it.
  ::_exit(kHandedOver);
}

}  // namespace vxs::daemon
