// A request's path, made canonical for the connection it came from (conformance C1..C5).
#pragma once

#include <string_view>

#include "protocol/error.hh"

#include <tl/expected.hpp>

namespace vxs::daemon {

class Connection;
class Server;

enum class Names : std::uint8_t {
  kOrdinary,    ///< "@name" is EINVAL
  kSpecialToo,  ///< WATCH, UNWATCH, GET_PERMS, SET_PERMS (C3)
};

/// The canonical form: a view into `raw`, or into the server's path scratch for a relative
/// path. Errors: kInval.
[[nodiscard]] tl::expected<std::string_view, protocol::Error> canonical_path(
    Server& server, const Connection& connection, std::string_view raw, Names names);

}  // namespace vxs::daemon
