#include "transactions/operation.hh"

#include <charconv>

namespace vxs::transactions {
namespace {

using protocol::Error;
using store::Change;
using store::ChangeKind;
using store::Tree;

constexpr std::string_view kOk{"OK\0", 3};

Answer failure(Error error) { return Answer{.ok = false, .error = error, .data = {}}; }
Answer success(std::string_view data = kOk) { return Answer{.ok = true, .data = data}; }

/// C14: what a caller without the needed rights, or before a missing node, is told.
Answer refuse(const Tree::Lookup& found, const Caller& caller, Rights wanted) {
  const bool may_know = (rights_of(caller, *found.ancestor->perms()) & wanted) != 0;
  if (found.node == nullptr && may_know) return failure(Error::kNoent);
  return failure(Error::kAcces);
}

bool has_all(const Caller& caller, const store::Node& node, Rights wanted) {
  return (rights_of(caller, *node.perms()) & wanted) == wanted;
}

Answer read(const store::Node& node) { return success(node.value()); }

Answer directory(const store::Node& node, std::string& scratch) {
  if (node.child_names_bytes() > kMaxReply) return failure(Error::k2big);
  scratch.clear();
  node.append_child_names(scratch, 0, kMaxReply);
  return success(scratch);
}

Answer directory_part(const store::Node& node, const Operation& operation, std::string& scratch) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, node.generation()).ptr;
  scratch.assign(digits, static_cast<std::size_t>(end - digits));
  scratch.push_back('\0');
  const std::size_t generation_length = scratch.size();
  // One byte stays free for the mark of the list's end (B6).
  const std::size_t room =
      operation.names_room != 0 ? operation.names_room : kMaxReply - generation_length - 1;
  const bool at_end = operation.offset >= node.child_names_bytes() ||
                      node.append_child_names(scratch, operation.offset, room);
  if (at_end) scratch.push_back('\0');
  Answer answer = success(scratch);
  answer.generation_length = generation_length;
  return answer;
}

Answer get_perms(const store::Node& node, std::string& scratch) {
  scratch.clear();
  protocol::append_perm_entries(node.perms()->entries(), scratch);
  if (scratch.size() > kMaxReply) return failure(Error::k2big);
  return success(scratch);
}

/// C10: the nearest existing ancestor's list; an unprivileged creator becomes the owner.
store::PermRef inherited(const store::Node& ancestor, store::PermTable& table,
                         const Caller& caller) {
  if (caller.privileged) return ancestor.perms();
  const auto entries = ancestor.perms()->entries();
  if (entries.front().domid == caller.domid && entries.front().incarnation == caller.incarnation) {
    return ancestor.perms();
  }
  std::vector<protocol::PermEntry> list(entries.begin(), entries.end());
  list.front().domid = caller.domid;
  list.front().incarnation = caller.incarnation;
  return table.intern(list);
}

void create(const Tree::Lookup& found, store::PermTable& table, const Caller& caller,
            std::string_view path, std::string_view value, std::vector<Change>& changes) {
  const store::PermRef perms = inherited(*found.ancestor, table, caller);
  // "/" has length 1 and is its own separator.
  std::size_t end = found.ancestor_length == 1 ? 0 : found.ancestor_length;
  while (end < path.size()) {
    end = path.find('/', end + 1);
    if (end == std::string_view::npos) end = path.size();
    const bool last = end == path.size();
    changes.push_back(Change{.kind = ChangeKind::kCreate,
                             .implicit = !last,
                             .path = path.substr(0, end),
                             .value = last ? value : std::string_view{},
                             .perms = perms});
  }
}

Answer write(const Tree::Lookup& found, store::PermTable& table, const Caller& caller,
             const Operation& operation, std::vector<Change>& changes) {
  if (!has_all(caller, *found.ancestor, kRightWrite)) return failure(Error::kAcces);
  if (found.node != nullptr) {
    if (operation.kind == OperationKind::kWrite) {
      changes.push_back(Change{.kind = ChangeKind::kWrite,
                               .implicit = false,
                               .path = operation.path,
                               .value = operation.value,
                               .perms = {}});
    }
    return success();
  }
  const bool has_value = operation.kind == OperationKind::kWrite;
  create(found, table, caller, operation.path, has_value ? operation.value : std::string_view{},
         changes);
  return success();
}

Answer remove(const Tree::Lookup& found, const Caller& caller, std::string_view path,
              std::vector<Change>& changes) {
  if (!has_all(caller, *found.ancestor, kRightWrite)) return failure(Error::kAcces);
  if (found.node == nullptr) {
    // The parent exists exactly if only the last component is missing (B4).
    const std::size_t parent = path.rfind('/');
    const bool parent_exists = found.ancestor_length >= (parent == 0 ? 1 : parent);
    return parent_exists ? success() : failure(Error::kNoent);
  }
  if (path == "/") return failure(Error::kInval);
  changes.push_back(Change{
      .kind = ChangeKind::kRemove, .implicit = false, .path = path, .value = {}, .perms = {}});
  return success();
}

Answer set_perms(const Tree::Lookup& found, const Caller& caller, const Operation& operation,
                 std::vector<Change>& changes) {
  if (found.node == nullptr || !has_all(caller, *found.node, kRightWrite | kRightOwner)) {
    return refuse(found, caller, kRightWrite | kRightOwner);
  }
  const auto& old_owner = found.node->perms()->entries().front();
  const auto& new_owner = operation.perms->entries().front();
  if (!caller.privileged &&
      (old_owner.domid != new_owner.domid || old_owner.incarnation != new_owner.incarnation)) {
    return failure(Error::kPerm);
  }
  changes.push_back(Change{.kind = ChangeKind::kSetPerms,
                           .implicit = false,
                           .path = operation.path,
                           .value = {},
                           .perms = operation.perms});
  return success();
}

}  // namespace

std::string_view operation_name(OperationKind kind) noexcept {
  switch (kind) {
    case OperationKind::kRead:
      return "READ";
    case OperationKind::kDirectory:
      return "DIRECTORY";
    case OperationKind::kDirectoryPart:
      return "DIRECTORY_PART";
    case OperationKind::kGetPerms:
      return "GET_PERMS";
    case OperationKind::kWrite:
      return "WRITE";
    case OperationKind::kMkdir:
      return "MKDIR";
    case OperationKind::kRm:
      return "RM";
    case OperationKind::kSetPerms:
      return "SET_PERMS";
  }
  return "?";
}

Answer evaluate(const Tree& tree, store::PermTable& table, const Caller& caller,
                const Operation& operation, std::vector<Change>& changes, std::string& scratch) {
  const Tree::Lookup found = tree.lookup(operation.path);
  switch (operation.kind) {
    case OperationKind::kWrite:
    case OperationKind::kMkdir:
      return write(found, table, caller, operation, changes);
    case OperationKind::kRm:
      return remove(found, caller, operation.path, changes);
    case OperationKind::kSetPerms:
      return set_perms(found, caller, operation, changes);
    default:
      break;
  }
  if (found.node == nullptr || !has_all(caller, *found.node, kRightRead)) {
    return refuse(found, caller, kRightRead);
  }
  switch (operation.kind) {
    case OperationKind::kRead:
      return read(*found.node);
    case OperationKind::kDirectory:
      return directory(*found.node, scratch);
    case OperationKind::kDirectoryPart:
      return directory_part(*found.node, operation, scratch);
    default:
      return get_perms(*found.node, scratch);
  }
}

}  // namespace vxs::transactions
