#include "daemon/loop/socket_server.hh"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "protocol/wire.hh"

namespace vxs::daemon {
namespace {

/// One read holds at least one whole frame, and little more: a flooding client costs little per
/// pass.
constexpr std::size_t kReadSize = 8192;
constexpr std::size_t kMaxUnsent = 256 * 1024;
/// Accepting costs as much as ten requests, so those who come and go are let in one by one.
constexpr int kAcceptsPerPass = 1;
constexpr std::int64_t kAcceptPauseUs = 100'000;
/// Requests that are served in one pass to those who send many at once, together. Beyond it each
/// gets one: who asks one thing at a time waits for a short pass.
constexpr std::size_t kMaxBudget = 16;
/// Connections of the backlog that are served in one pass. Each may cost a large reply and a system
/// call; those who are not in it come first, since their requests are handled when they are read.
constexpr std::size_t kBacklogPerPass = 3;

/// The command name of a peer, as the kernel keeps it; empty if it is gone.
std::string command_of(pid_t pid) {
  const std::string path = fmt::format("/proc/{}/comm", pid);
  const process::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char name[64];
  const ssize_t length = file ? ::read(file.get(), name, sizeof name) : 0;
  if (length <= 0) return {};
  std::string command(name, static_cast<std::size_t>(length));
  if (command.ends_with('\n')) command.pop_back();
  return command;
}

}  // namespace

SocketServer::SocketServer(EventLoop& loop, Server& server, int listen_fd)
    : loop_(loop),
      server_(server),
      listen_fd_(listen_fd),
      buffer_(kReadSize),
      pass_left_(kMaxBudget) {
  accepting_ = loop_.readable(listen_fd_, [this] { accept_clients(); });
  accept_again_ = loop_.timer([this] { accepting_.enable(); });
}

SocketServer::~SocketServer() {
  for (auto& [connection, client] : clients_) server_.remove_connection(*connection);
}

void SocketServer::start() { accepting_.enable(); }

void SocketServer::stop_reading() {
  stopping_ = true;
  accepting_.disable();
  accept_again_.disable();
  backlog_.clear();
  for (auto& [connection, client] : clients_) {
    client->queued = false;
    watch_descriptor(*client);
  }
}

// --- accepting ---------------------------------------------------------------

void SocketServer::accept_clients() {
  // After a shortage one more is tried, to see when nobody waits any more.
  const int tries = kAcceptsPerPass + (accept_paused_ ? 1 : 0);
  for (int i = 0; i < tries; ++i) {
    const int fd = ::accept4(listen_fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      add_client(fd);
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == EAGAIN) {
      accept_paused_ = false;
      return;
    }
    // Out of descriptors or memory: those that are connected go on, new ones wait in the queue.
    if (!accept_paused_) {
      server_.observer().warn(
          fmt::format("cannot accept a client ({}); {} are connected; trying again every {} ms",
                      std::strerror(errno), clients_.size(), kAcceptPauseUs / 1000));
    }
    accept_paused_ = true;
    accepting_.disable();
    accept_again_.enable_after(kAcceptPauseUs);
    return;
  }
}

void SocketServer::add_client(int fd) {
  auto client = std::make_unique<Client>();
  client->fd.reset(fd);
  Connection::Peer peer;
  peer.id = server_.new_connection_id();
  peer.caller.domid = server_.domains().store_domid();
  peer.caller.privileged = server_.domains().sockets_privileged();
  ucred credentials{};
  socklen_t length = sizeof credentials;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0) {
    peer.pid = credentials.pid;
    peer.uid = credentials.uid;
  }
  client->connection = &server_.add_connection(std::move(peer));
  Client& added = *client;
  added.read = loop_.readable(fd, [this, &added] { on_readable(added); });
  added.write = loop_.writable(fd, [this, &added] {
    send(added);
    watch_descriptor(added);
    close_if_done(added);
  });
  added.read.enable();
  clients_.emplace(added.connection, std::move(client));
}

// Who asks nothing is not looked up in /proc: that costs more than all else of a connection.
void SocketServer::look_up(Client& client) {
  if (client.looked_up) return;
  client.looked_up = true;
  const auto pid = client.connection->peer().pid;
  if (pid != 0) client.connection->set_command(command_of(pid));
}

// --- input -------------------------------------------------------------------

bool SocketServer::may_read(const Client& client) const {
  return !stopping_ && !client.ended && !client.broken && !client.connection->doomed &&
         client.connection->outbox.unsent() < kMaxUnsent && !has_request(client) &&
         !client.connection->pending;
}

bool SocketServer::has_request(const Client& client) const {
  if (client.input.empty()) return false;
  const auto decoded =
      protocol::decode_frame(std::string_view(client.input).substr(client.handled));
  return decoded.status != protocol::DecodeStatus::kNeedMore;
}

std::size_t SocketServer::budget() const noexcept {
  return std::max<std::size_t>(1, pass_left_ / (backlog_.size() + 1));
}

void SocketServer::on_readable(Client& client) {
  if (may_read(client)) receive(client);
  watch_descriptor(client);
  close_if_done(client);
}

void SocketServer::receive(Client& client) {
  const ssize_t count = ::recv(client.fd.get(), buffer_.data(), buffer_.size(), 0);
  if (count < 0) {
    if (errno != EAGAIN && errno != EINTR) client.broken = true;
    return;
  }
  if (count == 0) {
    client.ended = true;
    return;
  }
  const std::string_view bytes(buffer_.data(), static_cast<std::size_t>(count));
  if (client.input.empty()) {
    // The usual case: whole requests, handled where they were read.
    const std::size_t used = handle_frames(client, bytes, budget());
    client.input.assign(bytes.substr(used));
  } else {
    client.input.append(bytes);
    serve(client, budget());
  }
  queue(client);
}

void SocketServer::serve(Client& client, std::size_t budget) {
  client.handled +=
      handle_frames(client, std::string_view(client.input).substr(client.handled), budget);
  if (client.handled == client.input.size()) {
    client.input = std::string();  // an idle client keeps no buffer
    client.handled = 0;
  } else if (client.handled >= kReadSize) {
    client.input.erase(0, client.handled);
    client.handled = 0;
  }
}

std::size_t SocketServer::handle_frames(Client& client, std::string_view bytes,
                                        std::size_t budget) {
  std::size_t used = 0;
  while (budget > 0 && server_.ready_for(*client.connection) &&
         client.connection->outbox.unsent() < kMaxUnsent) {
    const auto decoded = protocol::decode_frame(bytes.substr(used));
    if (decoded.status == protocol::DecodeStatus::kNeedMore) break;
    if (decoded.status == protocol::DecodeStatus::kTooLong) {
      client.broken = true;  // A7: no reply
      return bytes.size();
    }
    look_up(client);
    server_.handle(*client.connection, decoded.header, decoded.payload);
    used += decoded.consumed;
    --budget;
    if (pass_left_ > 0) --pass_left_;
  }
  return used;
}

void SocketServer::queue(Client& client) {
  if (client.queued || stopping_ || client.broken || !has_request(client)) return;
  if (!server_.ready_for(*client.connection)) return;  // flush() queues it when it was released
  if (client.connection->outbox.unsent() >= kMaxUnsent) return;  // send() queues it again
  client.queued = true;
  backlog_.push_back(&client);
}

void SocketServer::serve_backlog() {
  const std::size_t share = budget();
  // A short pass: who asks one thing at a time waits for a few of those who flood, not for all.
  for (std::size_t left = std::min(backlog_.size(), kBacklogPerPass); left > 0; --left) {
    Client& client = *backlog_.front();
    backlog_.pop_front();
    client.queued = false;
    serve(client, share);
    queue(client);
    watch_descriptor(client);
    close_if_done(client);
  }
}

// --- output ------------------------------------------------------------------

void SocketServer::send(Client& client) {
  Outbox& outbox = client.connection->outbox;
  while (!client.broken) {
    const std::string_view bytes = outbox.sendable();
    if (bytes.empty()) break;
    if (client.deaf) {
      outbox.sent(bytes.size());
      continue;
    }
    const ssize_t count = ::send(client.fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count >= 0) {
      outbox.sent(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN) {
      break;
    } else if (errno != EINTR) {
      client.deaf = true;
    }
  }
  queue(client);
}

void SocketServer::watch_descriptor(Client& client) {
  const bool want_read = may_read(client);
  if (want_read != client.reading) {
    client.reading = want_read;
    want_read ? client.read.enable() : client.read.disable();
  }
  const bool want_write = !client.broken && !client.connection->outbox.sendable().empty();
  if (want_write != client.writing) {
    client.writing = want_write;
    want_write ? client.write.enable() : client.write.disable();
  }
}

void SocketServer::flush() {
  closed_.clear();
  pass_left_ = kMaxBudget;
  server_.take_dirty(dirty_);
  for (Connection* connection : dirty_) {
    const auto found = clients_.find(connection);
    if (found == clients_.end()) continue;
    Client& client = *found->second;
    send(client);
    watch_descriptor(client);
    close_if_done(client);
  }
}

void SocketServer::close_if_done(Client& client) {
  const bool served = client.ended && !has_request(client) && !client.connection->pending &&
                      client.connection->outbox.empty();
  if (!served && !client.broken && !client.connection->doomed) return;
  // Replies to requests before a broken one may still go out (A7 closes at once, and no later).
  const std::string_view rest = client.connection->outbox.sendable();
  if (client.broken && !rest.empty()) {
    (void)!::send(client.fd.get(), rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  if (client.queued) std::erase(backlog_, &client);
  client.read.disable();
  client.write.disable();
  client.fd.reset();
  const auto found = clients_.find(client.connection);
  server_.remove_connection(*client.connection);
  closed_.push_back(std::move(found->second));
  clients_.erase(found);
}

}  // namespace vxs::daemon
