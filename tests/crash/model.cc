#include "tests/crash/model.hh"

#include <algorithm>
#include <vector>

namespace vxs::test {
namespace {

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

}  // namespace

std::string ModelRequest::payload() const {
  std::string bytes = path;
  bytes.push_back('\0');
  return bytes + argument;
}

Model::Model(std::string root, std::string perms) : root_(std::move(root)) {
  nodes_[root_] = Node{.value = {}, .perms = std::move(perms), .born = 0, .generation = {}};
}

const std::string* Model::value(const std::string& path) const {
  const auto found = nodes_.find(path);
  return found == nodes_.end() ? nullptr : &found->second.value;
}

std::string Model::nth(std::size_t n) const {
  if (nodes_.size() < 2) return "";
  auto at = nodes_.begin();
  std::advance(at, 1 + static_cast<std::ptrdiff_t>(n % (nodes_.size() - 1)));
  return at->first;
}

std::string Model::create(const std::string& path, const std::string& value,
                          std::uint32_t creator) {
  std::vector<std::string> missing;
  std::string ancestor = path;
  for (; !nodes_.contains(ancestor); ancestor = parent_of(ancestor)) missing.push_back(ancestor);
  nodes_[ancestor].generation.reset();
  std::string perms = nodes_[ancestor].perms;
  if (creator != 0) perms.replace(1, perms.find('\0') - 1, std::to_string(creator));
  for (; !missing.empty(); missing.pop_back()) {
    const bool named = missing.size() == 1;
    nodes_[missing.back()] = Node{.value = named ? value : std::string(),
                                  .perms = perms,
                                  .born = ++births_,
                                  .generation = {}};
  }
  return "";
}

std::string Model::apply(const ModelRequest& request, std::uint32_t creator) {
  const auto found = nodes_.find(request.path);
  const bool exists = found != nodes_.end();
  switch (request.type) {
    case support::kWrite:
      if (!exists) return create(request.path, request.argument, creator);
      found->second.value = request.argument;
      found->second.generation.reset();
      return "";
    case support::kMkdir:
      return exists ? "" : create(request.path, "", creator);
    case support::kRm: {
      const auto parent = nodes_.find(parent_of(request.path));
      if (!exists) return parent == nodes_.end() ? "ENOENT" : "";
      parent->second.generation.reset();
      const std::string below = request.path + "/";
      std::erase_if(nodes_, [&](const auto& node) {
        return node.first == request.path || node.first.starts_with(below);
      });
      return "";
    }
    case support::kSetPerms:
      if (!exists) return "ENOENT";
      found->second.perms = request.argument;
      found->second.generation.reset();
      return "";
    default:
      return "no such request in the model";
  }
}

bool Model::note_generation(const std::string& path, std::uint64_t generation) {
  auto& known = nodes_.at(path).generation;
  if (known && *known != generation) return false;
  known = generation;
  return true;
}

StoreDump Model::dump() const {
  StoreDump expected;
  std::map<std::string, std::vector<std::pair<std::uint64_t, std::string>>> children;
  for (const auto& [path, node] : nodes_) {
    expected[path] =
        DumpedNode{.value = node.value, .perms = node.perms, .generation = 0, .children = {}};
    if (path != root_) children[parent_of(path)].emplace_back(node.born, path);
  }
  for (auto& [path, list] : children) {
    std::sort(list.begin(), list.end());
    for (const auto& [born, child] : list) {
      expected[path].children.push_back(child.substr(path.size() + 1));
    }
  }
  return expected;
}

std::string Model::compare(const StoreDump& dump, bool younger) const {
  if (auto text = difference(this->dump(), dump, false); !text.empty()) return text;
  for (const auto& [path, node] : nodes_) {
    const auto found = dump.at(path).generation;
    if (node.generation && (younger ? found < *node.generation : found != *node.generation)) {
      return path + ": generation " + std::to_string(*node.generation) + " is now " +
             std::to_string(found);
    }
  }
  return "";
}

void Model::adopt_generations(const StoreDump& dump) {
  for (auto& [path, node] : nodes_) node.generation = dump.at(path).generation;
}

}  // namespace vxs::test
