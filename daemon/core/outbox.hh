// What a connection is still to be sent: replies and watch events, in order,
// each released when the record it depends on is safe (design §5).
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "daemon/core/account.hh"
#include "daemon/core/outbox_bytes.hh"
#include "protocol/ids.hh"
#include "protocol/wire.hh"

namespace vxs::daemon {

/// One thread. Bytes leave through sendable() and sent().
class Outbox {
 public:
  Outbox() = default;
  ~Outbox();
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  /// From now on what is queued is charged to `account` until it is written or dropped (G6).
  /// REQUIRES: nothing is queued.
  void charge_to(std::shared_ptr<Account> account) { account_ = std::move(account); }

  /// From now on the bytes lie in `bytes`, which may hold some of an earlier process already: whole
  /// frames, all of which may leave, the first `sent` bytes of them sent. Its events count as
  /// queued now. REQUIRES: nothing is queued; the account, if any, is known.
  void keep_in(std::unique_ptr<OutboxBytes> bytes, std::size_t sent, std::int64_t now_us);

  /// Appends a reply. `required` is the Seq it depends on; `safe` what is safe now. Replies are
  /// never refused. `cause`: the guest's request it answers, if it counts as outstanding (G5).
  void append_reply(const protocol::Header& header, std::string_view payload, Seq required,
                    Seq safe, Cause cause = {});

  /// Offsets within the bytes: the beginning of the frame that is sent next, what was sent, and
  /// where what waits for the journal begins.
  [[nodiscard]] std::size_t frame_begin() const noexcept { return frame_; }
  [[nodiscard]] std::size_t sent_bytes() const noexcept { return sent_; }
  [[nodiscard]] std::size_t may_leave() const noexcept {
    return marks_.empty() ? size() : marks_.front().begin;
  }

  /// What an event's queueing needs to know besides its text.
  struct EventTerms {
    bool merge = true;  ///< not, if the same path and token are queued already (D14)
    Seq required = 0;
    Seq safe = 0;
    Cause cause{};               ///< the other guest's request that caused it (G5)
    std::int64_t queued_us = 0;  ///< for expire()
  };
  /// Appends a watch event. Returns false if merged away.
  bool append_event(std::string_view path, std::string_view token, const EventTerms& terms);
  bool append_event(std::string_view path, std::string_view token, bool merge, Seq required,
                    Seq safe) {
    return append_event(path, token, {.merge = merge, .required = required, .safe = safe});
  }
  /// D15: drops events queued at or before `until_us` of which no byte was written. Returns how
  /// many.
  std::size_t expire(std::int64_t until_us);

  /// The bytes that may leave now.
  [[nodiscard]] std::string_view sendable() const noexcept {
    return bytes_->view().substr(sent_, may_leave() - sent_);
  }
  void sent(std::size_t count);

  /// Everything up to `safe` may leave.
  void release(Seq safe);
  /// Takes back what depends on records above `safe`: they were lost and nobody saw them. What
  /// waited behind it for the order's sake only stays, and may leave.
  void rollback(Seq safe);

  /// Forgets everything that was not sent, also the rest of what was half sent.
  void clear() noexcept;

  /// True if something waits for a record to be safe.
  [[nodiscard]] bool gated() const noexcept { return !marks_.empty(); }
  [[nodiscard]] bool empty() const noexcept { return sent_ == size(); }
  [[nodiscard]] std::size_t unsent() const noexcept { return size() - sent_; }
  /// There was no room for something: what the client is to be sent is not complete any more, and
  /// its connection cannot go on.
  [[nodiscard]] bool overflowed() const noexcept { return overflowed_; }
  [[nodiscard]] std::size_t unsent_event_bytes() const noexcept { return event_bytes_; }
  /// Of all messages charged: payloads and 16 bytes each. O(messages).
  [[nodiscard]] std::size_t charged_bytes() const noexcept;
  /// When the oldest event was queued; nothing if none is.
  [[nodiscard]] std::optional<std::int64_t> oldest_event_us() const noexcept;

 private:
  /// Bytes from `begin` to the next mark depend on `required`; all wait for those before them.
  struct Mark {
    std::size_t begin;
    Seq required;
  };
  /// A queued event, or where they are charged or hold a request, a reply: its payload ends at
  /// `end`.
  struct Message {
    std::size_t end;
    std::size_t size;
    bool event;
    std::int64_t queued_us;
    Cause cause;
    [[nodiscard]] std::size_t begin() const noexcept { return end - size - protocol::kHeaderSize; }
  };
  [[nodiscard]] std::size_t size() const noexcept { return bytes_->view().size(); }
  [[nodiscard]] bool append(const protocol::Header& header, std::string_view payload);
  void mark(Seq required, Seq safe);
  void queue(bool event, std::size_t size, const Cause& cause, std::int64_t queued_us);
  /// The books are told that a message goes; its bytes are still there.
  void forget(const Message& message);
  void compact();

  std::unique_ptr<OutboxBytes> bytes_ = std::make_unique<HeapBytes>();
  std::size_t sent_ = 0;
  std::size_t frame_ = 0;  ///< the beginning of what is sent next, or half sent
  bool overflowed_ = false;
  std::deque<Mark> marks_;
  std::deque<Message> messages_;
  std::shared_ptr<Account> account_;
  std::unordered_set<std::string> queued_events_;
  std::size_t event_bytes_ = 0;
};

}  // namespace vxs::daemon
