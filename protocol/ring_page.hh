// The page a guest shares with the daemon (conformance A15..A19): where things lie, and the only
// way to touch them. The other side may write any byte at any moment, so each index is loaded once
// per look, checked before it is used, and data is copied out before anybody believes it.
//
// Pure: memory in, bytes out. Both sides are here: a guest's requests are produced with a
// RingWriter and its replies consumed with a RingReader, the daemon's the other way round.
//
// All accesses are atomic, so that a test with both sides in one process has no data race.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace vxs::protocol {

inline constexpr std::size_t kRingPageSize = 4096;
/// Bytes of each direction. The slot of a free-running index is index % kRingSize.
inline constexpr std::uint32_t kRingSize = 1024;

/// Offsets in the page (A15); the two rings, then native-endian 32-bit words.
inline constexpr std::size_t kRingRequests = 0;
inline constexpr std::size_t kRingReplies = 1024;
inline constexpr std::size_t kRingReqCons = 2048;
inline constexpr std::size_t kRingReqProd = 2052;
inline constexpr std::size_t kRingRspCons = 2056;
inline constexpr std::size_t kRingRspProd = 2060;
inline constexpr std::size_t kRingFeatures = 2064;
inline constexpr std::size_t kRingConnection = 2068;
inline constexpr std::size_t kRingError = 2072;
inline constexpr std::size_t kRingEvtchnPort = 2076;

/// Values of the `connection` word (A20, A21). The guest writes 1, the server 0.
inline constexpr std::uint32_t kRingConnected = 0;
inline constexpr std::uint32_t kRingReconnect = 1;

enum class RingDirection : std::uint8_t {
  kRequests,  ///< guest to daemon
  kReplies,   ///< daemon to guest: replies and watch events
};

/// The words of a page. Owns nothing; copied freely.
class RingPageView {
 public:
  /// REQUIRES: kRingPageSize bytes, aligned to 8, mapped as long as views of them are used.
  explicit RingPageView(std::byte* page) noexcept : page_(page) {}

  [[nodiscard]] std::uint32_t features() const noexcept { return load(kRingFeatures); }
  [[nodiscard]] std::uint32_t connection() const noexcept { return load(kRingConnection); }
  [[nodiscard]] std::uint32_t error() const noexcept { return load(kRingError); }
  [[nodiscard]] std::uint32_t evtchn_port() const noexcept { return load(kRingEvtchnPort); }
  void set_features(std::uint32_t value) const noexcept { store(kRingFeatures, value); }
  /// Everything written before is seen by whoever sees this value.
  void set_connection(std::uint32_t value) const noexcept { store(kRingConnection, value); }
  void set_error(std::uint32_t value) const noexcept { store(kRingError, value); }
  void set_evtchn_port(std::uint32_t value) const noexcept { store(kRingEvtchnPort, value); }

  /// Sets all four indices to 0 (F2, A20).
  void zero_indices() const noexcept;

  /// A word at one of the offsets above: acquire and sequentially consistent store.
  [[nodiscard]] std::uint32_t load(std::size_t offset) const noexcept;
  void store(std::size_t offset, std::uint32_t value) const noexcept;

  [[nodiscard]] std::byte* bytes() const noexcept { return page_; }

 private:
  std::byte* page_;
};

/// One look at a direction by its consumer.
class RingReader {
 public:
  /// Loads both indices, once. Nothing if they are more than kRingSize apart (A16).
  [[nodiscard]] static std::optional<RingReader> look(RingPageView page,
                                                      RingDirection direction) noexcept;

  /// Bytes that can be read.
  [[nodiscard]] std::uint32_t available() const noexcept { return available_; }
  /// The consumer's index, as loaded, plus what was read since.
  [[nodiscard]] std::uint32_t cons() const noexcept { return cons_; }
  /// Copies the next bytes without taking them. REQUIRES: out.size() <= available().
  void peek(std::span<char> out) const noexcept;
  /// Copies the next bytes out and takes them. REQUIRES: out.size() <= available().
  void read(std::span<char> out) noexcept;
  /// Tells the producer what was taken. Look again afterwards before waiting for an event: the
  /// producer may have gone on without one (A27).
  void publish() const noexcept;

 private:
  RingReader(RingPageView page, RingDirection direction, std::uint32_t cons,
             std::uint32_t available) noexcept
      : page_(page), direction_(direction), cons_(cons), available_(available) {}

  RingPageView page_;
  RingDirection direction_;
  std::uint32_t cons_;
  std::uint32_t available_;
};

/// One look at a direction by its producer.
class RingWriter {
 public:
  /// Loads both indices, once. Nothing if they are more than kRingSize apart (A16).
  [[nodiscard]] static std::optional<RingWriter> look(RingPageView page,
                                                      RingDirection direction) noexcept;

  /// Bytes that can be written.
  [[nodiscard]] std::uint32_t room() const noexcept { return room_; }
  /// The producer's index, as loaded, plus what was written since.
  [[nodiscard]] std::uint32_t prod() const noexcept { return prod_; }
  /// Copies bytes in; the consumer does not see them yet. REQUIRES: bytes.size() <= room().
  void write(std::string_view bytes) noexcept;
  /// Shows the consumer what was written. Look again afterwards before waiting for an event (A27).
  void publish() const noexcept;

 private:
  RingWriter(RingPageView page, RingDirection direction, std::uint32_t prod,
             std::uint32_t room) noexcept
      : page_(page), direction_(direction), prod_(prod), room_(room) {}

  RingPageView page_;
  RingDirection direction_;
  std::uint32_t prod_;
  std::uint32_t room_;
};

}  // namespace vxs::protocol
