#pragma once
// One client connection over a unix socket: non-blocking, with an output and an
// input buffer. Owns its descriptor. Not for use by two threads.

#include <cstddef>
#include <optional>
#include <string>

#include "tests/bench/wire.hh"

namespace vxs::bench {

class Connection {
 public:
  // Connects; throws BenchError when nobody listens at `socket_path`.
  explicit Connection(const std::string& socket_path);
  ~Connection();
  Connection(Connection&& other) noexcept;
  Connection& operator=(Connection&&) = delete;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] int descriptor() const { return fd_; }

  // The output buffer: append requests to it, then call flush().
  [[nodiscard]] std::string& output() { return output_; }
  [[nodiscard]] bool output_pending() const { return sent_ < output_.size(); }

  // Sends what the socket takes now. Throws BenchError when the peer is gone.
  void flush();

  // Reads what is there (one recv). Throws BenchError at the end of the stream.
  void fill();

  // Takes the next whole message out of the input buffer, if there is one.
  [[nodiscard]] std::optional<Reply> next();

 private:
  int fd_ = -1;
  std::string output_;
  std::size_t sent_ = 0;
  std::string input_;
  std::size_t filled_ = 0;
  std::size_t taken_ = 0;
};

}  // namespace vxs::bench
