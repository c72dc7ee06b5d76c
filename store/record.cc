#include "store/record.hh"

namespace vxs::store {

Seq record_seq(const Record& record) noexcept {
  if (const auto* commit = std::get_if<CommitRecord>(&record)) return commit->seq;
  if (const auto* conflict = std::get_if<ConflictRecord>(&record)) return conflict->seq;
  if (const auto* start = std::get_if<StartRecord>(&record)) return start->seq;
  if (const auto* state = std::get_if<StateRecord>(&record)) return state->seq;
  return 0;
}

}  // namespace vxs::store
