// One ring: its page, its event channel, and messages put together from the page's bytes. Knows no
// dispatcher and no queue; daemon/rings/ring_server.hh decides when it is read and written.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/core/connection.hh"
#include "daemon/core/outbox.hh"
#include "daemon/core/rings.hh"
#include "daemon/hypervisor/hypervisor.hh"
#include "daemon/loop/slot_session.hh"
#include "protocol/ring_page.hh"
#include "protocol/wire.hh"

namespace vxs::daemon {

/// What one look at the requests found.
enum class RingInput : std::uint8_t {
  kMessage,   ///< one whole request, taken
  kNeedMore,  ///< no whole request yet
  kBadIndex,  ///< A17: error 2
  kTooLong,   ///< A7, A17: error 3
};

/// What one attempt to send came to.
enum class RingOutput : std::uint8_t {
  kDone,      ///< nothing is left that may leave
  kFull,      ///< the guest has to read first
  kMore,      ///< enough for one turn; there is room for more
  kBadIndex,  ///< A17: error 2
};

/// One thread. Guest-controlled memory is bounded: half a request, 4112 bytes at most.
class Ring {
 public:
  Ring(DomId domid, std::unique_ptr<RingPage> page);

  [[nodiscard]] DomId domid() const noexcept { return domid_; }
  [[nodiscard]] protocol::RingPageView page() const noexcept { return view_; }
  /// False after close().
  [[nodiscard]] bool open() const noexcept { return page_ != nullptr; }
  /// Unmaps the page; nothing may be asked of the ring then but open().
  void close() noexcept { page_.reset(); }

  /// Looks once at the requests. kMessage: `frame` is the next one, until the next call, and the
  /// page was told that it was taken; it lies in the slot of a kept ring, else in `buffer`. A
  /// request that fits the ring stays there until it is whole, so that any daemon that is killed
  /// meanwhile, or ends, finds it again.
  [[nodiscard]] RingInput receive(std::string& buffer, protocol::DecodeResult& frame);
  /// True if a look would find something new, or nonsense.
  [[nodiscard]] bool has_input() const noexcept;
  /// Part of a request lies in the ring. The guest may say nothing when it adds the rest: Linux
  /// signals only what it writes into an empty ring.
  [[nodiscard]] bool half_read() const noexcept { return seen_ > 0; }
  /// A frame waits for more room than there is. The guest may say nothing when it makes room:
  /// Linux signals only when it reads from a full ring.
  [[nodiscard]] bool short_of_room() const noexcept { return short_of_room_; }

  /// Part of a message was taken from the ring, or is in it, and only we know the rest.
  [[nodiscard]] bool mid_request() const noexcept {
    return session ? !session->unhandled().empty() : !partial_.empty();
  }
  [[nodiscard]] bool mid_reply() const noexcept { return frame_left_ > 0; }

  /// What was taken of a request that is not whole, and what is left of a reply half written.
  [[nodiscard]] std::string taken() const {
    return session ? std::string(session->unhandled()) : partial_;
  }
  [[nodiscard]] std::size_t frame_left() const noexcept { return frame_left_; }

  /// Moves what may leave into the ring, at most a few ring sizes. Frames that fit the ring are
  /// written whole or not at all: no guest is left with half a reply when the daemon dies.
  [[nodiscard]] RingOutput send(Outbox& outbox);

  /// Zeroes the indices and forgets halves of messages (F2, F3, A20). Those of a kept ring's
  /// session are forgotten already.
  void reset_streams();

  /// Of a slot that an earlier process left, before anything else: our indices in the page become
  /// what the slot says, with what that process had moved and not noted. Indices that the guest
  /// changed meanwhile count, as they always do. False: nobody knows what it was sent.
  [[nodiscard]] bool take_up();
  /// After take_up(), and with the connection's output in the slot.
  void note_half_sent() { frame_left_ = session->half_sent(); }

  // --- owned by the RingServer -----------------------------------------------
  /// Of a kept ring; nullptr: it is volatile.
  std::unique_ptr<SlotSession> session;
  bool taken_up = false;             ///< its session is of an earlier process, and to be resumed
  bool lost_count = false;           ///< take_up() failed
  std::optional<Port> port;          ///< ours; none if binding failed
  Connection* connection = nullptr;  ///< nullptr until it is served
  bool masked = false;               ///< the port is pending and not unmasked yet
  bool paused = false;
  bool queued = false;   ///< waits for its turn
  bool touched = false;  ///< an index moved: the guest is to be told at the end of the pass
  bool listed = false;   ///< on the list of those
  /// When it is looked at next, for it may go on without a signal.
  std::optional<std::int64_t> look_at_us;
  unsigned looks = 0;  ///< how often it was looked at for that without success

 private:
  [[nodiscard]] RingInput receive_kept(protocol::DecodeResult& frame);
  /// Moves the next bytes of the requests into the slot. False: no memory.
  [[nodiscard]] bool take(protocol::RingReader& reader, std::size_t count);
  /// How many bytes to write into `room`: whole frames, or a part of one that never fits.
  [[nodiscard]] std::size_t whole_frames(std::string_view bytes, std::size_t room);

  DomId domid_;
  std::unique_ptr<RingPage> page_;
  protocol::RingPageView view_;

  bool short_of_room_ = false;
  /// The beginning of a request that does not fit the ring.
  std::string partial_;
  /// Bytes of the frame at the outbox's front that are not in the ring yet; 0 between frames.
  std::size_t frame_left_ = 0;
  /// What was unread when a look last found no whole request.
  std::uint32_t seen_ = 0;
};

}  // namespace vxs::daemon
