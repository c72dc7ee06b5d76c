#include "tests/crash/kept/conversation.hh"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "tests/crash/store_dump.hh"

namespace vxs::test::kept {
namespace {

using support::Frame;

constexpr std::size_t kHeader = 16;
constexpr std::size_t kMaxPayload = 4096;  // A6, B0.6
constexpr std::size_t kLines = 60;         // 20 exchanges, their events, remarks
constexpr std::size_t kShownBytes = 60;

}  // namespace

std::string describe(const Frame& frame, std::size_t bytes) {
  const std::string payload = frame.payload.substr(0, kShownBytes);
  return support::type_name(frame.type) + " (req " + std::to_string(frame.req_id) + ", tx " +
         std::to_string(frame.tx_id) + ", " +
         std::to_string(std::max(bytes, frame.payload.size())) + " bytes) " + shown(payload);
}

Conversation::Conversation(bool numbered, OnEvent on_event, OnAnswer on_answer)
    : numbered_(numbered), on_event_(std::move(on_event)), on_answer_(std::move(on_answer)) {}

void Conversation::ask(std::uint32_t type, std::string payload, std::uint32_t tx_id, Judge judge) {
  Frame frame{type, numbered_ ? next_req_id_++ : 0, tx_id, std::move(payload)};
  const std::size_t begin = out_.size();
  out_ += support::encode(frame);
  if (split_) {
    const std::size_t whole = out_.size() - begin;
    hold_ = Hold{.end = begin + std::min(split_->end, whole - 1), .release = split_->release};
    split_.reset();
  }
  expected_.push_back(Expected{.asked = std::move(frame),
                               .end = out_.size(),
                               .sent = std::nullopt,
                               .judge = std::move(judge)});
}

void Conversation::split_next(std::size_t bytes, Time release) {
  if (hold_) return;  // one at a time
  split_ = Hold{.end = std::max<std::size_t>(bytes, 1), .release = release};
}

std::string_view Conversation::leaving(Time now) const {
  std::size_t end = hold_ && now < hold_->release ? hold_->end : out_.size();
  for (const Expected& one : expected_) {
    if (lone_starts_ && one.asked.type == support::kTransactionStart) end = std::min(end, one.end);
  }
  return std::string_view(out_).substr(out_done_, end - std::min(end, out_done_));
}

std::optional<Time> Conversation::release() const {
  return hold_ ? std::optional(hold_->release) : std::nullopt;
}

void Conversation::left(std::size_t bytes, Time now) {
  out_done_ += bytes;
  if (hold_ && out_done_ > hold_->end) hold_.reset();
  for (; sent_whole_ < expected_.size() && expected_[sent_whole_].end <= out_done_; ++sent_whole_) {
    expected_[sent_whole_].sent = now;
    remember('>', expected_[sent_whole_].asked, now);
  }
  if (out_done_ < 65536 && out_done_ != out_.size()) return;
  for (Expected& one : expected_) one.end -= std::min(one.end, out_done_);
  if (hold_) hold_->end -= std::min(hold_->end, out_done_);
  out_.erase(0, std::exchange(out_done_, 0));
}

std::optional<Time> Conversation::waiting_since() const {
  if (expected_.empty() || !expected_.front().sent) return std::nullopt;
  return last_answer_ ? std::max(*last_answer_, *expected_.front().sent) : *expected_.front().sent;
}

void Conversation::arrived(std::string_view bytes, Time now) {
  in_.append(bytes);
  std::size_t at = 0;
  while (in_.size() - at >= kHeader) {
    std::array<std::uint32_t, 4> header{};
    std::memcpy(header.data(), in_.data() + at, kHeader);
    if (header[3] > kMaxPayload) {
      throw Violation("no frame: type " + std::to_string(header[0]) + ", length " +
                      std::to_string(header[3]));
    }
    if (in_.size() - at < kHeader + header[3]) break;
    Frame frame{header[0], header[1], header[2], in_.substr(at + kHeader, header[3])};
    at += kHeader + header[3];
    take(std::move(frame), now);
  }
  in_.erase(0, at);
}

void Conversation::take(Frame frame, Time now) {
  remember('<', frame, now);
  if (frame.type == support::kWatchEvent) {
    take_event(frame, now);
  } else {
    take_reply(frame, now);
  }
}

void Conversation::take_reply(const Frame& reply, Time now) {
  if (expected_.empty()) throw Violation("a reply that nobody asked for: " + describe(reply));
  const Frame& asked = expected_.front().asked;
  if (!expected_.front().sent) {
    throw Violation("a reply to what was not sent yet: " + describe(reply) + " to " +
                    describe(asked));
  }
  if ((reply.type != asked.type && !reply.is_error()) || reply.req_id != asked.req_id ||
      reply.tx_id != asked.tx_id) {
    throw Violation("the next reply has to answer " + describe(asked) + ", and it is " +
                    describe(reply));
  }
  const Time since = *waiting_since();
  Expected one = std::move(expected_.front());
  expected_.pop_front();
  --sent_whole_;
  last_answer_ = now;
  ++answered_;
  if (on_answer_) on_answer_(since, now);
  if (const std::string text = one.judge(reply); !text.empty()) {
    throw Violation(describe(one.asked) + " answered " + describe(reply) + ": " + text);
  }
}

void Conversation::take_event(const Frame& event, Time /*now*/) {
  const std::size_t first = event.payload.find('\0');
  const std::size_t second =
      first == std::string::npos ? first : event.payload.find('\0', first + 1);
  if (second == std::string::npos || second + 1 != event.payload.size() || event.req_id != 0 ||
      event.tx_id != 0) {
    throw Violation("malformed watch event: " + describe(event));
  }
  ++events_;
  on_event_({event.payload.substr(0, first), event.payload.substr(first + 1, second - first - 1)});
}

void Conversation::remember(char mark, const Frame& frame, Time now) {
  lines_.push_back(
      {.at = now,
       .mark = mark,
       .frame = {frame.type, frame.req_id, frame.tx_id, frame.payload.substr(0, kShownBytes)},
       .bytes = frame.payload.size()});
  if (lines_.size() > kLines) lines_.pop_front();
}

void Conversation::note(std::string text, Time now) {
  lines_.push_back({.at = now, .mark = '-', .frame = {0, 0, 0, std::move(text)}, .bytes = 0});
  if (lines_.size() > kLines) lines_.pop_front();
}

std::string Conversation::history() const {
  std::string text;
  for (const Line& line : lines_) {
    const auto ms = std::chrono::duration<double, std::milli>(line.at.time_since_epoch()).count();
    text += std::to_string(ms) + ' ' + line.mark + ' ' +
            (line.mark == '-' ? line.frame.payload : describe(line.frame, line.bytes)) + '\n';
  }
  std::size_t left = 20;
  for (const Expected& one : expected_) {
    if (left-- == 0) break;
    text +=
        std::string(one.sent ? "unanswered: " : "not sent whole: ") + describe(one.asked) + '\n';
  }
  return text;
}

}  // namespace vxs::test::kept
