#include "tests/transactions/oracle.hh"

#include <algorithm>

namespace vxs::transactions::test {
namespace {

constexpr int kRead = 1;
constexpr int kWrite = 2;
constexpr int kOwner = 4;

std::string parent_of(const std::string& path) {
  if (path.front() == '@') return "/";
  const auto slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// C9 once more, from its text.
int rights(const Caller& caller, const std::vector<protocol::PermEntry>& perms) {
  if (caller.privileged) return kRead | kWrite | kOwner;
  const auto is = [](const protocol::PermEntry& entry, DomId id, Incarnation life) {
    return entry.domid == id && entry.incarnation == life;
  };
  const auto mine = [&](const protocol::PermEntry& entry) {
    return is(entry, caller.domid, caller.incarnation) ||
           (caller.target != kDomIdInvalid && is(entry, caller.target, caller.target_incarnation));
  };
  if (mine(perms[0])) return kRead | kWrite | kOwner;
  for (std::size_t i = 1; i < perms.size(); ++i) {
    if (mine(perms[i]) || perms[i].domid == kDomIdAny) return static_cast<int>(perms[i].access);
  }
  return static_cast<int>(perms[0].access);
}

}  // namespace

OracleTree::OracleTree(std::vector<protocol::PermEntry> root,
                       std::vector<protocol::PermEntry> introduce,
                       std::vector<protocol::PermEntry> release) {
  nodes_["/"].perms = std::move(root);
  nodes_["@introduceDomain"].perms = std::move(introduce);
  nodes_["@releaseDomain"].perms = std::move(release);
}

std::string OracleTree::existing_ancestor(std::string path) const {
  while (!nodes_.contains(path)) path = parent_of(path);
  return path;
}

OracleAnswer OracleTree::refusal(const Caller& caller, const std::string& path, int wanted) const {
  if (nodes_.contains(path)) return "EACCES";
  const int has = rights(caller, nodes_.at(existing_ancestor(path)).perms);
  return (has & wanted) != 0 ? "ENOENT" : "EACCES";
}

OracleAnswer OracleTree::write(const Caller& caller, const OracleRequest& request, bool& wrote) {
  const std::string ancestor = existing_ancestor(request.path);
  if ((rights(caller, nodes_.at(ancestor).perms) & kWrite) == 0) return "EACCES";
  if (ancestor == request.path) {
    if (request.kind == OperationKind::kMkdir) return std::string("=OK\0", 4);
    nodes_[request.path].value = request.value;
    wrote = true;
    return std::string("=OK\0", 4);
  }
  std::vector<protocol::PermEntry> perms = nodes_.at(ancestor).perms;
  if (!caller.privileged) {
    perms[0].domid = caller.domid;
    perms[0].incarnation = caller.incarnation;
  }
  std::vector<std::string> missing;
  for (std::string path = request.path; path != ancestor; path = parent_of(path)) {
    missing.push_back(path);
  }
  for (auto path = missing.rbegin(); path != missing.rend(); ++path) {
    const std::string parent = parent_of(*path);
    nodes_[*path].perms = perms;
    nodes_[parent].children.push_back(path->substr(parent == "/" ? 1 : parent.size() + 1));
  }
  nodes_[request.path].value = request.kind == OperationKind::kWrite ? request.value : "";
  wrote = true;
  return std::string("=OK\0", 4);
}

OracleAnswer OracleTree::remove(const Caller& caller, const std::string& path, bool& wrote) {
  const std::string ancestor = existing_ancestor(path);
  if ((rights(caller, nodes_.at(ancestor).perms) & kWrite) == 0) return "EACCES";
  if (ancestor != path) {
    return nodes_.contains(parent_of(path)) ? std::string("=OK\0", 4) : "ENOENT";
  }
  if (path == "/") return "EINVAL";
  const std::string parent = parent_of(path);
  std::erase(nodes_[parent].children, path.substr(parent == "/" ? 1 : parent.size() + 1));
  std::erase_if(nodes_, [&](const auto& item) {
    return item.first == path || item.first.starts_with(path + "/");
  });
  wrote = true;
  return std::string("=OK\0", 4);
}

OracleAnswer OracleTree::set_perms(const Caller& caller, const OracleRequest& request,
                                   bool& wrote) {
  const auto found = nodes_.find(request.path);
  if (found == nodes_.end() || (rights(caller, found->second.perms) & kOwner) == 0) {
    return refusal(caller, request.path, kWrite | kOwner);
  }
  const auto& was = found->second.perms[0];
  const auto& will = request.perms[0];
  if (!caller.privileged && (was.domid != will.domid || was.incarnation != will.incarnation)) {
    return "EPERM";
  }
  found->second.perms = request.perms;
  wrote = true;
  return std::string("=OK\0", 4);
}

OracleAnswer OracleTree::look(const Caller& caller, const OracleRequest& request) const {
  const auto found = nodes_.find(request.path);
  if (found == nodes_.end() || (rights(caller, found->second.perms) & kRead) == 0) {
    return refusal(caller, request.path, kRead);
  }
  const OracleNode& node = found->second;
  if (request.kind == OperationKind::kRead) return "=" + node.value;
  if (request.kind == OperationKind::kGetPerms) {
    std::string text = "=";
    for (const auto& entry : node.perms) {
      text += "nrwb"[static_cast<int>(entry.access)];
      text += std::to_string(entry.domid);
      text += '\0';
    }
    return text;
  }
  std::string names;
  for (const auto& child : node.children) names += child + '\0';
  if (request.kind == OperationKind::kDirectory) return "=" + names;
  names.erase(0, static_cast<std::size_t>(std::min<std::uint64_t>(request.offset, names.size())));
  return "=" + names + '\0';  // the test's directories fit one part
}

OracleAnswer OracleTree::run(const Caller& caller, const OracleRequest& request, bool& wrote) {
  switch (request.kind) {
    case OperationKind::kWrite:
    case OperationKind::kMkdir:
      return write(caller, request, wrote);
    case OperationKind::kRm:
      return remove(caller, request.path, wrote);
    case OperationKind::kSetPerms:
      return set_perms(caller, request, wrote);
    default:
      return look(caller, request);
  }
}

OracleAnswer in_oracle_words(OperationKind kind, const Answer& answer) {
  if (!answer.ok) return std::string(protocol::error_name(answer.error));
  const bool part = kind == OperationKind::kDirectoryPart;
  return "=" + std::string(answer.data.substr(part ? answer.generation_length : 0));
}

bool same_content(const store::Tree& tree, const OracleTree& oracle) {
  std::size_t seen = 0;
  bool same = true;
  const auto compare = [&](const std::string& path, const store::Node& node) {
    const auto found = oracle.nodes().find(path);
    if (found == oracle.nodes().end()) return false;
    const OracleNode& want = found->second;
    std::vector<std::string> children;
    for (store::NodeCursor child(node); child; child.next()) children.emplace_back(child->name());
    const auto entries = node.perms()->entries();
    return node.value() == want.value && children == want.children &&
           std::equal(entries.begin(), entries.end(), want.perms.begin(), want.perms.end());
  };
  tree.walk([&](std::string_view path, const store::Node& node) {
    ++seen;
    same = same && compare(std::string(path), node);
    return same;
  });
  for (const std::string special : {"@introduceDomain", "@releaseDomain"}) {
    ++seen;
    same = same && compare(special, *tree.find(special));
  }
  return same && seen == oracle.nodes().size();
}

}  // namespace vxs::transactions::test
