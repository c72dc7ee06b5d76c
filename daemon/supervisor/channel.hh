// One end of the socket pair between supervisor and daemon.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <utility>

#include "daemon/process/start_error.hh"
#include "daemon/supervisor/message.hh"

namespace vxs::supervisor {

/// Finds the descriptor that is kept under a name; -1 if none is any more.
using FindDescriptor = std::function<int(const std::string&)>;

/// Sends in order and never waits: what the socket does not take is queued. The queue holds names,
/// not descriptors: whoever keeps them is asked when a message is sent, and what was released by
/// then is not sent. One thread.
class Channel {
 public:
  enum class Received : std::uint8_t {
    kMessage,
    kNothing,  ///< no more for now
    kStrange,  ///< a message that says nothing to this version; go on
    kClosed,   ///< the other end is gone, and all it sent was read
  };

  /// Not connected.
  Channel() = default;
  /// Makes the socket non-blocking and close-on-exec.
  explicit Channel(process::Descriptor socket);

  /// A connected pair, both ends close-on-exec. Errors: system calls.
  [[nodiscard]] static process::StartResult<std::pair<process::Descriptor, process::Descriptor>>
  make_pair();

  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(socket_); }
  [[nodiscard]] int fd() const noexcept { return socket_.get(); }

  /// Queues a message behind the others. `message.fd` is not looked at. Nothing happens on a
  /// channel that is not connected.
  void queue(Message message);
  /// Sends what the socket takes. True while something is left, which wants the socket to become
  /// writable. If the other end is gone, the queue is dropped; receive() tells.
  bool send_pending(const FindDescriptor& find);
  [[nodiscard]] bool has_pending() const noexcept { return !queue_.empty(); }

  /// The next message. A descriptor for which there was no room arrives as none (MSG_CTRUNC).
  [[nodiscard]] Received receive(Message& message);

 private:
  process::Descriptor socket_;
  std::deque<Message> queue_;
};

}  // namespace vxs::supervisor
