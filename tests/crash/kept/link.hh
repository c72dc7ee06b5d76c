// What carries a client's bytes to the daemon.
#pragma once

#include <poll.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace vxs::test::kept {

class Link {
 public:
  virtual ~Link() = default;
  // To poll for bytes to receive.
  [[nodiscard]] virtual int fd() const = 0;
  // To poll for room to send.
  [[nodiscard]] virtual pollfd room() const { return {fd(), POLLOUT, 0}; }
  // How many bytes it took, without waiting; -1 if the other end is gone.
  virtual long send(std::string_view bytes) = 0;
  // Appends what is there. False if the other end is gone and all was read.
  virtual bool receive(std::string& bytes) = 0;
  // The client is about to go, and not because the other end did. `dies`: with all that it owns,
  // as guests do; else it will come again and find that.
  virtual void depart(bool /*dies*/) {}
  // Whose domain it is; 0 for a socket's.
  [[nodiscard]] virtual std::uint32_t domid() const { return 0; }

 protected:
  Link() = default;
  Link(const Link&) = default;
  Link& operator=(const Link&) = default;
};

// Null if there is no room for another client now. Throws Violation if nobody listens who should.
using Connect = std::function<std::unique_ptr<Link>()>;

// Takes a connected stream socket, which it makes non-blocking and closes in the end.
std::unique_ptr<Link> make_socket_link(int fd);

// Connects to a named socket. With `always`, it is a Violation if nobody listens.
Connect socket_connector(std::string path, bool always);

}  // namespace vxs::test::kept
