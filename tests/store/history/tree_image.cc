#include "tests/store/history/tree_image.hh"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <tuple>
#include <vector>

#include "protocol/escape.hh"
#include "store/history/meta_text.hh"
#include "tests/store/history/git_tool.hh"
#include "tests/support/temp_dir.hh"

namespace vxs::history_test {
namespace {

struct ImageNode {
  bool seen = false;  // a file or a directory's `.meta` names it
  std::string value;
  std::string permissions;
  std::pair<std::uint64_t, std::uint64_t> created;
};

// Git name -> full Xenstore name, by the Git path of the entry.
struct Decoder {
  std::map<std::string, std::string> blobs;  // Git path -> content without final newline
  std::map<std::string, ImageNode> nodes;    // Git path of the node -> node
  std::map<std::string, std::string> full_names;

  void fail(const std::string& what) const { throw std::runtime_error(what); }

  static std::string parent(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? "" : path.substr(0, slash);
  }
  static std::string base(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? path : path.substr(slash + 1);
  }
  static bool is_bucket(const std::string& name) {
    return name.starts_with('~') && !(name.size() == 66 && name[1] == 'h');
  }

  void take_meta(const std::string& directory, const std::string& text) {
    for (const std::string& line : lines(text)) {
      std::istringstream words(line);
      std::string name;
      std::string created;
      std::string permissions;
      std::string attribute;
      words >> name >> created >> permissions;
      const std::string prefix = directory.empty() ? "" : directory + "/";
      const std::string path = name == "." ? directory : prefix + name;
      ImageNode& node = nodes[path];
      const std::size_t dot = created.find('.');
      node.created = {std::stoull(created.substr(0, dot)), std::stoull(created.substr(dot + 1))};
      node.permissions = permissions;
      node.seen = true;
      if (name != "." && !blobs.contains(path)) fail(".meta names " + path + ", which is no file");
      while (words >> attribute) {
        if (attribute.starts_with("name=")) full_names[path] = attribute.substr(5);
      }
    }
  }

  std::string xenstore_path(const std::string& git_path) {
    if (git_path.empty()) return "";
    const std::string above = xenstore_path(parent(git_path));
    const std::string name = base(git_path);
    if (is_bucket(name)) return above;
    const auto full = full_names.find(git_path);
    if (name.starts_with("~h") && full == full_names.end()) fail("no full name for " + git_path);
    return above + "/" + (full == full_names.end() ? name : full->second);
  }
};

std::string describe(const std::string& value, const std::string& permissions,
                     const std::string& children) {
  return protocol::escaped(value) + " | " + permissions + " | " + children;
}

std::string permissions_of(const store::Node& node) {
  std::string text;
  store::append_permissions(text, node.perms()->entries());
  return text;
}

}  // namespace

TreeImage image_of(const store::Tree& tree) {
  TreeImage image;
  tree.walk([&](std::string_view path, const store::Node& node) {
    std::string children;
    for (store::NodeCursor child(node); child; child.next()) {
      children += std::string(child->name()) + ' ';
    }
    image[std::string(path)] = describe(std::string(node.value()), permissions_of(node), children);
    return true;
  });
  for (const char* special : {"@introduceDomain", "@releaseDomain"}) {
    image[special] = permissions_of(*tree.find(special));
  }
  return image;
}

TreeImage image_of_commit(const std::string& repository, const std::string& commit) {
  Decoder decoder;
  TreeImage image;
  const support::TempDir scratch;
  std::vector<std::tuple<std::string, std::string, std::string>> entries;  // mode, id, path
  std::ofstream wanted(scratch.path() + "/ids");
  for (const std::string& line : lines(git_ok(repository, "ls-tree -r " + commit))) {
    entries.emplace_back(line.substr(0, 6), line.substr(12, 40), line.substr(53));
    wanted << line.substr(12, 40) << '\n';
  }
  wanted.close();
  const std::string batch = git_ok(repository, "cat-file --batch < " + scratch.path() + "/ids");
  std::size_t at = 0;
  std::vector<std::string> directories{""};
  std::string root_meta;
  for (const auto& [mode, id, path] : entries) {
    const std::size_t header_end = batch.find('\n', at);
    const std::string header = batch.substr(at, header_end - at);
    if (!header.starts_with(id + " blob ")) throw std::runtime_error("cat-file: " + header);
    const std::size_t size = std::stoull(header.substr(header.rfind(' ') + 1));
    std::string text = batch.substr(header_end + 1, size);
    at = header_end + 1 + size + 1;
    if (!text.ends_with('\n')) decoder.fail(path + " does not end with a newline");
    if (Decoder::base(path) != ".meta") text.pop_back();
    if (mode == "100755") text = protocol::unescape(text).value();
    decoder.blobs[path] = text;
  }
  for (const auto& [path, text] : decoder.blobs) {
    if (Decoder::base(path) == ".meta") decoder.take_meta(Decoder::parent(path), text);
  }
  for (const auto& [path, text] : decoder.blobs) {
    const std::string name = Decoder::base(path);
    if (Decoder::parent(path) == ".special") {
      image["@" + name] = text;
    } else if (name == ".value") {
      decoder.nodes[Decoder::parent(path)].value = text;
    } else if (name != ".meta") {
      if (!decoder.nodes[path].seen) decoder.fail("no .meta line for " + path);
      decoder.nodes[path].value = text;
    }
  }
  std::map<std::string,
           std::vector<std::pair<std::pair<std::uint64_t, std::uint64_t>, std::string>>>
      children;
  std::map<std::string, const ImageNode*> by_path;
  for (const auto& [git_path, node] : decoder.nodes) {
    if (!node.seen) decoder.fail("nothing describes " + git_path);
    const std::string path = decoder.xenstore_path(git_path);
    by_path[path] = &node;
    if (path.empty()) continue;
    const std::size_t slash = path.rfind('/');
    children[path.substr(0, slash)].emplace_back(node.created, path.substr(slash + 1));
  }
  for (const auto& [path, node] : by_path) {
    auto& below = children[path];
    std::ranges::sort(below);
    std::string names;
    for (const auto& [created, name] : below) names += name + ' ';
    image[path.empty() ? "/" : path] = describe(node->value, node->permissions, names);
  }
  return image;
}

}  // namespace vxs::history_test
