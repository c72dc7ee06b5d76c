#include <array>

#include "daemon/core/handlers.hh"

namespace vxs::daemon {
namespace {

using protocol::MessageType;

constexpr auto kTable = [] {
  std::array<HandlerEntry, protocol::kMessageTypeEnd> table{};
  const auto set = [&table](MessageType type, HandlerEntry entry) {
    table[static_cast<std::size_t>(type)] = entry;
  };
  set(MessageType::kControl, {.handler = handle_control, .privileged = true});
  set(MessageType::kDirectory, {.handler = handle_directory});
  set(MessageType::kRead, {.handler = handle_read});
  set(MessageType::kGetPerms, {.handler = handle_get_perms});
  set(MessageType::kWatch, {.handler = handle_watch, .transactional = false});
  set(MessageType::kUnwatch, {.handler = handle_unwatch, .transactional = false});
  set(MessageType::kTransactionStart, {.handler = handle_transaction_start});
  set(MessageType::kTransactionEnd, {.handler = handle_transaction_end});
  set(MessageType::kIntroduce, {.handler = handle_introduce, .privileged = true});
  set(MessageType::kRelease, {.handler = handle_release, .privileged = true});
  set(MessageType::kGetDomainPath, {.handler = handle_get_domain_path});
  set(MessageType::kWrite, {.handler = handle_write});
  set(MessageType::kMkdir, {.handler = handle_mkdir});
  set(MessageType::kRm, {.handler = handle_rm});
  set(MessageType::kSetPerms, {.handler = handle_set_perms});
  set(MessageType::kIsDomainIntroduced,
      {.handler = handle_is_domain_introduced, .privileged = true});
  set(MessageType::kResume, {.handler = handle_resume, .privileged = true});
  set(MessageType::kSetTarget, {.handler = handle_set_target, .privileged = true});
  set(MessageType::kResetWatches, {.handler = handle_reset_watches});
  set(MessageType::kDirectoryPart, {.handler = handle_directory_part});
  // Unprivileged callers may ask for their own features (B19): the handler looks.
  set(MessageType::kGetFeature, {.handler = handle_get_feature});
  set(MessageType::kSetFeature, {.handler = handle_set_feature, .privileged = true});
  set(MessageType::kGetQuota, {.handler = handle_get_quota, .privileged = true});
  set(MessageType::kSetQuota, {.handler = handle_set_quota, .privileged = true});
  return table;
}();

constexpr HandlerEntry kNoHandler{};

}  // namespace

const HandlerEntry& handler_for(std::uint32_t type) noexcept {
  return type < kTable.size() ? kTable[type] : kNoHandler;
}

}  // namespace vxs::daemon
