#include "tests/bench/ring_connection.hh"

#include <algorithm>
#include <cstring>
#include <utility>

#include "tests/bench/error.hh"

namespace vxs::bench {

namespace {

using support::GuestPage;
using support::kRingSize;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::minutes kSilence{1};

fakexen::Domain existing(fakexen::Machine& machine, std::uint32_t domid) {
  const auto domain = machine.domain(domid);
  if (!domain) throw BenchError("there is no domain " + std::to_string(domid));
  return *domain;
}

void* mapped(fakexen::Machine& machine, std::uint32_t domid) {
  const auto page = machine.map_page(domid, false);
  if (!page) throw BenchError("domain " + std::to_string(domid) + " has no ring");
  return *page;
}

}  // namespace

RingConnection::RingConnection(fakexen::Machine& machine, std::uint32_t domid)
    : machine_(&machine), domain_(existing(machine, domid)), page_(mapped(machine, domid)) {}

RingConnection::RingConnection(RingConnection&& other) noexcept
    : machine_(std::exchange(other.machine_, nullptr)),
      domain_(other.domain_),
      page_(other.page_),
      output_(std::move(other.output_)),
      sent_(other.sent_),
      input_(std::move(other.input_)),
      taken_(other.taken_) {}

RingConnection::~RingConnection() {
  if (machine_ != nullptr) machine_->unmap_page(page_.bytes(), std::nullopt);
}

std::string RingConnection::introduction() const {
  return path_body(std::to_string(domain_.domid)) + path_body(std::to_string(fakexen::kStoreGfn)) +
         path_body(std::to_string(domain_.store_port));
}

bool RingConnection::push() {
  if (sent_ == output_.size()) return false;
  const std::uint32_t producer = page_.get(GuestPage::kReqProd);
  const std::uint32_t room = kRingSize - (producer - page_.get(GuestPage::kReqCons));
  const std::size_t count = std::min<std::size_t>(room, output_.size() - sent_);
  if (count == 0) return false;
  const std::size_t start = producer % kRingSize;
  const std::size_t first = std::min<std::size_t>(count, kRingSize - start);
  std::memcpy(page_.requests() + start, output_.data() + sent_, first);
  std::memcpy(page_.requests(), output_.data() + sent_ + first, count - first);
  page_.set(GuestPage::kReqProd, producer + static_cast<std::uint32_t>(count));
  sent_ += count;
  if (sent_ == output_.size()) {
    output_.clear();
    sent_ = 0;
  }
  if (!machine_->send(domain_.domid, domain_.store_port)) throw BenchError("a guest is gone");
  return true;
}

bool RingConnection::pull() {
  const std::uint32_t consumer = page_.get(GuestPage::kRspCons);
  const std::uint32_t count = page_.get(GuestPage::kRspProd) - consumer;
  if (count == 0) return false;
  if (count > kRingSize) throw BenchError("the ring holds more than it can");
  if (taken_ == input_.size()) {
    input_.clear();
    taken_ = 0;
  }
  const std::size_t start = consumer % kRingSize;
  const std::size_t first = std::min<std::size_t>(count, kRingSize - start);
  input_.append(page_.responses() + start, first);
  input_.append(page_.responses(), count - first);
  page_.set(GuestPage::kRspCons, consumer + count);
  if (count == kRingSize) static_cast<void>(machine_->send(domain_.domid, domain_.store_port));
  return true;
}

std::optional<Reply> RingConnection::next() {
  if (input_.size() - taken_ < kHeaderSize) return std::nullopt;
  Header header;
  std::memcpy(&header, input_.data() + taken_, kHeaderSize);
  if (header.length > kMaxPayload) throw BenchError("the daemon sent an over-long message");
  if (input_.size() - taken_ < kHeaderSize + header.length) return std::nullopt;
  const Reply reply{static_cast<MessageType>(header.type), header.transaction,
                    std::string_view(input_).substr(taken_ + kHeaderSize, header.length)};
  taken_ += kHeaderSize + header.length;
  return reply;
}

std::optional<Reply> RingConnection::next_reply() {
  while (const auto reply = next()) {
    if (reply->type != MessageType::kWatchEvent) return reply;
  }
  return std::nullopt;
}

Reply RingConnection::exchange() {
  std::optional<Clock::time_point> limit;
  for (;;) {
    // Before the looks at the ring, so that what comes after them ends the wait.
    const std::uint32_t seen = machine_->doorbell(domain_.domid);
    const bool pushed = push();
    const bool pulled = pull();
    if (pulled) {
      if (const auto reply = next_reply()) return *reply;
    }
    if (pushed && sent_ < output_.size()) continue;
    if (!limit) limit = Clock::now() + kSilence;
    if (Clock::now() > *limit) throw BenchError("the daemon does not answer a guest");
    machine_->wait(domain_.domid, seen, std::chrono::milliseconds(1000));
  }
}

void RingConnection::drop_events() {
  while (pull()) static_cast<void>(next_reply());
}

}  // namespace vxs::bench
