#include "daemon/rings/ring_server.hh"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "store/crash_point.hh"

namespace vxs::daemon {
namespace {

constexpr std::size_t kMaxUnsent = 256 * 1024;
/// Turns of a ring that is alone with its backlog; the more are busy, the fewer each gets.
constexpr std::size_t kMaxBudget = 16;
/// Rings that have their turn in one pass.
constexpr std::size_t kRingsPerPass = 8;
/// Pending ports taken in one pass: a storm of signals must not hold up those who have requests.
constexpr int kEventsPerPass = 64;
/// A27: every ring is looked at once in kScanTicks ticks, 20 s, whatever its events say.
constexpr std::int64_t kScanTickUs = 1'000'000;
constexpr std::size_t kScanTicks = 20;

/// A ring whose guest may go on without a signal is looked at after 0.25 ms, and then, while
/// nothing moves, after twice as long each time, up to about a second.
constexpr std::int64_t kFirstLookUs = 250;
constexpr unsigned kMaxDoublings = 12;

}  // namespace

RingServer::RingServer(EventLoop& loop, Hypervisor& hypervisor)
    : loop_(loop), hypervisor_(hypervisor) {}

RingServer::~RingServer() {
  for (const auto& [port, ring] : by_port_) hypervisor_.unbind(port);
  if (virq_) hypervisor_.unbind(*virq_);
}

void RingServer::start(Server& server) {
  server_ = &server;
  events_ = loop_.readable(hypervisor_.event_fd(), [this] { on_events(); });
  events_.enable();
  scan_ = loop_.timer([this] {
    scan((rings_.size() + kScanTicks - 1) / kScanTicks);
    scan_.enable_after(kScanTickUs);
  });
  scan_.enable_after(kScanTickUs);
  hurry_ = loop_.timer([this] { look_at_expected(); });
}

HypervisorResult<void> RingServer::watch_domains(std::function<void()> changed) {
  const auto port = hypervisor_.bind_domain_exception();
  if (!port) return tl::unexpected(port.error());
  virq_ = *port;
  domains_changed_ = std::move(changed);
  domains_changed_();  // an event of before the binding went nowhere
  return {};
}

// --- rings come and go -------------------------------------------------------

Ring* RingServer::find(DomId domid) const {
  const auto found = rings_.find(domid);
  return found == rings_.end() ? nullptr : found->second.get();
}

HypervisorResult<Port> RingServer::add(DomId domid, std::unique_ptr<RingPage> page,
                                       Port remote_port) {
  const auto port = hypervisor_.bind_interdomain(domid, remote_port);
  if (!port) return tl::unexpected(port.error());
  auto ring = std::make_unique<Ring>(domid, std::move(page));
  ring->port = *port;
  by_port_.insert_or_assign(*port, ring.get());
  rings_.insert_or_assign(domid, std::move(ring));
  return remote_port;
}

tl::expected<Port, AttachError> RingServer::attach(DomId domid, Port remote_port,
                                                   bool honour_page_port) {
  if (find(domid) != nullptr) return tl::unexpected(AttachError{.code = EBUSY});
  auto page = hypervisor_.map_ring(domid);
  if (!page) {
    warn(domid,
         fmt::format("the ring page (grant 1) cannot be mapped: {}", std::strerror(page.error())));
    return tl::unexpected(AttachError{.code = page.error()});
  }
  if (honour_page_port) {
    const Port wanted = protocol::RingPageView((*page)->bytes()).evtchn_port();
    if (wanted != 0) remote_port = wanted;
  }
  const auto bound = add(domid, std::move(*page), remote_port);
  if (!bound) {
    warn(domid, fmt::format("event channel {} cannot be bound: {}", remote_port,
                            std::strerror(bound.error())));
    const int code = bound.error();
    const bool says_no = code == EINVAL || code == ESRCH || code == ENOENT;
    return tl::unexpected(AttachError{.code = code, .no_such_port = says_no});
  }
  return *bound;
}

HypervisorResult<Port> RingServer::attach_own(DomId domid) {
  if (find(domid) != nullptr) return tl::unexpected(EBUSY);
  auto own = hypervisor_.map_own_ring();
  if (!own) return tl::unexpected(own.error());
  return add(domid, std::move(own->page), own->remote_port);
}

void RingServer::serve(DomId domid, Connection& connection, Begin begin) {
  Ring* const ring = find(domid);
  if (ring == nullptr) return;
  by_connection_.erase(ring->connection);
  ring->connection = &connection;
  by_connection_.insert_or_assign(&connection, ring);

  const auto page = ring->page();
  const std::uint32_t features = connection.peer().features;
  const bool anew = keep(*ring, begin);
  page.set_features(begin == Begin::kFresh ? features : page.features() | features);
  if (anew) {
    begin_anew(*ring);
  } else {
    // The guest was told that nobody listens to it any more; that stays true (A17).
    const auto error = static_cast<RingError>(page.error());
    const bool told = connection.has_feature(kFeatureError) &&
                      (error == RingError::kIndex || error == RingError::kProtocol);
    if (told) server_->freeze(connection);
    // A daemon killed between pending and unmask left it masked (design §6).
    ring->masked = true;
    if (resumed_ && ring->taken_up) resume(*ring);
  }
  notify(*ring);
  queue(*ring);
}

void RingServer::begin_anew(Ring& ring) {
  const auto page = ring.page();
  VXS_CRASH_POINT("ring-reset-recorded");
  if (ring.session) ring.session->begin_anew(*server_);
  VXS_CRASH_POINT("ring-reset-slot");
  ring.reset_streams();
  VXS_CRASH_POINT("ring-reset-page");
  if (page.error() != 0) page.set_error(0);
  // From here on a restart does not repeat it.
  if (ring.session) ring.session->slot().set_ring_begun(server_->journal().last_seq());
  VXS_CRASH_POINT("ring-reset-begun");
  // Last: the guest goes on when it sees it (A20, A21).
  if (page.connection() == protocol::kRingReconnect) page.set_connection(protocol::kRingConnected);
}

bool RingServer::reintroduce(DomId domid, Port remote_port) {
  Ring* const ring = find(domid);
  if (ring == nullptr || ring->connection == nullptr) return false;
  if (ring->port) {
    by_port_.erase(*ring->port);
    hypervisor_.unbind(*std::exchange(ring->port, std::nullopt));
  }
  ring->masked = false;
  const auto port = hypervisor_.bind_interdomain(domid, remote_port);
  if (port) {
    ring->port = *port;
    by_port_.insert_or_assign(*port, ring);
  } else {
    warn(domid, fmt::format("event channel {} cannot be bound: {}; its ring is looked at every "
                            "{} s until it is introduced again",
                            remote_port, std::strerror(port.error()), kScanTicks));
  }
  ring->page().set_features(ring->page().features() | ring->connection->peer().features);
  begin_anew(*ring);
  notify(*ring);
  queue(*ring);
  return port.has_value();
}

void RingServer::detach(DomId domid) {
  const auto found = rings_.find(domid);
  if (found == rings_.end()) {
    if (kept_)
      kept_->connections.forget_rings(
          [domid](const WireSlot& slot) { return slot.peer().domid != domid; });
    return;
  }
  Ring& ring = *found->second;
  by_connection_.erase(ring.connection);
  ring.connection = nullptr;
  if (ring.queued) std::erase(backlog_, &ring);
  if (ring.listed) std::erase(touched_, &ring);
  expect_no_more(ring);
  if (ring.port) {
    by_port_.erase(*ring.port);
    hypervisor_.unbind(*ring.port);
  }
  if (ring.session) let_go(ring);
  ring.close();
  gone_.push_back(std::move(found->second));
  rings_.erase(found);
  limiter_.forget(domid);
}

void RingServer::pause(DomId domid, bool paused) {
  Ring* const ring = find(domid);
  if (ring == nullptr) return;
  ring->paused = paused;
  if (!paused) queue(*ring);
}

// --- events ------------------------------------------------------------------

void RingServer::on_events() {
  bool domains_changed = false;
  for (int i = 0; i < kEventsPerPass; ++i) {
    const auto port = hypervisor_.next_pending();
    if (!port) break;
    if (port == virq_) {
      VXS_CRASH_POINT("domain-event-pending");
      hypervisor_.unmask(*port);
      domains_changed = true;
      continue;
    }
    const auto found = by_port_.find(*port);
    if (found == by_port_.end()) continue;  // unbound since
    VXS_CRASH_POINT("event-pending");
    found->second->masked = true;
    queue(*found->second);
  }
  if (domains_changed && domains_changed_) domains_changed_();
}

void RingServer::scan(std::size_t count) {
  auto ring = rings_.lower_bound(next_scan_);
  for (std::size_t left = std::min(count, rings_.size()); left > 0; --left) {
    if (ring == rings_.end()) ring = rings_.begin();
    queue(*ring->second);
    ++ring;
  }
  next_scan_ = ring == rings_.end() ? DomId{0} : ring->first;
}

void RingServer::queue(Ring& ring) {
  if (ring.queued || ring.connection == nullptr) return;
  expect_no_more(ring);
  ring.queued = true;
  backlog_.push_back(&ring);
}

// --- turns -------------------------------------------------------------------

void RingServer::stop_reading() { stopping_ = true; }

bool RingServer::unfinished() const {
  return std::any_of(rings_.begin(), rings_.end(), [](const auto& one) {
    const Ring& ring = *one.second;
    if (ring.connection == nullptr || ring.connection->frozen) return false;
    return ring.mid_request() || ring.mid_reply() || !ring.connection->outbox.empty();
  });
}

void RingServer::serve_backlog() {
  const std::size_t share = std::max<std::size_t>(1, kMaxBudget / (backlog_.size() + 1));
  for (std::size_t left = std::min(backlog_.size(), kRingsPerPass); left > 0 && !backlog_.empty();
       --left) {
    Ring& ring = *backlog_.front();
    backlog_.pop_front();
    ring.queued = false;
    turn(ring, share);
  }
}

void RingServer::turn(Ring& ring, std::size_t budget) {
  if (may_reconnect(ring)) reconnect(ring);
  write(ring);
  read(ring, budget);
  if (!ring.open()) return;  // its own request ended it
  settle(ring);
}

bool RingServer::may_read(const Ring& ring) const {
  return (!stopping_ || ring.mid_request()) && !ring.paused &&
         server_->ready_for(*ring.connection) && (!ring.session || ring.session->is_answered()) &&
         ring.connection->outbox.unsent() < kMaxUnsent;
}

void RingServer::read(Ring& ring, std::size_t budget) {
  for (; budget > 0 && may_read(ring); --budget) {
    protocol::DecodeResult frame;
    const RingInput input = ring.receive(message_, frame);
    note_touched(ring);
    switch (input) {
      case RingInput::kBadIndex:
        freeze(ring, {RingError::kIndex, "its request indices are impossible"});
        return;
      case RingInput::kTooLong:
        freeze(ring, {RingError::kProtocol, "it sent a message longer than 4096 bytes"});
        return;
      case RingInput::kNeedMore:
        if (!ring.has_input()) return;
        break;
      case RingInput::kMessage: {
        if (ring.session) {
          ring.session->handle(*server_, frame);
        } else {
          server_->handle(*ring.connection, frame.header, frame.payload);
        }
        if (!ring.open()) return;  // the request released its own domain
        break;
      }
    }
  }
}

void RingServer::write(Ring& ring) {
  Connection& connection = *ring.connection;
  if (ring.session) ring.session->publish(*server_);
  if (connection.frozen || asks_to_reconnect(ring)) return;
  const RingOutput output = ring.send(connection.outbox);
  note_touched(ring);
  if (output == RingOutput::kBadIndex) {
    freeze(ring, {RingError::kIndex, "its reply indices are impossible"});
  } else if (output == RingOutput::kMore) {
    queue(ring);
  } else if (connection.doomed && connection.outbox.empty()) {
    freeze(ring, {RingError::kProtocol, "it cannot go on"});
  }
}

void RingServer::settle(Ring& ring) {
  const bool wants_turn = may_reconnect(ring) || (may_read(ring) && ring.has_input());
  if (wants_turn) queue(ring);
  const bool unannounced = (may_read(ring) && ring.half_read()) || ring.short_of_room();
  if (unannounced && !ring.queued && !ring.connection->frozen) expect(ring);
  if (ring.queued || !ring.masked) return;
  VXS_CRASH_POINT("event-served");
  ring.masked = false;
  if (ring.port) hypervisor_.unmask(*ring.port);
}

void RingServer::expect(Ring& ring) {
  if (ring.look_at_us) return;
  const std::int64_t delay = kFirstLookUs << std::min(ring.looks, kMaxDoublings);
  ring.look_at_us = server_->clock().monotonic_us() + delay;
  ++ring.looks;
  expected_.emplace(*ring.look_at_us, &ring);
  hurry();
}

void RingServer::expect_no_more(Ring& ring) {
  if (!ring.look_at_us) return;
  expected_.erase({*ring.look_at_us, &ring});
  ring.look_at_us.reset();
}

void RingServer::hurry() {
  if (expected_.empty()) return;
  const std::int64_t next = expected_.begin()->first;
  if (hurry_at_us_ && *hurry_at_us_ <= next) return;  // it comes, maybe for nothing
  hurry_at_us_ = next;
  hurry_.enable_after(std::max<std::int64_t>(next - server_->clock().monotonic_us(), 0));
}

void RingServer::look_at_expected() {
  hurry_at_us_.reset();
  const std::int64_t now = server_->clock().monotonic_us();
  while (!expected_.empty() && expected_.begin()->first <= now) {
    Ring& ring = *expected_.begin()->second;
    expect_no_more(ring);
    queue(ring);
  }
  hurry();
}

// --- beginning anew, and the end ---------------------------------------------

bool RingServer::asks_to_reconnect(const Ring& ring) const {
  return ring.connection->has_feature(kFeatureReconnect) &&
         ring.page().connection() == protocol::kRingReconnect;
}

bool RingServer::may_reconnect(const Ring& ring) const {
  return asks_to_reconnect(ring) && server_->may_reset(*ring.connection);
}

void RingServer::reconnect(Ring& ring) {
  server_->reset_ring(*ring.connection);
  begin_anew(ring);
  notify(ring);
}

void RingServer::freeze(Ring& ring, const Offence& offence) {
  if (ring.connection->has_feature(kFeatureError)) {
    ring.page().set_error(static_cast<std::uint32_t>(offence.error));
  }
  server_->freeze(*ring.connection);
  if (ring.session) ring.session->begin_anew(*server_);
  notify(ring);
  warn(ring.domid(),
       fmt::format("{}: its ring is not served until it connects or is introduced again",
                   offence.what));
}

std::vector<store::migration::LiveConnection> RingServer::hand_over(std::uint32_t features) {
  std::vector<store::migration::LiveConnection> live;
  for (const auto& [domid, ring] : rings_) {
    if (ring->port && std::exchange(ring->masked, false)) hypervisor_.unmask(*ring->port);
    if (ring->connection == nullptr) continue;
    ring->page().set_features(ring->page().features() & features);
    std::string input = ring->taken();
    if (ring->session) {
      const WireSlot& slot = ring->session->slot();
      input = slot.input(slot.progress().in_begin);  // what waits unanswered too
    }
    live.push_back({.id = ring->connection->id(),
                    .ring = domid,
                    .local_port = ring->port.value_or(0),
                    .input = std::move(input),
                    .output = std::string(ring->connection->outbox.sendable()),
                    .partial = static_cast<std::uint16_t>(ring->frame_left())});
  }
  if (virq_) hypervisor_.unbind(*std::exchange(virq_, std::nullopt));
  return live;
}

// --- output ------------------------------------------------------------------

void RingServer::flush() {
  gone_.clear();
  server_->take_dirty_rings(dirty_);
  for (const Connection* connection : dirty_) {
    const auto found = by_connection_.find(connection);
    if (found == by_connection_.end()) continue;
    Ring& ring = *found->second;
    write(ring);
    settle(ring);
  }
  for (Ring* ring : touched_) {
    ring->listed = false;
    if (std::exchange(ring->touched, false)) notify(*ring);
  }
  touched_.clear();
}

void RingServer::note_touched(Ring& ring) {
  if (!ring.touched) return;
  ring.looks = 0;
  if (ring.listed) return;
  ring.listed = true;
  touched_.push_back(&ring);
}

void RingServer::notify(Ring& ring) {
  if (ring.port) hypervisor_.notify(*ring.port);
}

void RingServer::warn(DomId domid, std::string_view sentence) {
  const logging::RateLimiter::Clock::time_point now{
      std::chrono::microseconds(server_->clock().monotonic_us())};
  const auto swallowed = limiter_.admit(domid, now);
  if (!swallowed) return;
  server_->observer().warn(*swallowed == 0 ? fmt::format("domain {}: {}", domid, sentence)
                                           : fmt::format("domain {}: {} ({} such lines left out)",
                                                         domid, sentence, *swallowed));
}

}  // namespace vxs::daemon
