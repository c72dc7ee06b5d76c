#include "daemon/core/outbox.hh"

#include <algorithm>
#include <vector>

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

Outbox::~Outbox() { clear(); }

void Outbox::queue(bool event, std::size_t size, const Cause& cause, std::int64_t queued_us) {
  messages_.push_back(Message{
      .end = bytes_.size(), .size = size, .event = event, .queued_us = queued_us, .cause = cause});
  const std::size_t bytes = size + protocol::kHeaderSize;
  if (event) event_bytes_ += bytes;
  if (account_) account_->add_queued(static_cast<std::int64_t>(bytes));
}

void Outbox::forget(const Message& message) {
  const std::size_t bytes = message.size + protocol::kHeaderSize;
  if (message.event) {
    event_bytes_ -= bytes;
    if (!queued_events_.empty()) {
      queued_events_.erase(bytes_.substr(message.end - message.size, message.size));
    }
  }
  if (account_) account_->add_queued(-static_cast<std::int64_t>(bytes));
}

void Outbox::append_reply(const protocol::Header& header, std::string_view payload, Seq required,
                          Seq safe, Cause cause) {
  mark(required, safe);
  append_header(bytes_, header);
  bytes_.append(payload);
  if (account_ || cause) queue(false, payload.size(), cause, 0);
}

bool Outbox::append_event(std::string_view path, std::string_view token, const EventTerms& terms) {
  std::string payload;
  payload.reserve(path.size() + token.size() + 2);
  payload.append(path).push_back('\0');
  payload.append(token).push_back('\0');
  // One that depends on nothing lost must not go with one that does (rollback).
  const bool outlives = terms.required <= terms.safe && !marks_.empty();
  if (terms.merge && !outlives && queued_events_.contains(payload)) return false;

  mark(terms.required, terms.safe);
  append_header(bytes_, protocol::Header{
                            .type = static_cast<std::uint32_t>(protocol::MessageType::kWatchEvent),
                            .req_id = 0,
                            .tx_id = 0,
                            .len = static_cast<std::uint32_t>(payload.size())});
  bytes_.append(payload);
  queue(true, payload.size(), terms.cause, terms.queued_us);
  if (terms.merge) queued_events_.insert(std::move(payload));
  return true;
}

void Outbox::sent(std::size_t count) {
  sent_ += count;
  while (!messages_.empty() && messages_.front().end <= sent_) {
    forget(messages_.front());
    messages_.pop_front();
  }
  compact();
}

std::optional<std::int64_t> Outbox::oldest_event_us() const noexcept {
  for (const auto& message : messages_) {
    if (message.event) return message.queued_us;
  }
  return std::nullopt;
}

std::size_t Outbox::charged_bytes() const noexcept {
  std::size_t bytes = 0;
  for (const auto& message : messages_) bytes += message.size + protocol::kHeaderSize;
  return bytes;
}

std::size_t Outbox::expire(std::int64_t until_us) {
  struct Gap {
    std::size_t begin;
    std::size_t size;
  };
  std::vector<Gap> gaps;
  std::size_t gone = 0;
  for (auto message = messages_.begin(); message != messages_.end();) {
    if (message->event && message->begin() >= sent_ && message->queued_us <= until_us) {
      forget(*message);
      gaps.push_back({message->begin(), message->size + protocol::kHeaderSize});
      gone += gaps.back().size;
      message = messages_.erase(message);
    } else {
      ++message;
    }
  }
  if (gaps.empty()) return 0;
  std::string kept;
  kept.reserve(bytes_.size() - gone);
  std::size_t from = 0;
  std::size_t shift = 0;
  auto mark = marks_.begin();
  auto message = messages_.begin();
  const auto move_up_to = [&](std::size_t offset) {
    for (; mark != marks_.end() && mark->begin <= offset; ++mark) mark->begin -= shift;
    for (; message != messages_.end() && message->end <= offset; ++message) message->end -= shift;
  };
  for (const Gap& gap : gaps) {
    move_up_to(gap.begin);
    kept.append(bytes_, from, gap.begin - from);
    from = gap.begin + gap.size;
    shift += gap.size;
  }
  move_up_to(bytes_.size());
  kept.append(bytes_, from);
  bytes_ = std::move(kept);
  return gaps.size();
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
    if (!messages_.empty()) cut = std::min(cut, messages_.front().end - messages_.front().size);
    bytes_.erase(0, cut);
    for (auto& mark : marks_) mark.begin -= cut;
    for (auto& message : messages_) message.end -= cut;
    sent_ -= cut;
    return;
  }
  sent_ = 0;
}

void Outbox::release(Seq safe) {
  while (!marks_.empty() && marks_.front().required <= safe) marks_.pop_front();
}

void Outbox::clear() noexcept {
  queued_events_.clear();
  for (const auto& message : messages_) forget(message);
  messages_.clear();
  bytes_ = std::string();
  sent_ = 0;
  marks_.clear();
}

void Outbox::rollback(Seq safe) {
  release(safe);
  if (marks_.empty()) return;
  const std::size_t first = marks_.front().begin;
  std::string kept;
  std::deque<Message> messages;
  auto message = std::find_if(messages_.begin(), messages_.end(),
                              [first](const Message& one) { return one.end > first; });
  messages.assign(messages_.begin(), message);
  for (std::size_t i = 0; i < marks_.size(); ++i) {
    const std::size_t begin = marks_[i].begin;
    const std::size_t end = i + 1 < marks_.size() ? marks_[i + 1].begin : bytes_.size();
    const bool keep = marks_[i].required <= safe;
    for (; message != messages_.end() && message->end <= end; ++message) {
      if (keep) {
        messages.push_back(*message);
        messages.back().end = first + kept.size() + (message->end - begin);
      } else {
        forget(*message);
      }
    }
    if (keep) kept.append(bytes_, begin, end - begin);
  }
  marks_.clear();
  messages_ = std::move(messages);
  bytes_.resize(first);
  bytes_ += kept;
}

}  // namespace vxs::daemon
