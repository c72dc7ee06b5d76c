// The error of everything that reads history.
#pragma once

#include <cstdint>
#include <string>

#include <tl/expected.hpp>

namespace vxs::store::reader {

struct ReadError {
  enum class Kind : std::uint8_t {
    kNotFound,    ///< the moment, path or object is not there
    kUsage,       ///< what was asked for cannot be understood
    kUnreadable,  ///< a file or object is missing, damaged or not ours to read
  } kind = Kind::kUnreadable;
  std::string message;  ///< one sentence for a person; may quote input, so escape it for a terminal
};

template <typename T>
using ReadResult = tl::expected<T, ReadError>;

[[nodiscard]] inline tl::unexpected<ReadError> read_error(ReadError::Kind kind,
                                                          std::string message) {
  return tl::make_unexpected(ReadError{kind, std::move(message)});
}
[[nodiscard]] inline tl::unexpected<ReadError> not_found(std::string message) {
  return read_error(ReadError::Kind::kNotFound, std::move(message));
}
[[nodiscard]] inline tl::unexpected<ReadError> bad_request(std::string message) {
  return read_error(ReadError::Kind::kUsage, std::move(message));
}
[[nodiscard]] inline tl::unexpected<ReadError> unreadable(std::string message) {
  return read_error(ReadError::Kind::kUnreadable, std::move(message));
}

}  // namespace vxs::store::reader
