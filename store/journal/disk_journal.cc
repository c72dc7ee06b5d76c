#include "store/journal/disk_journal.hh"

#include <cerrno>
#include <chrono>
#include <span>
#include <utility>

namespace vxs::store {
namespace {

// How long probe() waits for the sync thread: a sick disk must not hold up the reads.
constexpr std::chrono::milliseconds kProbeWait{100};

}  // namespace

DiskJournal::DiskJournal(std::shared_ptr<SegmentStore> store, Seq last_seq,
                         std::function<void()> on_safe)
    : JournalCore(std::move(store), last_seq),
      writer_(store_, true),
      on_safe_(on_safe ? std::move(on_safe) : [] {}),
      handed_end_(last_seq) {}

DiskJournal::~DiskJournal() {
  {
    const std::scoped_lock lock(mutex_);
    stop_ = true;
  }
  work_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void DiskJournal::begin(const SegmentOpening& opening) {
  if (auto opened = writer_.open(opening); !opened) fail(opened.error());
  failure_taken_ = true;  // failing() says it; nothing was promised yet
  publish_limit();
  thread_ = std::thread([this] { run(); });
}

void DiskJournal::fail(const IoError& error) {
  failure_ = error;
  failure_taken_ = false;
  failed_.store(true, std::memory_order_release);
}

IoError DiskJournal::current_failure() const {
  const std::scoped_lock lock(mutex_);
  return failure_;
}

void DiskJournal::publish_limit() {
  limit_.store(written_ + writer_.room(), std::memory_order_release);
}

bool DiskJournal::failing() const noexcept { return failed_.load(std::memory_order_acquire); }

IoResult<void> DiskJournal::append(const Record& record) {
  if (failing()) return tl::unexpected(current_failure());
  std::size_t payload = 0;
  std::size_t frame = 0;
  if (auto measured = measure(record, payload, frame); !measured) return measured;
  if (appended_ + frame > limit_.load(std::memory_order_acquire)) {
    if (auto made = make_room(frame); !made) return made;
  }
  const std::size_t at = pending_.size();
  pending_.resize(at + frame);
  put_frame(record, payload, pending_.data() + at);
  appended_ += frame;
  count_append(record_seq(record), frame);
  return {};
}

// The segments at hand are full: lets the sync thread write what there is and make another one.
IoResult<void> DiskJournal::make_room(std::size_t frame) {
  hand_over(false);
  std::unique_lock lock(mutex_);
  room_wanted_ = frame;
  work_.notify_one();
  done_.wait(lock, [this] { return room_wanted_ == 0 || failing(); });
  room_wanted_ = 0;
  if (failing()) {
    // Where only the room was missing nothing is lost, and this answer tells it all.
    if (!rollback_due_) failure_taken_ = true;
    return tl::unexpected(failure_);
  }
  return {};
}

IoResult<void> DiskJournal::flush() {
  if (handed_end_ != last_seq()) hand_over(true);
  return {};
}

void DiskJournal::hand_over(bool whole_pass) {
  {
    const std::scoped_lock lock(mutex_);
    if (rollback_due_) {
      pending_.clear();
      return;  // take_failure() has it
    }
    if (queue_.empty()) {
      queue_.swap(pending_);  // pending_ gets the memory the queue had
    } else {
      queue_.append(pending_);
    }
    if (whole_pass) {
      whole_ = queue_.size();
      pass_end_ = handed_end_ = last_seq();
    }
  }
  pending_.clear();
  work_.notify_one();
}

IoResult<void> DiskJournal::take_failure() {
  const std::scoped_lock lock(mutex_);
  if (failure_taken_) return {};
  failure_taken_ = true;
  return tl::unexpected(failure_);
}

void DiskJournal::rollback() {
  std::unique_lock lock(mutex_);
  refuse_queue();
  done_.wait(lock, [this] { return !busy_; });
  refuse_queue();
  handed_end_ = safe_seq();
  pending_.clear();
  rollback_due_ = false;
  failure_taken_ = true;
  set_last_seq(safe_seq());
  appended_ = written_;
}

bool DiskJournal::probe() {
  if (!failing()) return true;
  std::unique_lock lock(mutex_);
  if (rollback_due_) return false;
  repair_wanted_ = true;
  work_.notify_one();
  done_.wait_for(lock, kProbeWait, [this] { return !repair_wanted_; });
  return !failing();
}

void DiskJournal::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto queued = [this] { return !queue_.empty() || pass_end_ > safe_seq(); };
    work_.wait(lock, [&] { return stop_ || repair_wanted_ || room_wanted_ != 0 || queued(); });
    if (queued()) {
      write_queued(lock);
    } else if (stop_) {
      return;
    } else if (rollback_due_) {
      // Nothing may be accepted before rollback(): whoever waits is told of the failure instead.
      repair_wanted_ = false;
      room_wanted_ = 0;
      done_.notify_all();
    } else {
      repair_now(lock);
    }
  }
}

void DiskJournal::write_queued(std::unique_lock<std::mutex>& lock) {
  if (rollback_due_) {
    refuse_queue();
    return;
  }
  writing_.clear();
  writing_.swap(queue_);
  const std::span<char> frames(writing_);
  const std::size_t whole = std::exchange(whole_, 0);
  const bool pass_ends = pass_end_ > safe_seq();
  busy_ = true;
  lock.unlock();
  auto written = writer_.write(frames.first(whole));
  if (written && pass_ends) writer_.publish();
  if (written) written = writer_.write(frames.subspan(whole));
  // After a failure a part may be safe: what it was does not matter, rollback() starts anew.
  written_ += writing_.size();
  if (written) {
    publish_limit();
    on_safe_();
    if (writer_.wants_preparation()) {
      (void)writer_.prepare();  // there is room yet; when it is gone, make_room() tells
      publish_limit();
    }
    lock.lock();
  } else {
    lock.lock();
    fail(written.error());
    rollback_due_ = true;
    refuse_queue();
    publish_limit();
    lock.unlock();
    on_safe_();
    lock.lock();
  }
  busy_ = false;
  done_.notify_all();
}

void DiskJournal::refuse_queue() {
  queue_.clear();
  whole_ = 0;
  pass_end_ = safe_seq();
}

// Asked by probe(), or by an append() that needs more room than there is.
void DiskJournal::repair_now(std::unique_lock<std::mutex>& lock) {
  const std::size_t wanted = room_wanted_;
  busy_ = true;
  lock.unlock();
  auto repaired = writer_.is_open() && wanted != 0 ? writer_.prepare(wanted) : writer_.repair();
  publish_limit();
  lock.lock();
  busy_ = false;
  repair_wanted_ = false;
  room_wanted_ = 0;
  if (repaired) {
    failure_ = {};
    failure_taken_ = true;
    failed_.store(false, std::memory_order_release);
  } else {
    fail(repaired.error());
    failure_taken_ = wanted == 0;
  }
  done_.notify_all();
}

}  // namespace vxs::store
