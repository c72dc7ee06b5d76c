// What a daemon leaves to the program that follows it in a live update, and to itself if that one
// fails: a memfd that the supervisor keeps until the requester has its answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "daemon/process/descriptor.hh"
#include "protocol/ids.hh"

namespace vxs::daemon {

/// Its name at the supervisor.
inline constexpr const char* kUpdateName = "update";

/// Why a new program did not take over.
inline constexpr const char* kNotInTime = "it had not taken over in time";
/// The same for one that ended, as wait(2) tells.
[[nodiscard]] std::string how_it_ended(int status);
/// The requester's answer then.
[[nodiscard]] std::string old_one_goes_on(const std::string& why);

struct UpdateNote {
  enum class Stage : std::uint32_t {
    kPrepared = 1,   ///< the new program has not taken over yet
    kTakenOver = 2,  ///< it has
    kFailed = 3,     ///< the old one goes on; `text` says why
  };
  Stage stage = Stage::kPrepared;
  /// The `live-update -s` to be answered.
  ConnectionId connection = 0;
  std::uint64_t ordinal = 0;
  /// The state the new program has to reproduce: the last record, Tree::state_hash(), and
  /// store::state_hash() of the state beside it.
  Seq seq = 0;
  std::uint64_t tree_hash = 0;
  std::uint64_t system_hash = 0;
  std::int64_t stopped_us = 0;  ///< CLOCK_MONOTONIC, when the old one stopped serving
  std::string version{};        ///< of the old program
  std::string text{};           ///< why it failed, as far as the new program could say; then all

  /// A new memfd with it. None: no memory, no descriptor.
  [[nodiscard]] process::Descriptor write() const;
  /// In place of what `fd` holds. Long texts are cut.
  [[nodiscard]] bool write_to(int fd) const;
  /// Nothing: it is no note, or of another layout.
  [[nodiscard]] static std::optional<UpdateNote> read(int fd);
  /// The new program, which gives up: why, for the old one to tell. Nothing once it has taken over.
  static void tell(int fd, const std::string& why);
};

}  // namespace vxs::daemon
