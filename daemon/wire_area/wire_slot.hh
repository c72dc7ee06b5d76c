// What one connection leaves behind when the process dies: bytes that came in, bytes that have to
// go out, how far each of them is, and the log of its open transactions (design §6).
//
// Three rules make it exact at a SIGKILL between any two instructions:
// 1. How many bytes the kernel moved is noted by the kernel, within the system call that moved
// them:
//    of what it sent, in the slot (sendmmsg's msg_len); of what it received, at the socket.
// 2. What belongs together changes by one store: publish().
// 3. Nothing that is published is overwritten.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include <tl/expected.hpp>

#include "daemon/wire_area/area_file.hh"
#include "daemon/wire_area/layout.hh"
#include "daemon/wire_area/wire_bytes.hh"
#include "protocol/ids.hh"

namespace vxs::daemon {

enum class WireKind : std::uint32_t { kSocket = 1, kRing = 2 };

/// Who is at the other end, as it was when the slot was opened.
struct WirePeer {
  DomId domid = 0;
  std::int32_t pid = 0;
  std::uint32_t uid = 0;
  std::uint32_t features = 0;
  std::string_view command;  ///< at most 15 bytes are kept, up to the first NUL
};

/// Made and owned by the WireArea. One thread.
class WireSlot {
 public:
  WireSlot(const WireSlot&) = delete;
  WireSlot& operator=(const WireSlot&) = delete;

  // --- who -------------------------------------------------------------------
  [[nodiscard]] std::uint32_t index() const noexcept { return index_; }
  [[nodiscard]] ConnectionId connection() const noexcept { return control_->connection; }
  [[nodiscard]] WireKind kind() const noexcept { return static_cast<WireKind>(control_->kind); }
  /// The n of its descriptor's name at the supervisor, "client-<n>"; as given to open_slot().
  [[nodiscard]] std::uint64_t descriptor() const noexcept { return control_->descriptor; }
  /// `command` points into the slot.
  [[nodiscard]] WirePeer peer() const noexcept;
  void set_command(std::string_view command) noexcept;
  void set_features(std::uint32_t features) noexcept { control_->features = features; }
  [[nodiscard]] TxId next_tx() const noexcept { return static_cast<TxId>(control_->next_tx); }
  /// In force at once, published or not: an id is never given twice.
  void set_next_tx(TxId next) noexcept { wire_layout::store_word(control_->next_tx, next); }

  // --- how far ---------------------------------------------------------------
  /// What publish() changes, all of it in one step. Positions are of the streams below.
  struct Progress {
    std::uint64_t in_begin = 0;   ///< first byte of input that was not handled
    std::uint64_t handled = 0;    ///< ordinal of the last request whose reply is in the output
    std::uint64_t out_begin = 0;  ///< a frame's beginning, at or before sent()
    std::uint64_t out_end = 0;    ///< what may leave, and outlives the process, ends here
    std::uint64_t log_begin = 0;
    std::uint64_t log_end = 0;
  };
  /// As published last.
  [[nodiscard]] Progress progress() const noexcept;
  /// REQUIRES: nothing goes back but by output().rewrite() and log().rewrite(); in_begin <=
  /// in_end(), out_begin <= sent(), out_end <= output().end(), log_begin <= log_end <= log().end().
  /// An out_begin older than output().begin() counts as that. A log of which nothing is left
  /// (log_begin == log_end == log().end()) gives its memory back.
  void publish(const Progress& progress) noexcept;

  // --- input -----------------------------------------------------------------
  /// Of an adopted socket, before anything is asked of its input: counts what the predecessor had
  /// received and not noted. Errors: EBADMSG: the counts cannot be true, nobody knows what came and
  /// the connection must be closed; others: `fd` is not a unix socket.
  [[nodiscard]] tl::expected<void, int> attach(int fd);
  /// Whether a slot of any process received from this socket: where its stream stands is known to
  /// that slot only.
  [[nodiscard]] static bool has_received(int fd) noexcept;
  /// One receive of at most 8 KiB, without waiting; attach() is part of the first. How many bytes
  /// came; 0: the peer sends no more. Moves what is in the buffer: views of the input end here.
  /// Errors: those of attach(); EAGAIN; ENOBUFS: there is no room before progress().in_begin moves
  /// on (cannot be where at most one frame, or part of one, is unpublished); ENOMEM: try again
  /// later, nothing is lost; ECONNRESET: all came, the peer closed without reading all; the next
  /// one says 0; others: the connection is broken.
  [[nodiscard]] tl::expected<std::size_t, int> receive(int fd);
  [[nodiscard]] std::uint64_t in_end() const noexcept { return control_->in_end; }
  /// The bytes from position `from` on. REQUIRES: progress().in_begin <= from <= in_end().
  [[nodiscard]] std::string_view input(std::uint64_t from) const noexcept {
    return {block_ + wire_layout::kControlSize + (from - control_->in_origin),
            control_->in_end - from};
  }
  /// For what does not come by a descriptor: room for bytes, `wanted` at most, which add_input(n)
  /// then makes the next n of the input in one step. Views of the input end here. Shorter than
  /// wanted: there is no more room. Empty: no memory either.
  [[nodiscard]] std::span<char> input_room(std::size_t wanted = wire_layout::kInputSize);
  void add_input(std::size_t count) noexcept {
    wire_layout::store_word(control_->in_end, control_->in_end + count);
  }

  // --- output ----------------------------------------------------------------
  [[nodiscard]] WireBytes& output() noexcept { return output_; }
  [[nodiscard]] const WireBytes& output() const noexcept { return output_; }
  /// The position of the next byte to leave.
  [[nodiscard]] std::uint64_t sent() const noexcept { return control_->out_sent; }
  /// The bytes that may leave now: from sent() to the published end.
  [[nodiscard]] std::string_view sendable() const noexcept;
  /// One send of all sendable() bytes, without waiting and without SIGPIPE. How many left; 0 if
  /// there were none. They stay in output().view() until output().forget_dead() or the next
  /// append() finds that all is out. Errors: EAGAIN; others: the peer takes no more.
  [[nodiscard]] tl::expected<std::size_t, int> send(int fd);
  /// Counts all sendable() bytes as sent: nobody reads them.
  void discard_sendable() noexcept {
    wire_layout::store_word(control_->out_sent, output_.published_end());
  }

  /// For what does not leave by a descriptor: "the next `count` bytes may be moved from now on". At
  /// most that many were, if the process dies before finish_send().
  void begin_send(std::size_t count) noexcept;
  /// `count` of them were moved.
  void finish_send(std::size_t count) noexcept {
    wire_layout::store_word(control_->out_sent, control_->out_sent + count);
    control_->send_length = 0;
  }
  /// Of an adopted ring: what begin_send() had announced; 0 if nothing was under way. The caller
  /// finds out how many were moved and says finish_send().
  [[nodiscard]] std::size_t unfinished_send() const noexcept;

  // --- rings -----------------------------------------------------------------
  /// Our two indices in the ring's page follow from the positions, so that one store moves both.
  [[nodiscard]] std::uint32_t req_cons() const noexcept {
    return static_cast<std::uint32_t>(control_->in_end - control_->ring_in_origin);
  }
  [[nodiscard]] std::uint32_t rsp_prod() const noexcept {
    return static_cast<std::uint32_t>(control_->out_sent - control_->ring_out_origin);
  }
  /// The indices at the present positions. Two stores: a reset is a record whose replay repeats it.
  void set_ring_indices(std::uint32_t req_cons, std::uint32_t rsp_prod) noexcept;
  /// add_input() of what was copied from the ring, and "its producer is told after this": the page
  /// has req_cons() or, until finish_taking(), `count` less.
  void begin_taking(std::size_t count) noexcept {
    wire_layout::store_word(control_->ring_taking, count);
    add_input(count);
  }
  void finish_taking() noexcept { wire_layout::store_word(control_->ring_taking, 0); }
  /// Of an adopted ring: what begin_taking() had announced last, if it was not finished; else 0.
  [[nodiscard]] std::uint32_t unfinished_taking() const noexcept {
    return static_cast<std::uint32_t>(control_->ring_taking);
  }
  /// The record after which the streams of the ring began anew (it was introduced, or connected
  /// again), in slot and page. 0: they have not begun.
  [[nodiscard]] Seq ring_begun() const noexcept { return control_->ring_begun; }
  void set_ring_begun(Seq seq) noexcept { wire_layout::store_word(control_->ring_begun, seq); }

  // --- open transactions -----------------------------------------------------
  [[nodiscard]] WireBytes& log() noexcept { return log_; }
  [[nodiscard]] const WireBytes& log() const noexcept { return log_; }

  /// Gives back every page the connection does not need while it is idle. A few system calls.
  void trim() noexcept;

 private:
  friend class WireArea;

  WireSlot(const AreaFile& file, std::uint32_t index, std::uint64_t block, std::uint64_t data,
           std::uint64_t output_limit, std::uint64_t log_limit) noexcept;
  /// A new connection's beginning. The slot is free, its control page reserved.
  void initialize() noexcept;
  /// After adoption: counts what the kernel had moved, and takes up the streams.
  void take_up() noexcept;
  /// The slot is free: gives back all pages, or all but a few for the next one.
  void release(bool keep_some) noexcept;
  void prepare_kernel_words() noexcept;
  [[nodiscard]] std::size_t make_input_room() noexcept;
  [[nodiscard]] tl::expected<void, int> count_anew(int fd);

  const AreaFile* file_;
  std::uint32_t index_;
  std::uint64_t block_offset_;
  char* block_;
  wire_layout::Control* control_;
  WireBytes output_;
  WireBytes log_;
  bool block_reserved_ = false;  ///< all of it, not only the control page
  bool attached_ = false;
};

}  // namespace vxs::daemon
