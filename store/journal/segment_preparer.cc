#include "store/journal/segment_preparer.hh"

#include <cerrno>
#include <exception>
#include <system_error>
#include <utility>

namespace vxs::store {

SegmentPreparer::~SegmentPreparer() {
  if (!started_) return;
  if (auto made = take()) store_.discard(std::move(*made));
}

void SegmentPreparer::make() noexcept {
  try {
    result_ = store_.create();
  } catch (const std::exception&) {  // bad_alloc
    result_ = tl::unexpected(IoError{ENOMEM, {}});
  }
  done_.store(true, std::memory_order_release);
}

void SegmentPreparer::start() {
  started_ = true;
  done_.store(false, std::memory_order_relaxed);
  try {
    thread_ = std::thread([this] { make(); });
  } catch (const std::system_error&) {
    make();  // no thread to be had: then here
  }
}

IoResult<std::shared_ptr<Segment>> SegmentPreparer::take() {
  if (thread_.joinable()) thread_.join();
  started_ = false;
  return std::exchange(result_, std::shared_ptr<Segment>());
}

}  // namespace vxs::store
