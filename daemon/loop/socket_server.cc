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
#include "store/crash_point.hh"

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

SocketServer::SocketServer(EventLoop& loop, Server& server, int listen_fd, KeptConnections* kept)
    : loop_(loop),
      server_(server),
      listen_fd_(listen_fd),
      kept_(kept),
      buffer_(kReadSize),
      pass_left_(kMaxBudget) {
  accepting_ = loop_.readable(listen_fd_, [this] { accept_clients(); });
  accept_again_ = loop_.timer([this] { accepting_.enable(); });
}

SocketServer::~SocketServer() {
  for (auto& [connection, client] : clients_) server_.remove_connection(*connection);
}

void SocketServer::start() {
  if (kept_ == nullptr) {
    accepting_.enable();
    return;
  }
  for (auto& [number, fd] : kept_->take_newcomers()) add_client(std::move(fd), number);
}

void SocketServer::accepted(std::uint64_t number, process::Descriptor fd) {
  if (stopping_) return;  // it stays kept, and is a newcomer of the next process
  add_client(std::move(fd), number);
}

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

void SocketServer::drain() {
  draining_ = true;
  for (auto& [connection, client] : clients_) queue(*client);
}

// --- accepting ---------------------------------------------------------------

void SocketServer::accept_clients() {
  // After a shortage one more is tried, to see when nobody waits any more.
  const int tries = kAcceptsPerPass + (accept_paused_ ? 1 : 0);
  for (int i = 0; i < tries; ++i) {
    const int fd = ::accept4(listen_fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      add_client(process::Descriptor(fd), 0);
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

void SocketServer::add_client(process::Descriptor fd, std::uint64_t number) {
  auto client = std::make_unique<Client>();
  client->fd = std::move(fd);
  Connection::Peer peer;
  peer.id = server_.new_connection_id();
  peer.caller.domid = server_.domains().store_domid();
  peer.caller.privileged = server_.domains().sockets_privileged();
  ucred credentials{};
  socklen_t length = sizeof credentials;
  if (::getsockopt(client->fd.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0) {
    peer.pid = credentials.pid;
    peer.uid = credentials.uid;
  }
  WireSlot* slot = nullptr;
  if (kept_ != nullptr) {
    peer.kept = true;
    slot = kept_->add(peer, number);
    if (slot == nullptr) {
      server_.observer().warn(
          fmt::format("refusing a client (pid {}): no room in the wire area for one more beside {}",
                      peer.pid, clients_.size()));
      kept_->refuse(number, std::move(client->fd));
      return;
    }
  }
  client->connection = &server_.add_connection(std::move(peer));
  if (slot != nullptr) {
    client->session = std::make_unique<SlotSession>(*kept_, *slot);
    client->session->attach(*client->connection, server_.clock().monotonic_us());
  }
  insert(std::move(client)).read.enable();
}

SocketServer::Client& SocketServer::insert(std::unique_ptr<Client> client) {
  Client& added = *client;
  added.read = loop_.readable(added.fd.get(), [this, &added] { on_readable(added); });
  added.write = loop_.writable(added.fd.get(), [this, &added] {
    send(added);
    watch_descriptor(added);
    close_if_done(added);
  });
  clients_.emplace(added.connection, std::move(client));
  return added;
}

// --- kept clients --------------------------------------------------------------

void SocketServer::resume(const store::RecoveryReport& report) {
  for (auto& survivor : kept_->take_survivors()) resume(std::move(survivor), report);
}

void SocketServer::resume(KeptConnections::Survivor survivor, const store::RecoveryReport& report) {
  WireSlot& slot = *survivor.slot;
  const WirePeer kept = slot.peer();
  if (const auto counted = slot.attach(survivor.fd.get()); !counted) {
    server_.observer().error(
        fmt::format("closing connection {} (pid {}): what it sent while the last process died is "
                    "not known ({})",
                    slot.connection(), kept.pid, std::strerror(counted.error())));
    kept_->end(slot, std::move(survivor.fd));
    return;
  }
  auto client = std::make_unique<Client>();
  client->fd = std::move(survivor.fd);
  Connection::Peer peer;
  peer.id = slot.connection();
  peer.caller.domid = kept.domid;
  peer.caller.privileged = server_.domains().sockets_privileged();
  peer.pid = kept.pid;
  peer.uid = kept.uid;
  peer.command = kept.command;
  peer.features = kept.features;
  peer.kept = true;
  client->looked_up = !peer.command.empty();
  client->session = std::make_unique<SlotSession>(*kept_, slot);
  SlotSession& session = *client->session;
  client->connection = &server_.resume_connection(std::move(peer), report.system, session.kept());
  session.attach(*client->connection, server_.clock().monotonic_us());
  Client& added = insert(std::move(client));
  session.answer_carried_out(server_, report.carried_out);
  VXS_CRASH_POINT("start-client-resumed");
  session.publish(server_);
  VXS_CRASH_POINT("start-client-published");
  added.reading = false;
  added.blocked = true;  // who knows, and it may be owed something
  watch_descriptor(added);
  queue(added);
}

std::string_view SocketServer::unhandled(const Client& client) const {
  if (client.session) return client.session->unhandled();
  return std::string_view(client.input).substr(client.handled);
}

bool SocketServer::is_answered(const Client& client) {
  const Connection& connection = *client.connection;
  return client.session ? client.session->is_answered()
                        : !connection.pending && !connection.parked && !connection.held;
}

void SocketServer::receive_kept(Client& client) {
  const auto count = client.session->slot().receive(client.fd.get());
  if (!count) {
    const int error = count.error();
    const bool later = error == EAGAIN || error == EINTR || error == ENOMEM || error == ENOBUFS ||
                       error == ECONNRESET;  // the end comes next (A12)
    if (!later) client.broken = true;
    return;
  }
  if (*count == 0) {
    client.ended = true;
    return;
  }
  serve(client, budget());
  queue(client);
}

// Who asks nothing is not looked up in /proc: that costs more than all else of a connection.
void SocketServer::look_up(Client& client) {
  if (client.looked_up) return;
  client.looked_up = true;
  const auto pid = client.connection->peer().pid;
  if (pid == 0) return;
  client.connection->set_command(command_of(pid));
  if (client.session) client.session->slot().set_command(client.connection->peer().command);
}

// --- input -------------------------------------------------------------------

bool SocketServer::may_read(const Client& client) const {
  return !stopping_ && !client.ended && !client.broken && !client.connection->doomed &&
         has_room(client) && !has_request(client) && !client.connection->pending;
}

bool SocketServer::has_room(const Client& client) const {
  return draining_ || client.connection->outbox.unsent() < kMaxUnsent;
}

bool SocketServer::has_request(const Client& client) const {
  const std::string_view bytes = unhandled(client);
  if (bytes.empty()) return false;
  const auto decoded = protocol::decode_frame(bytes);
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
  if (client.session) {
    receive_kept(client);
    return;
  }
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
  if (client.session) {
    (void)handle_frames(client, unhandled(client), budget);
    return;
  }
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
  while (budget > 0 && server_.ready_for(*client.connection) && is_answered(client) &&
         has_room(client)) {
    const auto decoded = protocol::decode_frame(bytes.substr(used));
    if (decoded.status == protocol::DecodeStatus::kNeedMore) break;
    if (decoded.status == protocol::DecodeStatus::kTooLong) {
      client.broken = true;  // A7: no reply
      return bytes.size();
    }
    look_up(client);
    used += decoded.consumed;
    if (client.session) {
      client.session->handle(server_, decoded);
    } else {
      server_.handle(*client.connection, decoded.header, decoded.payload);
    }
    --budget;
    if (pass_left_ > 0) --pass_left_;
  }
  return used;
}

void SocketServer::queue(Client& client) {
  if (client.queued || stopping_ || client.broken || !has_request(client)) return;
  if (!server_.ready_for(*client.connection) || !is_answered(client))
    return;                       // flush() queues it when it was released
  if (!has_room(client)) return;  // send() queues it again
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

tl::expected<std::size_t, int> SocketServer::write(Client& client, std::string_view bytes) {
  if (client.session) return client.session->slot().send(client.fd.get());
  const ssize_t count = ::send(client.fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (count < 0) return tl::unexpected(errno);
  return static_cast<std::size_t>(count);
}

void SocketServer::send(Client& client) {
  Outbox& outbox = client.connection->outbox;
  if (client.session) client.session->publish(server_);
  client.blocked = false;
  while (!client.broken) {
    const std::string_view bytes = outbox.sendable();
    if (bytes.empty()) break;
    if (client.deaf) {
      if (client.session) client.session->slot().discard_sendable();
      outbox.sent(bytes.size());
      continue;
    }
    const auto count = write(client, bytes);
    if (count) {
      outbox.sent(*count);
    } else if (count.error() == EAGAIN) {
      client.blocked = true;
      break;
    } else if (count.error() != EINTR) {
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
  const bool want_write =
      client.blocked && !client.broken && !client.connection->outbox.sendable().empty();
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
  if ((client.broken || client.connection->doomed) && !rest.empty()) {
    (void)!::send(client.fd.get(), rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  if (client.queued) std::erase(backlog_, &client);
  client.read.disable();
  client.write.disable();
  const auto found = clients_.find(client.connection);
  if (client.session) server_.session_closed(*client.connection);
  // Its outbox and the log of its transactions lie in the slot: they go before it.
  server_.remove_connection(*client.connection);
  if (client.session) kept_->end(client.session->slot(), std::move(client.fd));
  client.fd.reset();
  closed_.push_back(std::move(found->second));
  clients_.erase(found);
}

}  // namespace vxs::daemon
