// What lies in a journal directory, from the headers alone. Read-only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "store/env.hh"
#include "store/journal/format.hh"

namespace vxs::store {

struct FoundSegment {
  std::string path;
  std::uint64_t number = 0;  ///< from the name
  std::uint64_t file_bytes = 0;
  std::uint64_t published = 0;  ///< kMapped
  enum class State : std::uint8_t {
    kActive,  ///< holds, or may hold, records
    kUnused,  ///< prepared ahead and never begun
    kBad,     ///< holds something, but its header cannot be read
    kNewerVersion,
  } state = State::kActive;
  SegmentIdentity identity;  ///< kActive
  SegmentOpening opening;    ///< kActive; inferred from the first record where the block is bad
  bool opening_inferred = false;
};

struct Survey {
  std::vector<FoundSegment> segments;  ///< by number, ascending
  std::vector<Seq> checkpoints;        ///< ascending
  std::vector<std::string> leftovers;  ///< paths of temporary files nobody finished
};

/// Lists a directory; one that does not exist is empty.
[[nodiscard]] IoResult<Survey> survey_directory(Env& env, const std::string& directory);

}  // namespace vxs::store
