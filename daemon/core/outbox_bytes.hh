// Where the bytes of an outbox lie: in the process, or in a slot of the wire area, which outlives
// it (design §6). One thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace vxs::daemon {

class OutboxBytes {
 public:
  virtual ~OutboxBytes() = default;
  /// Valid until the next call that changes them.
  [[nodiscard]] virtual std::string_view view() const noexcept = 0;
  /// At the end, one after the other. False if there is no room: nothing was changed.
  [[nodiscard]] virtual bool append(std::string_view header, std::string_view payload) = 0;
  /// The first `count` are not needed any more.
  virtual void drop_front(std::size_t count) = 0;
  /// What begins at `from`, of which nothing was sent, becomes `rest`, which is no longer than what
  /// was there; bytes up to `may_leave` may leave then. False if there is no memory: nothing was
  /// changed.
  [[nodiscard]] virtual bool replace(std::size_t from, std::string_view rest,
                                     std::size_t may_leave) = 0;
  virtual void clear() noexcept = 0;
};

class HeapBytes final : public OutboxBytes {
 public:
  [[nodiscard]] std::string_view view() const noexcept override { return bytes_; }
  [[nodiscard]] bool append(std::string_view header, std::string_view payload) override {
    bytes_.append(header).append(payload);
    return true;
  }
  void drop_front(std::size_t count) override {
    bytes_.erase(0, count);
    if (bytes_.empty()) clear_but_keep_little();
  }
  [[nodiscard]] bool replace(std::size_t from, std::string_view rest, std::size_t) override {
    bytes_.replace(from, std::string::npos, rest);
    return true;
  }
  void clear() noexcept override { bytes_ = std::string(); }

 private:
  /// A buffer that once held a burst gives its memory back.
  void clear_but_keep_little() {
    constexpr std::size_t kKeepCapacity = 16 * 1024;
    if (bytes_.capacity() > kKeepCapacity) bytes_.shrink_to_fit();
  }
  std::string bytes_;
};

}  // namespace vxs::daemon
