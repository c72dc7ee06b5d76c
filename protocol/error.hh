// The errors that can stand in an ERROR reply (conformance B0.4).
#pragma once

#include <cstdint>
#include <string_view>

namespace vxs::protocol {

/// Every error name of xs_wire.h and no other. A core function that fails
/// returns one of these; nothing is ever derived from a global errno (G7).
enum class Error : std::uint8_t {
  kInval,
  kAcces,
  kExist,
  kIsdir,
  kNoent,
  kNomem,
  kNospc,
  kIo,
  kNotempty,
  kNosys,
  kRofs,
  kBusy,
  kAgain,
  kIsconn,
  k2big,
  kPerm,
};

/// The wire name, "EINVAL" and so on, without a NUL.
[[nodiscard]] std::string_view error_name(Error error) noexcept;

/// The error whose name is that of a host errno value (ENOSPC, EIO, …); names
/// that xs_wire.h does not have become kInval.
[[nodiscard]] Error error_from_errno(int host_errno) noexcept;

}  // namespace vxs::protocol
