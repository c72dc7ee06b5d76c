// Clients on the unix socket: accept, read, hand requests to the Server, write
// what their outboxes hold, close. Those that are kept have a slot of the wire area, in which their
// bytes lie; the supervisor accepts them (daemon/loop/kept_connections.hh).
//
// Limits (issue "the daemon on sockets", 3): nothing is read from a socket with 256 KiB unsent; a
// connection is served a few requests per pass, so that none starves the others; a lack of
// descriptors pauses accepting, nothing else.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "daemon/core/server.hh"
#include "daemon/loop/event_loop.hh"
#include "daemon/loop/kept_connections.hh"
#include "daemon/loop/slot_session.hh"
#include "daemon/process/descriptor.hh"
#include "store/journal/journal.hh"

namespace vxs::daemon {

/// One thread, the loop's.
class SocketServer {
 public:
  /// `listen_fd` is non-blocking and outlives this object; it is accepted on unless there is
  /// `kept`, which outlives this object too.
  SocketServer(EventLoop& loop, Server& server, int listen_fd, KeptConnections* kept = nullptr);
  ~SocketServer();
  SocketServer(const SocketServer&) = delete;
  SocketServer& operator=(const SocketServer&) = delete;

  /// At start, once, with the state recovered: the clients of the process before go on.
  void resume(const store::RecoveryReport& report);
  /// Begins to accept.
  void start();
  /// The supervisor accepted a client.
  void accepted(std::uint64_t number, process::Descriptor fd);
  /// No new clients and no new requests; what is queued may still be flushed.
  void stop_reading();

  /// From now on whole requests that were read are handled however much their clients have unsent:
  /// serve_backlog() gets to all of them.
  void drain();

  /// True if requests wait that were read already: the loop must not sleep.
  [[nodiscard]] bool has_backlog() const noexcept { return !backlog_.empty(); }
  /// Serves requests that were read already, a few of each of a few connections.
  void serve_backlog();
  /// Sends what the outboxes of changed connections hold, and closes what is to be closed.
  void flush();

 private:
  struct Client {
    process::Descriptor fd;
    Connection* connection = nullptr;
    std::unique_ptr<SlotSession> session;  ///< of a kept one
    Interest read;
    Interest write;
    std::string input;        ///< read, not yet handled; at most one read more than a frame
    std::size_t handled = 0;  ///< of input
    bool reading = true;
    bool writing = false;
    /// Its socket was full. Else what it is to be sent goes out with flush(), and asking the kernel
    /// for room first, and not again afterwards, would be two system calls for each reply.
    bool blocked = false;
    bool ended = false;   ///< the peer sends no more
    bool broken = false;  ///< it sent nonsense, or cannot be read from any more
    /// Takes no more replies: what it sent before it closed is still carried out (A12).
    bool deaf = false;
    bool queued = false;     ///< in backlog_
    bool looked_up = false;  ///< its command name was looked up
  };

  void accept_clients();
  /// REQUIRES with kept_: a number.
  void add_client(process::Descriptor fd, std::uint64_t number);
  Client& insert(std::unique_ptr<Client> client);
  void resume(KeptConnections::Survivor survivor, const store::RecoveryReport& report);
  /// Whether the last request's reply may leave. The next one waits for that (kept ones).
  [[nodiscard]] static bool is_answered(const Client& client);
  [[nodiscard]] std::string_view unhandled(const Client& client) const;
  void receive_kept(Client& client);
  [[nodiscard]] tl::expected<std::size_t, int> write(Client& client, std::string_view bytes);
  void look_up(Client& client);
  void on_readable(Client& client);
  void receive(Client& client);
  void serve(Client& client, std::size_t budget);
  /// Handles whole frames from `bytes`; returns how many bytes were used.
  std::size_t handle_frames(Client& client, std::string_view bytes, std::size_t budget);
  void send(Client& client);
  void watch_descriptor(Client& client);
  [[nodiscard]] bool may_read(const Client& client) const;
  /// For the reply to one more request.
  [[nodiscard]] bool has_room(const Client& client) const;
  [[nodiscard]] bool has_request(const Client& client) const;
  void queue(Client& client);
  void close_if_done(Client& client);
  [[nodiscard]] std::size_t budget() const noexcept;

  EventLoop& loop_;
  Server& server_;
  int listen_fd_;
  KeptConnections* kept_;
  Interest accepting_;
  Interest accept_again_;
  std::unordered_map<Connection*, std::unique_ptr<Client>> clients_;
  std::deque<Client*> backlog_;
  std::vector<Connection*> dirty_;  ///< reused by flush()
  /// Closed in this pass; a callback of theirs may still be running.
  std::vector<std::unique_ptr<Client>> closed_;
  std::vector<char> buffer_;
  std::size_t pass_left_;       ///< requests that may still be served in this pass
  bool accept_paused_ = false;  ///< for want of descriptors; said once
  bool stopping_ = false;
  bool draining_ = false;
};

}  // namespace vxs::daemon
