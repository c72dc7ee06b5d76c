#include "daemon/core/outbox.hh"

#include <algorithm>
#include <vector>

namespace vxs::daemon {
namespace {

/// Less than this is not worth being moved.
constexpr std::size_t kKeepSent = 16 * 1024;

}  // namespace

void Outbox::mark(Seq required, Seq safe) {
  if (marks_.empty() ? required <= safe : marks_.back().required == required) return;
  marks_.push_back(Mark{.begin = size(), .required = required});
}

Outbox::~Outbox() {
  for (const auto& message : messages_) forget(message);
}

void Outbox::keep_in(std::unique_ptr<OutboxBytes> bytes, std::size_t sent, std::int64_t now_us) {
  bytes_ = std::move(bytes);
  sent_ = 0;
  const std::string_view kept = bytes_->view();
  for (std::size_t at = 0; at < kept.size();) {
    const auto frame = protocol::decode_frame(kept.substr(at));
    if (frame.status != protocol::DecodeStatus::kFrame) break;  // it was written whole
    at += frame.consumed;
    if (at <= sent) continue;
    const bool event =
        frame.header.type == static_cast<std::uint32_t>(protocol::MessageType::kWatchEvent);
    if (!event && !account_) continue;
    messages_.push_back(Message{
        .end = at, .size = frame.payload.size(), .event = event, .queued_us = now_us, .cause = {}});
    if (account_) account_->add_queued(static_cast<std::int64_t>(frame.consumed));
    if (!event) continue;
    event_bytes_ += frame.consumed;
    if (!frame.payload.starts_with('@')) queued_events_.emplace(frame.payload);
  }
  this->sent(sent);
}

void Outbox::queue(bool event, std::size_t size, const Cause& cause, std::int64_t queued_us) {
  messages_.push_back(Message{
      .end = this->size(), .size = size, .event = event, .queued_us = queued_us, .cause = cause});
  const std::size_t bytes = size + protocol::kHeaderSize;
  if (event) event_bytes_ += bytes;
  if (account_) account_->add_queued(static_cast<std::int64_t>(bytes));
}

void Outbox::forget(const Message& message) {
  const std::size_t bytes = message.size + protocol::kHeaderSize;
  if (message.event) {
    event_bytes_ -= bytes;
    if (!queued_events_.empty()) {
      queued_events_.erase(
          std::string(bytes_->view().substr(message.end - message.size, message.size)));
    }
  }
  if (account_) account_->add_queued(-static_cast<std::int64_t>(bytes));
}

bool Outbox::append(const protocol::Header& header, std::string_view payload) {
  const auto encoded = protocol::encode_header(header);
  if (!bytes_->append({encoded.data(), encoded.size()}, payload)) overflowed_ = true;
  return !overflowed_;
}

void Outbox::append_reply(const protocol::Header& header, std::string_view payload, Seq required,
                          Seq safe, Cause cause) {
  mark(required, safe);
  if (!append(header, payload)) return;
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
  const bool fits = append(
      protocol::Header{.type = static_cast<std::uint32_t>(protocol::MessageType::kWatchEvent),
                       .req_id = 0,
                       .tx_id = 0,
                       .len = static_cast<std::uint32_t>(payload.size())},
      payload);
  if (!fits) return false;
  queue(true, payload.size(), terms.cause, terms.queued_us);
  if (terms.merge) queued_events_.insert(std::move(payload));
  return true;
}

void Outbox::sent(std::size_t count) {
  sent_ += count;
  const std::string_view bytes = bytes_->view();
  while (frame_ < sent_) {
    const auto frame = protocol::decode_frame(bytes.substr(frame_, sent_ - frame_));
    if (frame.status != protocol::DecodeStatus::kFrame) break;
    frame_ += frame.consumed;
  }
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
  kept.reserve(size() - sent_ - gone);
  std::size_t from = sent_;
  std::size_t shift = 0;
  auto mark = marks_.begin();
  auto message = messages_.begin();
  const auto move_up_to = [&](std::size_t offset) {
    for (; mark != marks_.end() && mark->begin <= offset; ++mark) mark->begin -= shift;
    for (; message != messages_.end() && message->end <= offset; ++message) message->end -= shift;
  };
  for (const Gap& gap : gaps) {
    move_up_to(gap.begin);
    kept.append(bytes_->view().substr(from, gap.begin - from));
    from = gap.begin + gap.size;
    shift += gap.size;
  }
  move_up_to(size());
  kept.append(bytes_->view().substr(from));
  const std::size_t may_leave = marks_.empty() ? sent_ + kept.size() : marks_.front().begin;
  if (!bytes_->replace(sent_, kept, may_leave)) overflowed_ = true;
  return gaps.size();
}

void Outbox::compact() {
  if (sent_ == size()) {
    bytes_->drop_front(sent_);
  } else if (sent_ < std::max(kKeepSent, size() / 2)) {
    return;  // moving costs more than it frees
  } else {
    // What is half sent stays whole: sent() looks for an event's text once all of it is out, and
    // offsets count from the beginning of a frame.
    const std::size_t cut = frame_;
    bytes_->drop_front(cut);
    for (auto& mark : marks_) mark.begin -= cut;
    for (auto& message : messages_) message.end -= cut;
    sent_ -= cut;
    frame_ = 0;
    return;
  }
  sent_ = 0;
  frame_ = 0;
}

void Outbox::release(Seq safe) {
  while (!marks_.empty() && marks_.front().required <= safe) marks_.pop_front();
}

void Outbox::clear() noexcept {
  queued_events_.clear();
  for (const auto& message : messages_) forget(message);
  messages_.clear();
  bytes_->clear();
  sent_ = 0;
  frame_ = 0;
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
    const std::size_t end = i + 1 < marks_.size() ? marks_[i + 1].begin : size();
    const bool keep = marks_[i].required <= safe;
    for (; message != messages_.end() && message->end <= end; ++message) {
      if (keep) {
        messages.push_back(*message);
        messages.back().end = first + kept.size() + (message->end - begin);
      } else {
        forget(*message);
      }
    }
    if (keep) kept.append(bytes_->view().substr(begin, end - begin));
  }
  marks_.clear();
  messages_ = std::move(messages);
  if (!bytes_->replace(first, kept, first + kept.size())) overflowed_ = true;
}

}  // namespace vxs::daemon
