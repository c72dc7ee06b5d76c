#include "tests/daemon/wire_area/echo.hh"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tests/daemon/wire_area/support.hh"

namespace vxs::daemon::test {
namespace {

struct Head {
  std::uint32_t size;
  FrameKind kind;
  std::uint64_t number;
};

/// A transaction log is cleared after such a request.
constexpr bool clears_log(std::uint64_t request) { return request % 64 == 0; }
constexpr bool is_logged(std::uint64_t request) { return request % 3 == 0; }
/// Entries that must not be dropped when the log is shortened.
constexpr bool stays_logged(std::uint64_t request) { return request % 2 == 1; }

/// The position behind the last frame that ends at or before `position`.
std::uint64_t frame_at(const WireBytes& stream, std::uint64_t position) {
  std::uint64_t at = stream.begin();
  while (at < position) {
    const auto frame = first_frame(stream.view(at, stream.end()));
    if (!frame || at + frame->size > position) break;
    at += frame->size;
  }
  return at;
}

}  // namespace

std::string make_frame(FrameKind kind, std::uint64_t connection, std::uint64_t number) {
  const std::uint64_t seed = number * 1000 + connection * 100 + static_cast<std::uint32_t>(kind);
  const bool large = kind != FrameKind::kEvent && number % 13 == connection;
  const std::size_t payload = seed * 7919 % (large ? 4080 : 120);
  const Head head{
      .size = static_cast<std::uint32_t>(sizeof(Head) + payload), .kind = kind, .number = number};
  std::string bytes(sizeof head, '\0');
  std::memcpy(bytes.data(), &head, sizeof head);
  return bytes + pattern(seed, payload);
}

std::optional<Frame> first_frame(std::string_view bytes) {
  Head head;
  if (bytes.size() < sizeof head) return std::nullopt;
  std::memcpy(&head, bytes.data(), sizeof head);
  if (bytes.size() < head.size) return std::nullopt;
  const std::size_t size = std::max<std::size_t>(head.size, sizeof head);
  return Frame{.kind = head.kind,
               .number = head.number,
               .payload = bytes.substr(sizeof head, size - sizeof head),
               .size = size};
}

bool is_true(const Frame& frame, std::uint64_t connection) {
  const std::string expected = make_frame(frame.kind, connection, frame.number);
  return frame.size == expected.size() &&
         frame.payload == std::string_view(expected).substr(sizeof(Head));
}

Echo::Echo(int area, std::vector<int> sockets, std::uint64_t seed)
    : area_fd_(area), sockets_(std::move(sockets)), random_(seed) {}

bool Echo::wrong(const Client& client, const std::string& what) {
  wrong_ = fmt::format("connection {}: {}", client.id, what);
  return false;
}

std::string Echo::run() {
  area_ = adopt(area_fd_);
  if (!area_->damage().empty()) return area_->damage().front();
  if (!take_up()) return wrong_;
  for (;;) {
    moved_ = false;
    for (Client& client : clients_) {
      if (!serve(client)) return wrong_;
    }
    if (moved_) continue;
    std::vector<pollfd> polled;
    for (const int fd : sockets_) polled.push_back({.fd = fd, .events = POLLIN, .revents = 0});
    (void)::poll(polled.data(), polled.size(), 1);
  }
}

bool Echo::take_up() {
  for (WireSlot* slot : area_->open_slots()) {
    const auto progress = slot->progress();
    Client client{.slot = slot,
                  .id = slot->connection(),
                  .fd = sockets_.at(slot->descriptor()),
                  .position = progress.in_begin,
                  .handled = progress.handled,
                  .log_begin = progress.log_begin};
    if (const auto attached = slot->attach(client.fd); !attached) {
      return wrong(client, std::strerror(attached.error()));
    }
    const WireBytes& output = slot->output();
    for (auto at = output.begin(); at < output.end();) {
      const auto frame = first_frame(output.view(at, output.end()));
      if (!frame) return wrong(client, "no frame in the output");
      if (!is_true(*frame, client.id)) return wrong(client, "a wrong frame in the output");
      at += frame->size;
    }
    if (slot->sent() < output.begin()) return wrong(client, "sent before it was there");
    if (!check_log(client)) return false;
    clients_.push_back(client);
  }
  return clients_.size() == sockets_.size() || wrong({}, "too few connections");
}

// The log holds what was logged since it was cleared, up to the last request that is published.
bool Echo::check_log(Client& client) {
  std::uint64_t next = client.handled / 64 * 64 + 1;
  const WireBytes& log = client.slot->log();
  for (auto at = log.begin();; ++next) {
    while (next <= client.handled && !is_logged(next)) ++next;
    if (at == log.end()) {
      while (next <= client.handled && !(is_logged(next) && stays_logged(next))) ++next;
      return next > client.handled || wrong(client, "the log ends too early");
    }
    const auto frame = first_frame(log.view(at, log.end()));
    if (!frame || frame->kind != FrameKind::kLog || !is_true(*frame, client.id)) {
      return wrong(client, "a wrong frame in the log");
    }
    while (next < frame->number && !(is_logged(next) && stays_logged(next))) ++next;
    if (next != frame->number || next > client.handled) {
      return wrong(client, fmt::format("log entry {} where {} was expected, {} are handled",
                                       frame->number, next, client.handled));
    }
    at += frame->size;
  }
}

bool Echo::serve(Client& client) {
  WireSlot& slot = *client.slot;
  const auto sent = slot.send(client.fd);
  if (sent.value_or(0) > 0) moved_ = true;
  if (!sent && sent.error() != EAGAIN) return wrong(client, "send");
  if (chance(8)) slot.output().forget_dead();
  if (chance(100)) slot.trim();
  if (may_drop_events(client.id) && chance(20)) drop_events(client);
  if (chance(30)) shorten_log(client);
  if (chance(50)) take_back(client);
  if (slot.output().size() < 100'000) {
    const auto received = slot.receive(client.fd);
    if (received.value_or(0) > 0) moved_ = true;
    if (!received && received.error() != EAGAIN && received.error() != ENOBUFS) {
      return wrong(client, std::strerror(received.error()));
    }
    while (const auto request = first_frame(slot.input(client.position))) {
      if (!handle(client, *request)) return false;
      if (!chance(3)) publish(client);
    }
  }
  publish(client);
  return wrong_.empty();
}

bool Echo::handle(Client& client, const Frame& request) {
  const std::uint64_t number = client.handled + 1;
  if (request.kind != FrameKind::kRequest || request.number != number ||
      !is_true(request, client.id)) {
    return wrong(client, fmt::format("request {} came for {}", request.number, number));
  }
  area_->begin_request(*client.slot, number);
  WireBytes& output = client.slot->output();
  bool room = output.append(make_frame(FrameKind::kReply, client.id, number));
  if (has_event(number)) {
    room = room && output.append(make_frame(FrameKind::kEvent, client.id, number));
  }
  if (is_logged(number)) {
    room = room && client.slot->log().append(make_frame(FrameKind::kLog, client.id, number));
  }
  if (!room) return wrong(client, "no room");
  area_->end_request();
  if (clears_log(number)) client.log_begin = client.slot->log().end();
  client.handled = number;
  client.position += request.size;
  return true;
}

void Echo::publish(Client& client) {
  const WireBytes& output = client.slot->output();
  client.slot->publish({.in_begin = client.position,
                        .handled = client.handled,
                        .out_begin = frame_at(output, client.slot->sent()),
                        .out_end = output.end(),
                        .log_begin = client.log_begin,
                        .log_end = client.slot->log().end()});
}

void Echo::take_back(Client& client) {
  WireSlot& slot = *client.slot;
  const auto progress = slot.progress();
  slot.output().truncate(progress.out_end);
  slot.log().truncate(progress.log_end);
  client.position = progress.in_begin;
  client.handled = progress.handled;
  client.log_begin = progress.log_begin;
}

void Echo::drop_events(Client& client) {
  WireBytes& output = client.slot->output();
  std::uint64_t from = frame_at(output, client.slot->sent());
  if (from < client.slot->sent()) {
    from += first_frame(output.view(from, output.end()))->size;  // half of it is gone
  }
  std::string kept;
  std::uint64_t published = from;
  for (auto at = from; at < output.end();) {
    const auto frame = *first_frame(output.view(at, output.end()));
    if (frame.kind != FrameKind::kEvent) kept += output.view(at, at + frame.size);
    at += frame.size;
    if (at == output.published_end()) published = from + kept.size();
  }
  if (from < output.end() && !output.rewrite(from, kept, published)) wrong_ = "no room";
}

void Echo::shorten_log(Client& client) {
  WireBytes& log = client.slot->log();
  if (client.log_begin != client.slot->progress().log_begin || log.size() == 0) return;
  const std::uint64_t from = log.begin();
  std::string kept;
  std::uint64_t published = from;
  for (auto at = from; at < log.end();) {
    const auto frame = *first_frame(log.view(at, log.end()));
    if (stays_logged(frame.number)) kept += log.view(at, at + frame.size);
    at += frame.size;
    if (at == log.published_end()) published = from + kept.size();
  }
  if (!log.rewrite(from, kept, published)) wrong_ = "no room";
}

}  // namespace vxs::daemon::test
