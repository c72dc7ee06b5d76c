#include "tests/tools/layout_repo.hh"

#include <openssl/sha.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace vxs::test {
namespace {

void check(int error, const char* what) {
  if (error != 0) throw std::runtime_error(std::string(what) + ": " + git_error_last()->message);
}

std::string sha256_hex(const std::string& text) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  std::string hex;
  for (const unsigned char byte : digest) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

std::string git_name_of(const std::string& name) {
  return name.size() <= 200 ? name : "~h" + sha256_hex(name);
}

std::string bucket_of(const std::string& name) {
  const bool number =
      name.size() <= 9 && (name[0] != '0' || name.size() == 1) &&
      std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!number) return "~" + sha256_hex(name).substr(0, 2);
  return "~" + (name.size() <= 2 ? "0" : name.substr(0, name.size() - 2)) + "xx";
}

/// "118.3" as a pair to sort by.
std::pair<unsigned long, unsigned long> order_of(const std::string& created) {
  const std::size_t dot = created.find('.');
  return {std::stoul(created.substr(0, dot)), std::stoul(created.substr(dot + 1))};
}

std::string meta_line(const std::string& git_name, const ModelNode& node,
                      const std::string& full_name) {
  std::string line = git_name + " " + node.created + " " + node.perms;
  if (node.fanned) line += " fan";
  if (git_name != full_name && git_name != ".") line += " name=" + full_name;
  return line + "\n";
}

std::string escape_octets(const std::string& value) {
  std::string text;
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    text += "\\x";
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

}  // namespace

LayoutRepo::LayoutRepo(const std::string& path) : path_(path) {
  git_libgit2_init();
  check(git_repository_init(&repository_, path.c_str(), 1), "init");
  check(git_repository_set_head(repository_, "refs/heads/main"), "HEAD");
  check(git_repository_odb(&odb_, repository_), "odb");
}

LayoutRepo::~LayoutRepo() {
  git_odb_free(odb_);
  git_repository_free(repository_);
  git_libgit2_shutdown();
}

store::ObjectId LayoutRepo::write_object(git_object_t type, const std::string& bytes) {
  git_oid oid;
  check(git_odb_write(&oid, odb_, bytes.data(), bytes.size(), type), "write object");
  return store::ObjectId::from_raw({reinterpret_cast<const char*>(oid.id), sizeof oid.id});
}

store::ObjectId LayoutRepo::write_entries(std::vector<Entry> entries) {
  const auto key = [](const Entry& entry) {  // Git sorts a tree's name as if it ended in a slash
    return entry.mode == "40000" ? entry.name + "/" : entry.name;
  };
  std::sort(entries.begin(), entries.end(),
            [&](const Entry& a, const Entry& b) { return key(a) < key(b); });
  std::string bytes;
  for (const Entry& entry : entries) {
    bytes += entry.mode + " " + entry.name + '\0' + std::string(entry.id.raw());
  }
  return write_object(GIT_OBJECT_TREE, bytes);
}

store::ObjectId LayoutRepo::write_directory(const Model& model, const std::string& path) {
  const ModelNode& self = model.at(path);
  const std::string prefix = path == "/" ? "/" : path + "/";
  std::map<std::string, std::vector<Entry>> containers;  // by bucket, "" is the directory
  std::map<std::string,
           std::vector<std::pair<std::pair<unsigned long, unsigned long>, std::string>>>
      metas;
  for (auto child = model.upper_bound(prefix);
       child != model.end() && child->first.starts_with(prefix); ++child) {
    const std::string name = child->first.substr(prefix.size());
    if (name.empty() || name.find('/') != std::string::npos) continue;
    const std::string bucket = self.fanned ? bucket_of(name) : "";
    const std::string git_name = git_name_of(name);
    if (child->second.directory) {
      containers[bucket].push_back({"40000", git_name, write_directory(model, child->first)});
      continue;
    }
    const ModelNode& leaf = child->second;
    const std::string text = (leaf.escaped_blob ? escape_octets(leaf.value) : leaf.value) + "\n";
    containers[bucket].push_back(
        {leaf.escaped_blob ? "100755" : "100644", git_name, write_object(GIT_OBJECT_BLOB, text)});
    metas[bucket].emplace_back(order_of(leaf.created), meta_line(git_name, leaf, name));
  }
  std::vector<Entry> entries = std::move(containers[""]);
  containers.erase("");
  const std::string own_name = path.substr(path.rfind('/') + 1);
  std::string own = meta_line(".", self, own_name);
  if (git_name_of(own_name) != own_name) own.insert(own.size() - 1, " name=" + own_name);
  if (path == "/") own.insert(own.size() - 1, " layout=1");
  const auto meta_file = [&](const std::string& bucket, std::string text) {
    std::sort(metas[bucket].begin(), metas[bucket].end());
    for (const auto& [order, line] : metas[bucket]) text += line;
    return text;
  };
  entries.push_back({"100644", ".meta", write_object(GIT_OBJECT_BLOB, meta_file("", own))});
  if (!self.value.empty()) {
    entries.push_back({"100644", ".value", write_object(GIT_OBJECT_BLOB, self.value + "\n")});
  }
  for (auto& [bucket, children] : containers) {
    const std::string text = meta_file(bucket, "");
    if (!text.empty()) {
      children.push_back({"100644", ".meta", write_object(GIT_OBJECT_BLOB, text)});
    }
    entries.push_back({"40000", bucket, write_entries(children)});
  }
  if (path == "/") {
    const auto special = write_object(GIT_OBJECT_BLOB, "n0\n");
    entries.push_back({"40000", ".special",
                       write_entries({{"100644", "introduceDomain", special},
                                      {"100644", "releaseDomain", special}})});
  }
  return write_entries(std::move(entries));
}

store::ObjectId LayoutRepo::write_tree(const Model& model) { return write_directory(model, "/"); }

store::ObjectId LayoutRepo::write_commit(const store::ObjectId& tree,
                                         const std::vector<store::ObjectId>& parents,
                                         const std::string& author, std::int64_t time,
                                         const std::string& message) {
  std::string bytes = "tree " + tree.hex() + "\n";
  for (const auto& parent : parents) bytes += "parent " + parent.hex() + "\n";
  const std::string when = " " + std::to_string(time) + " +0000\n";
  bytes += "author " + author + " <" + author + "@host>" + when;
  bytes += "committer vxenstored <vxenstored@host>" + when + "\n" + message;
  return write_object(GIT_OBJECT_COMMIT, bytes);
}

void LayoutRepo::set_ref(const std::string& name, const store::ObjectId& target) {
  git_oid oid;
  std::memcpy(oid.id, target.bytes.data(), sizeof oid.id);
  git_reference* reference = nullptr;
  check(git_reference_create(&reference, repository_, name.c_str(), &oid, 1, nullptr), "ref");
  git_reference_free(reference);
}

}  // namespace vxs::test
