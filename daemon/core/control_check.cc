#include "daemon/core/control_check.hh"

#include <fmt/format.h>

#include <functional>

#include "daemon/core/server.hh"
#include "protocol/escape.hh"

namespace vxs::daemon {
namespace {

constexpr std::size_t kMaxFindings = 20;

/// What the accounts say of each guest's connection against what it has.
void check_connections(Server& server, const std::function<void(std::string)>& find) {
  for (const auto& [id, connection] : server.connections()) {
    if (!connection->account) continue;
    const Account& account = *connection->account;
    Account::Memory memory = account.memory();
    memory.transactions = memory.watches = memory.queue = 0;
    for (const auto& [key, watch] : connection->watches) {
      memory.watches += static_cast<std::int64_t>(watch.path.size() + watch.token.size());
    }
    for (const auto& [tx, branch] : connection->branches) {
      memory.transactions += static_cast<std::int64_t>(branch->log_bytes());
    }
    memory.queue = static_cast<std::int64_t>(connection->outbox.charged_bytes());
    if (memory != account.memory() ||
        account.level(config::Quota::kWatches).now != connection->watches.size() ||
        account.level(config::Quota::kTransactions).now != connection->branches.size()) {
      find(fmt::format(
          "domain {}: {} watches of {} bytes, {} transactions of {} and a queue of {} are "
          "accounted, it has {} of {}, {} of {} and {}",
          account.owner().domid, account.level(config::Quota::kWatches).now,
          account.memory().watches, account.level(config::Quota::kTransactions).now,
          account.memory().transactions, account.memory().queue, connection->watches.size(),
          memory.watches, connection->branches.size(), memory.transactions, memory.queue));
    }
  }
}

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
  for (auto& finding : server.accounts().check(tree)) find(std::move(finding));
  check_connections(server, find);
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
