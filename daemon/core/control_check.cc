#include "daemon/core/control_check.hh"

#include <fmt/format.h>

#include "daemon/core/server.hh"
#include "protocol/escape.hh"

namespace vxs::daemon {
namespace {

constexpr std::size_t kMaxFindings = 20;

}  // namespace

ControlResult check_store(Server& server) {
  std::vector<std::string> findings;
  const auto find = [&findings](std::string sentence) {
    if (findings.size() < kMaxFindings) findings.push_back(std::move(sentence));
  };
  const store::Tree& tree = server.head().tree();
  const Seq newest = server.head().seq();
  std::size_t nodes = 0;
  tree.walk([&](std::string_view path, const store::Node& node) {
    ++nodes;
    std::size_t children = 0;
    std::size_t names = 0;
    for (store::NodeCursor child(node); child; child.next()) {
      ++children;
      names += child->name().size() + 1;
      if (node.find_child(child->name()) != &*child) {
        find(fmt::format("{}: child {} is listed but cannot be found by name",
                         protocol::escaped(path), protocol::escaped(child->name())));
      }
    }
    if (children != node.child_count() || names != node.child_names_bytes()) {
      find(fmt::format("{}: counts {} children of {} bytes, has {} of {}", protocol::escaped(path),
                       node.child_count(), node.child_names_bytes(), children, names));
    }
    if (!node.perms() || node.perms()->entries().empty()) {
      find(fmt::format("{}: has no permissions", protocol::escaped(path)));
    }
    if (node.generation() > newest) {
      find(fmt::format("{}: generation {} is above the newest commit {}", protocol::escaped(path),
                       node.generation(), newest));
    }
    return true;
  });
  if (nodes != tree.node_count()) {
    find(fmt::format("the tree counts {} nodes and has {}", tree.node_count(), nodes));
  }
  if (findings.empty()) return "OK";
  std::string text;
  for (const auto& finding : findings) {
    server.observer().error(fmt::format("control check: {}", finding));
    text += finding + "\n";
  }
  text.resize(std::min(text.size(), protocol::kMaxPayload - 1));
  return text;
}

}  // namespace vxs::daemon
