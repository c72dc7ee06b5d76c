// Reads a checkpoint file block by block, each checked before it is shown.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "store/journal/checkpoint_format.hh"

namespace vxs::store {

enum class BlockUse : std::uint8_t {
  kTaken,
  kMalformed,  ///< right by its checksum, wrong by its contents
  kUnknown,    ///< a section this version must not ignore
};
using BlockVisitor = std::function<BlockUse(const BlockHeader& header, std::string_view payload)>;

/// Shows every block, the end block last. Errors: kIo, kDamaged, kNewerVersion.
[[nodiscard]] tl::expected<CheckpointMeta, JournalError> scan_checkpoint(Env& env,
                                                                         const std::string& path,
                                                                         const BlockVisitor& visit);

}  // namespace vxs::store
