#include "tests/differential/model.hh"

#include <algorithm>

#include "tests/differential/step.hh"

namespace vxs::differential {
namespace {

using support::Frame;

Frame ok(uint32_t type) { return {type, 0, 0, std::string("OK\0", 3)}; }
Frame error(const char* name) { return {support::kError, 0, 0, support::zstrings({name})}; }

std::string parent_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

ModelTree::ModelTree() {
  const std::string perms = support::zstrings({"n0"});
  nodes_["/"] = {"", perms, {"tool"}};
  nodes_["/tool"] = {"", perms, {"xenstored"}};
  nodes_["/tool/xenstored"] = {"", perms, {}};
}

std::vector<std::string> ModelTree::paths() const {
  std::vector<std::string> result;
  for (const auto& [path, node] : nodes_) result.push_back(path);
  return result;
}

bool ModelTree::differs_at(const std::string& path, const ModelTree& other) const {
  const auto mine = nodes_.find(path);
  const auto theirs = other.nodes_.find(path);
  const bool here = mine != nodes_.end();
  const bool there = theirs != other.nodes_.end();
  if (!here || !there) return here != there;
  return mine->second.value != theirs->second.value || mine->second.perms != theirs->second.perms;
}

// C10 for a privileged creator: permissions and owner of the nearest ancestor.
void ModelTree::create(const std::string& path) {
  std::vector<std::string> missing;
  std::string ancestor = path;
  for (; !nodes_.contains(ancestor); ancestor = parent_of(ancestor)) missing.push_back(ancestor);
  for (auto next = missing.rbegin(); next != missing.rend(); ++next) {
    Node& parent = nodes_.at(parent_of(*next));
    parent.children.push_back(name_of(*next));
    nodes_[*next] = {"", parent.perms, {}};
  }
}

Frame ModelTree::remove(const std::string& path) {
  if (path == "/") return error("EINVAL");
  if (!nodes_.contains(path)) {
    return nodes_.contains(parent_of(path)) ? ok(support::kRm) : error("ENOENT");
  }
  auto& siblings = nodes_.at(parent_of(path)).children;
  siblings.erase(std::find(siblings.begin(), siblings.end(), name_of(path)));
  std::erase_if(nodes_, [&](const auto& entry) {
    return entry.first == path || entry.first.starts_with(path + "/");
  });
  wrote_ = true;
  return ok(support::kRm);
}

Frame ModelTree::write(uint32_t type, const std::string& path, const std::string& rest) {
  const bool exists = nodes_.contains(path);
  if (type == support::kSetPerms && !exists) return error("ENOENT");
  if (type == support::kMkdir && exists) return ok(type);
  create(path);
  if (type == support::kWrite) nodes_.at(path).value = rest;
  if (type == support::kSetPerms) nodes_.at(path).perms = rest;
  wrote_ = true;
  return ok(type);
}

Frame ModelTree::answer(uint32_t type, const std::string& payload) {
  wrote_ = false;
  const size_t end = payload.find('\0');
  const std::string path = absolute(payload.substr(0, end)).value();
  if (type == support::kRm) return remove(path);
  if (type == support::kWrite || type == support::kMkdir || type == support::kSetPerms) {
    return write(type, path, payload.substr(end + 1));
  }
  const auto node = nodes_.find(path);
  if (node == nodes_.end()) return error("ENOENT");
  if (type == support::kRead) return {type, 0, 0, node->second.value};
  if (type == support::kGetPerms) return {type, 0, 0, node->second.perms};
  std::string names;
  for (const std::string& child : node->second.children) names += child + '\0';
  return {type, 0, 0, names};
}

Frame ModelTransaction::answer(uint32_t type, const std::string& payload) {
  const Frame reply = view_.answer(type, payload);
  wrote_ = wrote_ || view_.wrote();
  asked_.push_back({type, payload, reply});
  return reply;
}

bool ModelTransaction::commit(ModelTree& head) {
  if (!wrote_) return true;
  ModelTree replayed = head;
  for (const Asked& asked : asked_) {
    if (replayed.answer(asked.type, asked.payload) != asked.reply) return false;
    if (!replayed.wrote()) continue;
    const std::string path = absolute(first_argument(asked.payload)).value();
    named_.insert(path);
    if (asked.type == support::kRm) removed_.insert(path);
  }
  head = std::move(replayed);
  return true;
}

ExpectedEvents expected_events(const ModelTransaction& transaction, const ModelTree& before,
                               const ModelTree& after) {
  ExpectedEvents expected{{}, transaction.named()};
  for (const std::string& path : transaction.named()) {
    const bool below_removed =
        std::any_of(transaction.removed().begin(), transaction.removed().end(),
                    [&](const std::string& root) { return path.starts_with(root + "/"); });
    // Removed and there again: it may be only the implicit parent of another (D4).
    if (transaction.removed().contains(path) && after.has(path)) continue;
    if (!below_removed && before.differs_at(path, after)) expected.required.insert(path);
  }
  return expected;
}

}  // namespace vxs::differential
