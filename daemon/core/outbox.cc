#include "daemon/core/outbox.hh"

#include <algorithm>

namespace vxs::daemon {
namespace {

/// A buffer that once held a burst gives its memory back.
constexpr std::size_t kKeepCapacity = 16 * 1024;

void append_header(std::string& bytes, const protocol::Header& header) {
  const auto encoded = protocol::encode_header(header);
  bytes.append(encoded.data(), encoded.size());
}

}  // namespace

void Outbox::mark(Seq required, Seq safe) {
  if (required <= safe && marks_.empty()) return;
  // Order is kept, so what follows waits at least as long.
  if (!marks_.empty() && marks_.back().required >= required) return;
  marks_.push_back(Mark{.begin = bytes_.size(), .required = required});
}

void Outbox::append_reply(const protocol::Header& header, std::string_view payload, Seq required,
                          Seq safe) {
  mark(required, safe);
  append_header(bytes_, header);
  bytes_.append(payload);
}

bool Outbox::append_event(std::string_view path, std::string_view token, bool merge, Seq required,
                          Seq safe) {
  std::string payload;
  payload.reserve(path.size() + token.size() + 2);
  payload.append(path).push_back('\0');
  payload.append(token).push_back('\0');
  if (merge && queued_events_.contains(payload)) return false;

  mark(required, safe);
  append_header(bytes_, protocol::Header{
                            .type = static_cast<std::uint32_t>(protocol::MessageType::kWatchEvent),
                            .req_id = 0,
                            .tx_id = 0,
                            .len = static_cast<std::uint32_t>(payload.size())});
  bytes_.append(payload);
  events_.push_back(Event{.end = bytes_.size(), .size = payload.size()});
  event_bytes_ += payload.size() + protocol::kHeaderSize;
  if (merge) queued_events_.insert(std::move(payload));
  return true;
}

void Outbox::sent(std::size_t count) {
  sent_ += count;
  while (!events_.empty() && events_.front().end <= sent_) {
    const Event& event = events_.front();
    if (!queued_events_.empty()) {
      queued_events_.erase(bytes_.substr(event.end - event.size, event.size));
    }
    event_bytes_ -= event.size + protocol::kHeaderSize;
    events_.pop_front();
  }
  compact();
}

void Outbox::compact() {
  if (sent_ == bytes_.size()) {
    bytes_.clear();
    if (bytes_.capacity() > kKeepCapacity) bytes_.shrink_to_fit();
  } else if (sent_ < std::max(kKeepCapacity, bytes_.size() / 2)) {
    return;  // moving costs more than it frees
  } else {
    // An event that is half sent stays whole: sent() looks for its text once all of it is out.
    std::size_t cut = sent_;
    if (!events_.empty()) cut = std::min(cut, events_.front().end - events_.front().size);
    bytes_.erase(0, cut);
    for (auto& mark : marks_) mark.begin -= cut;
    for (auto& event : events_) event.end -= cut;
    sent_ -= cut;
    return;
  }
  sent_ = 0;
}

void Outbox::release(Seq safe) {
  while (!marks_.empty() && marks_.front().required <= safe) marks_.pop_front();
}

void Outbox::rollback(Seq safe) {
  release(safe);
  if (marks_.empty()) return;
  const std::size_t end = marks_.front().begin;
  marks_.clear();
  while (!events_.empty() && events_.back().end > end) {
    const Event& event = events_.back();
    queued_events_.erase(bytes_.substr(event.end - event.size, event.size));
    event_bytes_ -= event.size + protocol::kHeaderSize;
    events_.pop_back();
  }
  bytes_.resize(end);
}

}  // namespace vxs::daemon
