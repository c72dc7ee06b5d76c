// The history's results, and how its files make errors.
#pragma once

#include <string>
#include <utility>

#include <tl/expected.hpp>

#include "store/history/history_writer.hh"

namespace vxs::store {

template <typename T>
using HistoryResult = tl::expected<T, HistoryError>;

[[nodiscard]] inline tl::unexpected<HistoryError> io_failed(const IoError& error) {
  return tl::unexpected(HistoryError{HistoryError::Kind::kIo, error.code, error.what});
}
[[nodiscard]] inline tl::unexpected<HistoryError> damaged(std::string message) {
  return tl::unexpected(HistoryError{HistoryError::Kind::kDamaged, 0, std::move(message)});
}
[[nodiscard]] inline tl::unexpected<HistoryError> mismatch(std::string message) {
  return tl::unexpected(HistoryError{HistoryError::Kind::kMismatch, 0, std::move(message)});
}

}  // namespace vxs::store
