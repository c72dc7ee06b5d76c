#include "tests/crash/store_dump.hh"

#include <cctype>
#include <cstdio>
#include <optional>
#include <stdexcept>

namespace vxs::test {
namespace {

using support::Frame;
using support::WireClient;
using support::zstrings;

std::string data_of(const Frame& reply, const std::string& what) {
  if (reply.is_error()) throw std::runtime_error(what + ": " + reply.error());
  return reply.payload;
}

struct Listing {
  std::uint64_t generation = 0;
  std::vector<std::string> names;
};

// The whole list by DIRECTORY_PART; nothing if the node is missing.
std::optional<Listing> list_children(WireClient& client, const std::string& path) {
  std::string list;
  while (true) {
    const auto reply =
        client.call(support::kDirectoryPart, zstrings({path, std::to_string(list.size())}));
    if (reply.error() == "ENOENT") return std::nullopt;
    const std::string data = data_of(reply, "DIRECTORY_PART " + path);
    const auto nul = data.find('\0');
    const std::string part = data.substr(nul + 1);
    const bool last = part.ends_with(std::string(2, '\0')) || part.size() == 1;
    list += last ? part.substr(0, part.size() - 1) : part;
    if (!last) continue;
    Listing listing{.generation = std::stoull(data.substr(0, nul)), .names = {}};
    for (std::size_t at = 0; at < list.size(); at = list.find('\0', at) + 1) {
      listing.names.emplace_back(list.c_str() + at);
    }
    return listing;
  }
}

}  // namespace

StoreDump dump_store(WireClient& client, const std::string& root) {
  StoreDump dump;
  std::vector<std::string> todo{root};
  while (!todo.empty()) {
    const std::string path = std::move(todo.back());
    todo.pop_back();
    auto listing = list_children(client, path);
    if (!listing) {
      if (path == root) return dump;
      throw std::runtime_error(path + " is listed and missing");
    }
    for (const auto& name : listing->names) {
      todo.push_back(path == "/" ? path + name : path + "/" + name);
    }
    dump.emplace(
        path, DumpedNode{.value = data_of(client.call(support::kRead, zstrings({path})), path),
                         .perms = data_of(client.call(support::kGetPerms, zstrings({path})), path),
                         .generation = listing->generation,
                         .children = std::move(listing->names)});
  }
  if (root == "/") {
    for (const std::string name : {"@introduceDomain", "@releaseDomain"}) {
      dump[name].perms = data_of(client.call(support::kGetPerms, zstrings({name})), name);
    }
  }
  return dump;
}

std::string difference(const StoreDump& before, const StoreDump& after, bool generations) {
  for (const auto& [path, node] : before) {
    const auto found = after.find(path);
    if (found == after.end()) return path + " is gone";
    const DumpedNode& other = found->second;
    if (node.value != other.value) {
      return path + ": value " + shown(node.value) + " is now " + shown(other.value);
    }
    if (node.perms != other.perms) {
      return path + ": permissions " + shown(node.perms) + " are now " + shown(other.perms);
    }
    if (node.children != other.children) return path + ": other children, or in another order";
    if (generations && node.generation != other.generation) {
      return path + ": generation " + std::to_string(node.generation) + " is now " +
             std::to_string(other.generation);
    }
  }
  for (const auto& [path, node] : after) {
    if (!before.contains(path)) return path + " is new";
  }
  return "";
}

std::string status_value(WireClient& client, const std::string& key) {
  const std::string text =
      "\n" + data_of(client.call(support::kControl, zstrings({"vxs-status"})), "vxs-status");
  const std::string start = "\n" + key + ": ";
  const auto at = text.find(start);
  if (at == std::string::npos) return "";
  const auto begin = at + start.size();
  return text.substr(begin, text.find('\n', begin) - begin);
}

std::uint64_t status_number(WireClient& client, const std::string& key) {
  const std::string value = status_value(client, key);
  if (value.empty()) throw std::runtime_error("vxs-status has no " + key);
  return std::stoull(value);
}

std::string shown(const std::string& bytes) {
  std::string text = "\"";
  for (const char c : bytes.substr(0, 60)) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '/') {
      text.push_back(c);
      continue;
    }
    char hex[8];
    (void)std::snprintf(hex, sizeof hex, "\\x%02x", static_cast<unsigned char>(c));
    text += hex;
  }
  text += bytes.size() > 60 ? "\"… (" + std::to_string(bytes.size()) + " bytes)" : "\"";
  return text;
}

}  // namespace vxs::test
