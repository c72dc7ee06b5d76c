// What is kept of a request that the daemon died of twice in a row (design §5): a file for whoever
// looks for the defect. Guest data are in it: it is for the owner of the state directory alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "protocol/ids.hh"
#include "protocol/wire.hh"

namespace vxs::daemon {

/// All there is to know. Views are valid during write().
struct PoisonedRequest {
  std::int64_t time_us = 0;     ///< wall clock
  ConnectionId connection = 0;  ///< its number
  std::string_view who;         ///< the connection as the log calls it
  std::uint64_t ordinal = 0;    ///< of the request within the connection
  protocol::Header header;
  std::string_view payload;
  std::string_view died_of;  ///< how the last daemon ended
  std::string_view version;
  std::string_view trace_file;  ///< empty: none; its last lines are taken
};

/// Main thread. Nothing here stops a daemon: what cannot be written is said, and that is all.
class PoisonBundles {
 public:
  static constexpr std::size_t kMostFiles = 20;
  static constexpr std::size_t kMostBytes = 64 * 1024;

  /// `directory` need not exist.
  explicit PoisonBundles(std::string directory) : directory_(std::move(directory)) {}

  /// Writes `<directory>/<time>-<connection>-<ordinal>`, 0600, and removes the oldest beyond
  /// kMostFiles. Its path; or what went wrong, for the log.
  [[nodiscard]] tl::expected<std::string, std::string> write(const PoisonedRequest& request) const;

  struct Kept {
    std::size_t count = 0;
    std::string newest;  ///< path; empty: there is none
  };
  [[nodiscard]] Kept kept() const;

 private:
  std::string directory_;
};

/// The text of a bundle, kMostBytes at most. `trace` and `core_pattern` may be empty.
[[nodiscard]] std::string poison_text(const PoisonedRequest& request, std::string_view trace,
                                      std::string_view core_pattern);

}  // namespace vxs::daemon
