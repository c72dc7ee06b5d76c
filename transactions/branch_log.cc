#include "transactions/branch_log.hh"

#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>

#include "protocol/path.hh"
#include "protocol/wire.hh"

namespace vxs::transactions {
namespace {

using Kind = BranchLogEntry::Kind;

constexpr std::size_t kShortEntry = 12;
constexpr std::size_t kOperationEntry = 40;
constexpr std::size_t kPermEntry = 12;
constexpr std::uint8_t kPoisoned = 1;

// No request can carry more. A relative path grows by "/local/domain/<id>/".
constexpr std::size_t kMaxPath = protocol::kMaxPayload + 20;
constexpr std::size_t kMaxValue = protocol::kMaxPayload;
constexpr std::size_t kMaxPerms = protocol::kMaxPayload / 3;  // "n0" and its NUL

class Writer {
 public:
  explicit Writer(char* out) noexcept : out_(out) {}
  template <typename Number>
  void number(Number value) noexcept {
    auto rest = static_cast<std::uint64_t>(value);
    for (std::size_t i = 0; i < sizeof(Number); ++i, rest >>= 8) {
      *out_++ = static_cast<char>(rest & 0xFF);
    }
  }
  void bytes(std::string_view value) noexcept {
    if (value.empty()) return;
    std::memcpy(out_, value.data(), value.size());
    out_ += value.size();
  }

 private:
  char* out_;
};

/// Takes fields off bytes that are long enough.
class Reader {
 public:
  explicit Reader(std::string_view bytes) noexcept : rest_(bytes) {}
  template <typename Number>
  Number number() noexcept {
    std::uint64_t value = 0;
    for (std::size_t i = sizeof(Number); i-- > 0;) {
      value = value << 8 | static_cast<unsigned char>(rest_[i]);
    }
    rest_.remove_prefix(sizeof(Number));
    return static_cast<Number>(value);
  }
  std::string_view bytes(std::size_t size) noexcept {
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  [[nodiscard]] std::size_t left() const noexcept { return rest_.size(); }

 private:
  std::string_view rest_;
};

// What the kind of operation has no use for is not written.
std::string_view value_of(const Operation& operation) noexcept {
  return operation.kind == OperationKind::kWrite ? operation.value : std::string_view{};
}

std::span<const protocol::PermEntry> perms_of(const Operation& operation) noexcept {
  if (operation.kind != OperationKind::kSetPerms || !operation.perms) return {};
  return operation.perms->entries();
}

bool is_canonical(std::string_view path, OperationKind kind) {
  if (!path.starts_with('/') && !path.starts_with('@')) return false;
  const protocol::PathContext context{
      .allow_special = kind == OperationKind::kGetPerms || kind == OperationKind::kSetPerms,
      .guest_limit = std::numeric_limits<std::size_t>::max()};
  std::string scratch;
  return protocol::canonicalize_path(path, context, scratch).has_value();
}

/// The fields after the short entry, from an operation's `kind` on; nullptr, or what is wrong.
const char* take_operation(Reader& in, std::uint8_t kind, store::PermTable& table,
                           BranchLogEntry& out) {
  Operation& operation = out.operation;
  if (kind > static_cast<std::uint8_t>(OperationKind::kSetPerms)) return "unknown operation";
  operation.kind = static_cast<OperationKind>(kind);
  out.ancestor_length = in.number<std::uint16_t>();
  operation.names_room = in.number<std::uint16_t>();
  out.answer = in.number<std::uint64_t>();
  operation.offset = in.number<std::uint64_t>();
  const std::size_t path_size = in.number<std::uint16_t>();
  const std::size_t value_size = in.number<std::uint16_t>();
  const std::size_t perm_count = in.number<std::uint16_t>();
  if (in.number<std::uint16_t>() != 0) return "a field that is not used is set";
  if (path_size > kMaxPath || value_size > kMaxValue || perm_count > kMaxPerms) {
    return "larger than any request";
  }
  if (in.left() != path_size + value_size + perm_count * kPermEntry) {
    return "the sizes do not add up";
  }
  operation.path = in.bytes(path_size);
  operation.value = in.bytes(value_size);
  if (!is_canonical(operation.path, operation.kind)) return "no canonical path";
  if (out.ancestor_length > path_size) return "an ancestor longer than the path";
  const bool part = operation.kind == OperationKind::kDirectoryPart;
  const bool has_perms = operation.kind == OperationKind::kSetPerms;
  if (!part && (operation.offset != 0 || operation.names_room != 0)) {
    return "a part of what has no parts";
  }
  if (operation.names_room > kMaxReply) return "more room than a reply has";
  if (operation.kind != OperationKind::kWrite && value_size != 0) return "a value of no write";
  if (has_perms != (perm_count != 0)) return "permissions where there are none, or none";

  std::vector<protocol::PermEntry> entries(perm_count);
  for (auto& entry : entries) {
    entry.domid = in.number<std::uint16_t>();
    const auto access = in.number<std::uint8_t>();
    const auto zero = in.number<std::uint8_t>();
    if (access > static_cast<std::uint8_t>(protocol::Access::kBoth) || zero != 0) {
      return "no permission entry";
    }
    entry.access = static_cast<protocol::Access>(access);
    entry.incarnation = in.number<std::uint64_t>();
  }
  if (has_perms) operation.perms = table.intern(entries);
  return nullptr;
}

const char* take_whole(std::string_view bytes, store::PermTable& table, BranchLogEntry& out) {
  Reader in(bytes);
  (void)in.number<std::uint32_t>();
  out.tx_id = in.number<std::uint32_t>();
  const auto kind = in.number<std::uint8_t>();
  const auto flags = in.number<std::uint8_t>();
  const auto operation = in.number<std::uint8_t>();
  if (in.number<std::uint8_t>() != 0) return "a field that is not used is set";
  if (out.tx_id == 0) return "no transaction";
  if (kind < static_cast<std::uint8_t>(Kind::kStarted) ||
      kind > static_cast<std::uint8_t>(Kind::kEnded)) {
    return "unknown kind of entry";
  }
  if (flags > kPoisoned) return "unknown flags";
  out.kind = static_cast<Kind>(kind);
  out.poisoned = flags == kPoisoned;
  if (!out.has_operation()) {
    if (bytes.size() != kShortEntry || operation != 0 || out.poisoned) return "too much";
    return nullptr;
  }
  if (bytes.size() < kOperationEntry) return "too short";
  if (out.kind == Kind::kNotRun && !out.poisoned) return "not run, and not poisoned";
  return take_operation(in, operation, table, out);
}

tl::unexpected<BranchLogError> failure(std::size_t offset, std::string_view what) {
  return tl::unexpected(BranchLogError{.offset = offset, .what = what});
}

}  // namespace

std::size_t encoded_size(const BranchLogEntry& entry) noexcept {
  if (!entry.has_operation()) return kShortEntry;
  const Operation& operation = entry.operation;
  const std::size_t value = value_of(operation).size();
  const std::size_t perms = perms_of(operation).size();
  if (operation.path.size() > kMaxPath || value > kMaxValue || perms > kMaxPerms) return 0;
  return kOperationEntry + operation.path.size() + value + perms * kPermEntry;
}

void encode(const BranchLogEntry& entry, char* out) noexcept {
  const Operation& operation = entry.operation;
  const bool has_operation = entry.has_operation();
  Writer to(out);
  to.number(static_cast<std::uint32_t>(encoded_size(entry)));
  to.number(entry.tx_id);
  to.number(static_cast<std::uint8_t>(entry.kind));
  to.number(static_cast<std::uint8_t>(has_operation && entry.poisoned ? kPoisoned : 0));
  to.number(static_cast<std::uint8_t>(has_operation ? operation.kind : OperationKind::kRead));
  to.number(std::uint8_t{0});
  if (!has_operation) return;
  const auto value = value_of(operation);
  const auto perms = perms_of(operation);
  const bool part = operation.kind == OperationKind::kDirectoryPart;
  to.number(static_cast<std::uint16_t>(entry.ancestor_length));
  to.number(static_cast<std::uint16_t>(part ? operation.names_room : 0));
  to.number(entry.answer);
  to.number(part ? operation.offset : 0);
  to.number(static_cast<std::uint16_t>(operation.path.size()));
  to.number(static_cast<std::uint16_t>(value.size()));
  to.number(static_cast<std::uint16_t>(perms.size()));
  to.number(std::uint16_t{0});
  to.bytes(operation.path);
  to.bytes(value);
  for (const auto& one : perms) {
    to.number(one.domid);
    to.number(static_cast<std::uint8_t>(one.access));
    to.number(std::uint8_t{0});
    to.number(one.incarnation);
  }
}

tl::expected<BranchLogEntry, BranchLogError> take_entry(std::string_view& bytes,
                                                        store::PermTable& table) {
  if (bytes.size() < kShortEntry) return failure(0, "too short");
  const std::size_t size = Reader(bytes).number<std::uint32_t>();
  if (size < kShortEntry || size > bytes.size()) return failure(0, "the size cannot be");
  BranchLogEntry entry;
  if (const char* wrong = take_whole(bytes.substr(0, size), table, entry)) {
    return failure(0, wrong);
  }
  bytes.remove_prefix(size);
  return entry;
}

tl::expected<std::vector<OpenTransaction>, BranchLogError> read_branch_log(
    std::string_view bytes, store::PermTable& table) {
  std::vector<OpenTransaction> all;  // ended ones have id 0
  std::unordered_map<TxId, std::size_t> open;
  const std::size_t total = bytes.size();
  while (!bytes.empty()) {
    const std::size_t offset = total - bytes.size();
    auto entry = take_entry(bytes, table);
    if (!entry) return failure(offset, entry.error().what);
    const auto found = open.find(entry->tx_id);
    if (entry->kind == Kind::kStarted) {
      if (found != open.end()) return failure(offset, "started twice");
      open.emplace(entry->tx_id, all.size());
      all.push_back(OpenTransaction{.id = entry->tx_id, .entries = {}});
      continue;
    }
    if (found == open.end()) return failure(offset, "of a transaction that is not open");
    OpenTransaction& transaction = all[found->second];
    if (entry->kind == Kind::kEnded) {
      transaction = {};
      open.erase(found);
    } else {
      transaction.entries.push_back(std::move(*entry));
    }
  }
  std::erase_if(all, [](const OpenTransaction& one) { return one.id == 0; });
  return all;
}

}  // namespace vxs::transactions
