// The raw client of frame_client.hh over a unix socket.
#pragma once

#include "tests/support/frame_client.hh"

namespace vxs::support {

class WireClient : public FrameClient {
 public:
  // Connects; throws WireError.
  explicit WireClient(const std::string& socket_path);
  ~WireClient() override;
  WireClient(WireClient&& other) noexcept;
  WireClient& operator=(WireClient&& other) noexcept;

  [[nodiscard]] int fd() const { return fd_; }

  void send_bytes(std::string_view bytes) override;

  // Whether the daemon closed the connection, waiting at most `timeout`.
  bool closed_by_peer(std::chrono::milliseconds timeout);

 private:
  bool fill(Deadline deadline) override;

  int fd_ = -1;
};

}  // namespace vxs::support
