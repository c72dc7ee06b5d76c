// What a connection is still to be sent: replies and watch events, in order,
// each released when the record it depends on is safe (design §5).
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_set>

#include "protocol/ids.hh"
#include "protocol/wire.hh"

namespace vxs::daemon {

/// One thread. Bytes leave through sendable() and sent().
class Outbox {
 public:
  /// Appends a reply. `required` is the Seq it depends on; `safe` what is safe now. Replies are
  /// never refused.
  void append_reply(const protocol::Header& header, std::string_view payload, Seq required,
                    Seq safe);

  /// Appends a watch event unless the same path and token are queued already and `merge` is set
  /// (D14). Returns false if merged away.
  bool append_event(std::string_view path, std::string_view token, bool merge, Seq required,
                    Seq safe);

  /// The bytes that may leave now.
  [[nodiscard]] std::string_view sendable() const noexcept {
    const std::size_t end = marks_.empty() ? bytes_.size() : marks_.front().begin;
    return std::string_view(bytes_).substr(sent_, end - sent_);
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
  [[nodiscard]] bool empty() const noexcept { return sent_ == bytes_.size(); }
  [[nodiscard]] std::size_t unsent() const noexcept { return bytes_.size() - sent_; }
  [[nodiscard]] std::size_t unsent_event_bytes() const noexcept { return event_bytes_; }

 private:
  /// Bytes from `begin` to the next mark depend on `required`; all wait for those before them.
  struct Mark {
    std::size_t begin;
    Seq required;
  };
  /// A queued event: its payload ends at `end`.
  struct Event {
    std::size_t end;
    std::size_t size;
  };
  void mark(Seq required, Seq safe);
  void compact();

  std::string bytes_;
  std::size_t sent_ = 0;
  std::deque<Mark> marks_;
  std::deque<Event> events_;
  std::unordered_set<std::string> queued_events_;
  std::size_t event_bytes_ = 0;
};

}  // namespace vxs::daemon
