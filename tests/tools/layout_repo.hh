// Writes a history repository by the letter of docs/git-layout.md with libgit2 and nothing of the
// history writer: a second opinion on the format. If these tests fail after a change of the
// writer's or the reader's code, the format has changed.
#pragma once

#include <git2.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "store/history/object_id.hh"

namespace vxs::test {

/// A tree in memory, Xenstore path → node.
struct ModelNode {
  std::string value;
  std::string perms = "n0";
  std::string created;     ///< "<seq>.<n>"
  bool directory = false;  ///< has, or once had, children
  bool fanned = false;
  bool escaped_blob = false;  ///< written escaped, with mode 100755
};
using Model = std::map<std::string, ModelNode>;

class LayoutRepo {
 public:
  /// Makes a bare repository at `path`.
  explicit LayoutRepo(const std::string& path);
  ~LayoutRepo();
  LayoutRepo(const LayoutRepo&) = delete;
  LayoutRepo& operator=(const LayoutRepo&) = delete;

  store::ObjectId write_tree(const Model& model);
  store::ObjectId write_commit(const store::ObjectId& tree,
                               const std::vector<store::ObjectId>& parents,
                               const std::string& author, std::int64_t time,
                               const std::string& message);
  void set_ref(const std::string& name, const store::ObjectId& target);
  store::ObjectId write_object(git_object_t type, const std::string& bytes);
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  struct Entry {
    std::string mode;
    std::string name;
    store::ObjectId id;
  };
  store::ObjectId write_entries(std::vector<Entry> entries);
  store::ObjectId write_directory(const Model& model, const std::string& path);

  std::string path_;
  git_repository* repository_ = nullptr;
  git_odb* odb_ = nullptr;
};

}  // namespace vxs::test
