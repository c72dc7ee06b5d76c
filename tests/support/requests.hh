// Requests in one line each, for tests that ask for much: what came back as text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tests/support/frame_client.hh"

namespace vxs::support {

// "" or the error's name.
inline std::string write(FrameClient& client, std::string_view path, std::string_view value,
                         std::uint32_t tx = 0) {
  return client.call(kWrite, zstrings({path}) + std::string(value), tx).error();
}

// The value or the error's name.
inline std::string read(FrameClient& client, std::string_view path, std::uint32_t tx = 0) {
  const Frame reply = client.call(kRead, zstrings({path}), tx);
  return reply.is_error() ? reply.error() : reply.payload;
}

// The directory a toolstack makes for a guest, which owns it; "" or the error's name.
inline std::string make_home(FrameClient& toolstack, std::uint32_t domid) {
  const std::string number = std::to_string(domid);
  const std::string home = "/local/domain/" + number;
  const std::string made = toolstack.call(kMkdir, zstrings({home})).error();
  return made.empty() ? toolstack.call(kSetPerms, zstrings({home, "n" + number})).error() : made;
}

// A transaction's id.
inline std::uint32_t begin(FrameClient& client) {
  return static_cast<std::uint32_t>(
      std::stoul(client.call(kTransactionStart, zstrings({""})).payload));
}

// "" or the error's name; `how`: "T" commits, "F" does not.
inline std::string end(FrameClient& client, std::uint32_t tx, std::string_view how = "T") {
  return client.call(kTransactionEnd, zstrings({how}), tx).error();
}

}  // namespace vxs::support
