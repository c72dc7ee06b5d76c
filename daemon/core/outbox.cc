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
  if (marks_.empty() ? required <= safe : marks_.back().required == required) return;
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
  // One that depends on nothing lost must not go with one that does (rollback).
  const bool outlives = required <= safe && !marks_.empty();
  if (merge && !outlives && queued_events_.contains(payload)) return false;

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

void Outbox::clear() noexcept {
  bytes_ = std::string();
  sent_ = 0;
  marks_.clear();
  events_.clear();
  queued_events_.clear();
  event_bytes_ = 0;
}

void Outbox::rollback(Seq safe) {
  release(safe);
  if (marks_.empty()) return;
  const std::size_t first = marks_.front().begin;
  std::string kept;
  std::deque<Event> events;
  auto event = std::find_if(events_.begin(), events_.end(),
                            [first](const Event& one) { return one.end > first; });
  events.assign(events_.begin(), event);
  for (std::size_t i = 0; i < marks_.size(); ++i) {
    const std::size_t begin = marks_[i].begin;
    const std::size_t end = i + 1 < marks_.size() ? marks_[i + 1].begin : bytes_.size();
    const bool keep = marks_[i].required <= safe;
    for (; event != events_.end() && event->end <= end; ++event) {
      if (keep) {
        events.push_back(
            Event{.end = first + kept.size() + (event->end - begin), .size = event->size});
      } else {
        queued_events_.erase(bytes_.substr(event->end - event->size, event->size));
        event_bytes_ -= event->size + protocol::kHeaderSize;
      }
    }
    if (keep) kept.append(bytes_, begin, end - begin);
  }
  marks_.clear();
  events_ = std::move(events);
  bytes_.resize(first);
  bytes_ += kept;
}

}  // namespace vxs::daemon
