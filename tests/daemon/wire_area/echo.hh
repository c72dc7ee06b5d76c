// Both ends of the kill test speak frames whose every byte follows from connection and number, so
// that a byte lost, doubled or out of order is seen at once. And the end that is killed.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/wire_area/wire_area.hh"

namespace vxs::daemon::test {

enum class FrameKind : std::uint32_t { kRequest = 0x51, kReply = 0x52, kEvent = 0x53, kLog = 0x54 };

struct Frame {
  FrameKind kind;
  std::uint64_t number;
  std::string_view payload;
  std::size_t size;  ///< with its header
};
/// The frame number `number` of its kind and connection.
std::string make_frame(FrameKind kind, std::uint64_t connection, std::uint64_t number);
/// The first frame of `bytes`; nothing if it is not all there.
std::optional<Frame> first_frame(std::string_view bytes);
/// True if it is what make_frame() made.
bool is_true(const Frame& frame, std::uint64_t connection);

/// An event follows the reply to such a request, at once.
constexpr bool has_event(std::uint64_t request) { return request % 5 == 0; }
/// Connections whose events may be dropped before they are sent.
constexpr bool may_drop_events(std::uint64_t connection) { return connection % 2 == 1; }

/// Serves the connections of an area: answers request n with reply n, logs some, and holds back,
/// takes back, rewrites and drops what a daemon may. Its own state is what it finds in the area.
class Echo {
 public:
  /// `sockets` by descriptor number of the slots.
  Echo(int area, std::vector<int> sockets, std::uint64_t seed);
  /// Until it is killed. Returns what is wrong with what was found or received.
  std::string run();

 private:
  struct Client {
    WireSlot* slot = nullptr;
    std::uint64_t id = 0;
    int fd = -1;
    std::uint64_t position = 0;  ///< of the first byte not handled
    std::uint64_t handled = 0;
    std::uint64_t log_begin = 0;
  };
  bool take_up();
  bool check_log(Client& client);
  bool serve(Client& client);
  bool handle(Client& client, const Frame& request);
  void publish(Client& client);
  void take_back(Client& client);
  void drop_events(Client& client);
  void shorten_log(Client& client);
  bool wrong(const Client& client, const std::string& what);
  bool chance(unsigned of) { return random_() % of == 0; }

  int area_fd_;
  std::vector<int> sockets_;
  std::mt19937_64 random_;
  std::unique_ptr<WireArea> area_;
  std::vector<Client> clients_;
  std::string wrong_;
  bool moved_ = false;
};

}  // namespace vxs::daemon::test
