#include "daemon/wire_area/wire_slot.hh"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "store/crash_point.hh"

namespace vxs::daemon {
namespace {

using wire_layout::Control;
using wire_layout::kBlockSize;
using wire_layout::kControlSize;
using wire_layout::kInputSize;
using wire_layout::kPage;
using wire_layout::kRegionFactor;
using wire_layout::Set;
using wire_layout::store_word;

/// A flooding client costs little per pass.
constexpr std::size_t kReceiveSize = 8192;
/// What a socket's peek offset begins at, and where it does so again, well before zero.
constexpr int kCounter = 0x7FFFFFFF;
constexpr std::uint64_t kCountAnewBelow = 0x40000000;
/// A closed slot keeps as much of each stream for the next connection.
constexpr std::uint64_t kWarm = kPage;

}  // namespace

WireSlot::WireSlot(const AreaFile& file, std::uint32_t index, std::uint64_t block,
                   std::uint64_t data, std::uint64_t output_limit, std::uint64_t log_limit) noexcept
    : file_(&file),
      index_(index),
      block_offset_(block),
      block_(file.at(block)),
      control_(reinterpret_cast<Control*>(block_)),
      output_(file, data, output_limit, *control_,
              {&Set::out_begin, &Set::out_end, &Set::out_origin, &Control::out_sent}),
      log_(file, data + output_limit * kRegionFactor, log_limit, *control_,
           {&Set::log_begin, &Set::log_end, &Set::log_origin, nullptr}) {}

void WireSlot::initialize() noexcept {
  *control_ = Control{};
  for (WireBytes* stream : {&output_, &log_}) {
    stream->begin_ = stream->end_ = stream->origin_ = 0;
  }
  prepare_kernel_words();
  attached_ = false;
}

void WireSlot::take_up() noexcept {
  Control& control = *control_;
  if (kind() == WireKind::kSocket && control.send_at == control.out_sent) {
    store_word(control.out_sent, control.out_sent + control.send.msg_len);
  }
  output_.restore();
  log_.restore();
  prepare_kernel_words();
}

// The predecessor's pointers are in them. The count was used up: where it was not zero, out_sent
// moved on.
void WireSlot::prepare_kernel_words() noexcept {
  control_->send = mmsghdr{};
  control_->send.msg_hdr.msg_iov = &control_->send_from;
  control_->send.msg_hdr.msg_iovlen = 1;
}

void WireSlot::release(bool keep_some) noexcept {
  for (WireBytes* stream : {&output_, &log_}) stream->shrink(keep_some ? kWarm : 0);
  if (keep_some) return;
  file_->give_back(block_offset_, kBlockSize);
  block_reserved_ = false;
}

void WireSlot::trim() noexcept {
  for (WireBytes* stream : {&output_, &log_}) {
    stream->forget_dead();
    if (stream->size() == 0) stream->shrink(0);
  }
  if (control_->in_end == wire_layout::published(*control_).in_begin) {
    file_->give_back(block_offset_ + kPage, kBlockSize - kPage);
    block_reserved_ = false;
  }
}

// --- who -----------------------------------------------------------------------

WirePeer WireSlot::peer() const noexcept {
  const char* end = std::find(std::begin(control_->command), std::end(control_->command), '\0');
  return {.domid = static_cast<DomId>(control_->domid),
          .pid = control_->pid,
          .uid = control_->uid,
          .features = control_->features,
          .command = {control_->command, end}};
}

void WireSlot::set_command(std::string_view command) noexcept {
  const std::size_t length = std::min(command.size(), sizeof control_->command - 1);
  std::fill(std::begin(control_->command), std::end(control_->command), '\0');
  std::copy_n(command.begin(), length, control_->command);
}

// --- how far -------------------------------------------------------------------

WireSlot::Progress WireSlot::progress() const noexcept {
  const Set& set = wire_layout::published(*control_);
  return {.in_begin = set.in_begin,
          .handled = set.handled,
          .out_begin = std::max(set.out_begin, output_.begin()),
          .out_end = set.out_end,
          .log_begin = std::max(set.log_begin, log_.begin()),
          .log_end = set.log_end};
}

void WireSlot::publish(const Progress& progress) noexcept {
  wire_layout::publish(*control_, Set{.in_begin = progress.in_begin,
                                      .handled = progress.handled,
                                      .out_begin = std::max(progress.out_begin, output_.begin()),
                                      .out_end = progress.out_end,
                                      .out_origin = output_.origin(),
                                      .log_begin = std::max(progress.log_begin, log_.begin()),
                                      .log_end = progress.log_end,
                                      .log_origin = log_.origin()});
  output_.published();
  log_.published();
  if (log_.touched_ > 0) log_.forget_dead();
}

// --- input ---------------------------------------------------------------------

// Bytes move only to where they do not overlap what they were, so that one store of the origin
// moves them: before it the old ones are whole, after it the new ones.
std::size_t WireSlot::make_input_room() noexcept {
  Control& control = *control_;
  const std::uint64_t begin = wire_layout::published(control).in_begin;
  const std::uint64_t pending = control.in_end - begin;
  const std::uint64_t place = begin - control.in_origin;
  if (place > 0 && pending == 0) {
    store_word(control.in_origin, begin);
  } else if (place >= pending && control.in_end - control.in_origin + kReceiveSize > kInputSize) {
    char* input = block_ + kControlSize;
    std::copy_n(input + place, pending, input);
    store_word(control.in_origin, begin);
  }
  return kInputSize - (control.in_end - control.in_origin);
}

// A socket has a peek offset, and the kernel takes every byte that is received from it (socket(7),
// SO_PEEK_OFF). Nobody peeks: so, begun at a large number, it counts what was received, in the
// kernel, and at the socket, which outlives us. A plain recv() is exact with it, and 0.3 us cheaper
// than recvmmsg(), which would leave the count in the slot.
tl::expected<void, int> WireSlot::attach(int fd) {
  Control& control = *control_;
  if (control.in_counter == 0) return count_anew(fd);  // nothing was received
  int left = 0;
  socklen_t length = sizeof left;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &left, &length) != 0) {
    return tl::make_unexpected(errno);
  }
  const std::uint64_t position = control.in_counter - static_cast<std::uint64_t>(left);
  const std::uint64_t room = kInputSize - (control.in_end - control.in_origin);
  if (left >= 0 && position - control.in_end <= room) {
    store_word(control.in_end, position);
    VXS_CRASH_POINT("start-input-counted");
    attached_ = true;
    return {};
  }
  // The predecessor died in count_anew(), with all noted.
  if (left == kCounter) return count_anew(fd);
  return tl::make_unexpected(EBADMSG);
}

bool WireSlot::has_received(int fd) noexcept {
  int left = -1;  // of a socket that does not count
  socklen_t length = sizeof left;
  return ::getsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &left, &length) == 0 && left >= 0;
}

tl::expected<void, int> WireSlot::count_anew(int fd) {
  if (::setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &kCounter, sizeof kCounter) != 0) {
    return tl::make_unexpected(errno);
  }
  store_word(control_->in_counter, control_->in_end + kCounter);
  attached_ = true;
  return {};
}

tl::expected<std::size_t, int> WireSlot::receive(int fd) {
  Control& control = *control_;
  if (!attached_) {
    if (const auto attached = attach(fd); !attached) return tl::make_unexpected(attached.error());
  }
  const std::size_t room = std::min(make_input_room(), kReceiveSize);
  if (room == 0) return tl::make_unexpected(ENOBUFS);
  char* to = block_ + kControlSize + (control.in_end - control.in_origin);
  const ssize_t count = ::recv(fd, to, room, MSG_DONTWAIT);
  if (count < 0) return tl::make_unexpected(errno == EFAULT ? ENOMEM : errno);
  VXS_CRASH_POINT("received");
  store_word(control.in_end, control.in_end + static_cast<std::size_t>(count));
  if (control.in_counter - control.in_end < kCountAnewBelow) (void)count_anew(fd);
  return static_cast<std::size_t>(count);
}

std::span<char> WireSlot::input_room(std::size_t wanted) {
  const std::size_t room = std::min(make_input_room(), wanted);
  const std::uint64_t place = kControlSize + (control_->in_end - control_->in_origin);
  // The control words' page is there: a ring of short requests needs no other.
  if (place + room > kPage && !block_reserved_) {
    if (!file_->reserve(block_offset_, kBlockSize)) return {};
    block_reserved_ = true;
  }
  return {block_ + place, room};
}

// --- output --------------------------------------------------------------------

std::string_view WireSlot::sendable() const noexcept {
  const std::uint64_t from = control_->out_sent;
  const std::uint64_t to = output_.published_end();
  return from == to ? std::string_view() : output_.view(from, to);
}

tl::expected<std::size_t, int> WireSlot::send(int fd) {
  Control& control = *control_;
  const std::string_view bytes = sendable();
  if (bytes.empty()) return std::size_t{0};
  control.send_from = {const_cast<char*>(bytes.data()), bytes.size()};
  control.send.msg_len = 0;
  store_word(control.send_at, control.out_sent);
  VXS_CRASH_POINT("send-begun");
  const int count = ::sendmmsg(fd, &control.send, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (count != 1) return tl::make_unexpected(errno);
  const std::size_t moved = control.send.msg_len;
  VXS_CRASH_POINT("sent");
  store_word(control.out_sent, control.out_sent + moved);
  return moved;
}

void WireSlot::begin_send(std::size_t count) noexcept {
  store_word(control_->send_length, count);
  store_word(control_->send_at, control_->out_sent);
}

std::size_t WireSlot::unfinished_send() const noexcept {
  if (control_->send_at != control_->out_sent) return 0;
  return std::min(control_->send_length, sendable().size());
}

// --- rings ---------------------------------------------------------------------

void WireSlot::set_ring_indices(std::uint32_t req_cons, std::uint32_t rsp_prod) noexcept {
  store_word(control_->ring_in_origin, control_->in_end - req_cons);
  store_word(control_->ring_out_origin, control_->out_sent - rsp_prod);
}

}  // namespace vxs::daemon
