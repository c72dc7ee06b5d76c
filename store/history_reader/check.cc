#include "store/history_reader/check.hh"

#include <fmt/format.h>

#include <unordered_set>
#include <vector>

#include "protocol/escape.hh"
#include "store/history/git_path.hh"
#include "store/history_reader/main_line.hh"
#include "store/history_reader/meta.hh"
#include "store/history_reader/tree_view.hh"

namespace vxs::store::reader {
namespace {

constexpr const char* kBroken =
    "fetch the object from a mirror of this repository, or stop the daemon, move the repository "
    "away and start it: a new history begins with the present tree, no state is lost";
constexpr const char* kForeign =
    "somebody but vxenstored wrote to the repository: keep it as evidence, stop the daemon, move "
    "it away and start it: a new history begins with the present tree";

/// While it lives, libgit2 computes the hash of what it reads.
class HashVerification {
 public:
  HashVerification() { git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 1); }
  ~HashVerification() { git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 0); }
  HashVerification(const HashVerification&) = delete;
  HashVerification& operator=(const HashVerification&) = delete;
};

class Checker {
 public:
  Checker(const Repository& repository, const std::function<void(const Finding&)>& found)
      : repository_(repository), found_(found) {}

  CheckCounts run() {
    const auto head = repository_.main_head();
    if (head) {
      check_main(*head);
    } else if (head.error().kind != ReadError::Kind::kNotFound) {
      add(head.error().message, kBroken);
    }
    check_failed();
    return counts_;
  }

 private:
  enum class TreeKind : std::uint8_t { kDirectory, kBucket, kSpecial };
  struct Todo {
    ObjectId id;
    TreeKind kind = TreeKind::kDirectory;
  };

  void add(std::string what, const char* advice) { found_({std::move(what), advice}); }

  void check_main(ObjectId id) {
    HistoryCommit child;
    while (!id.is_null()) {
      const auto commit = read_commit(repository_, id);
      if (!commit) return add(commit.error().message, kBroken);
      ++counts_.commits;
      check_commit(*commit);
      if (!child.id.is_null()) check_order(*commit, child);
      if (commit->is_merge()) check_branch(*commit);
      check_tree(commit->tree);
      child = *commit;
      id = commit->parents.empty() ? ObjectId{} : commit->parents.front();
    }
  }

  static Seq position(const HistoryCommit& commit) {
    return commit.number("Seq").value_or(commit.number("After-Seq").value_or(0));
  }

  void check_commit(const HistoryCommit& commit) {
    if (position(commit) == 0) {
      add(fmt::format("commit {} has no Seq", commit.id.hex()), kForeign);
    }
    if (commit.parents.size() > 2) {
      add(fmt::format("commit {} has {} parents", commit.id.hex(), commit.parents.size()),
          kForeign);
    }
  }

  void check_order(const HistoryCommit& parent, const HistoryCommit& child) {
    const bool split = !child.number("Seq");
    if (position(parent) > position(child) || (!split && position(parent) == position(child))) {
      add(fmt::format("commit {} has Seq {}, its parent {} has Seq {}", child.id.hex(),
                      position(child), parent.id.hex(), position(parent)),
          kForeign);
    }
    if (parent.committer_time > child.committer_time) {
      add(fmt::format("commit {} is older than its parent {}", child.id.hex(), parent.id.hex()),
          kForeign);
    }
  }

  void check_branch(const HistoryCommit& merge) {
    const auto branch = read_commit(repository_, merge.parents[1]);
    if (!branch) return add(branch.error().message, kBroken);
    ++counts_.commits;
    if (branch->seq() != merge.seq() || branch->parents.size() != 1) {
      add(fmt::format("commit {} is no transaction of the merge {}", branch->id.hex(),
                      merge.id.hex()),
          kForeign);
    }
    check_tree(branch->tree);
  }

  void check_failed() {
    const auto refs = repository_.refs("refs/conflicts/");
    if (!refs) return add(refs.error().message, kBroken);
    for (const GitRefName& ref : *refs) {
      const auto commit = read_commit(repository_, ref.target);
      if (!commit) {
        add(fmt::format("{}: {}", ref.name, commit.error().message), kBroken);
        continue;
      }
      ++counts_.failed;
      if (ref.name != fmt::format("refs/conflicts/{}", commit->seq())) {
        add(fmt::format("{} names commit {} with Seq {}", ref.name, commit->id.hex(),
                        commit->seq()),
            kForeign);
      }
      check_tree(commit->tree);
    }
  }

  void check_tree(const ObjectId& root) {
    push(root, TreeKind::kDirectory);
    while (!todo_.empty()) {
      const Todo todo = todo_.back();
      todo_.pop_back();
      ++counts_.trees;
      const auto tree = repository_.tree(todo.id);
      if (!tree) {
        add(tree.error().message, kBroken);
        continue;
      }
      if (todo.kind == TreeKind::kSpecial) {
        check_special(*tree, todo.id);
      } else {
        check_directory(*tree, todo);
      }
    }
  }

  void push(const ObjectId& id, TreeKind kind) {
    if (seen_.insert(id).second) todo_.push_back({id, kind});
  }

  void check_special(const GitTreeBytes& tree, const ObjectId& id) {
    for (const GitEntry& entry : tree.entries()) {
      const auto file = repository_.blob(entry.id);
      if (!file) {
        add(file.error().message, kBroken);
      } else if (!file->ends_with('\n') ||
                 !parse_meta_perms(std::string_view(*file).substr(0, file->size() - 1))) {
        add(fmt::format("tree {}: {} holds no permissions", id.hex(),
                        protocol::escaped(entry.name)),
            kForeign);
      }
    }
  }

  void check_directory(const GitTreeBytes& tree, const Todo& todo) {
    std::string meta;
    const GitEntry meta_entry = tree.find(".meta");
    if (!meta_entry.id.is_null()) {
      const auto file = repository_.blob(meta_entry.id);
      if (!file) return add(file.error().message, kBroken);
      meta = *file;
    }
    const auto require_line = [&](std::string_view name) {
      if (parse_meta_line(find_meta_line(meta, name))) return;
      add(fmt::format("tree {}: .meta has no good line for {}", todo.id.hex(),
                      protocol::escaped(name)),
          kForeign);
    };
    if (todo.kind == TreeKind::kDirectory) require_line(".");
    const bool whole = tree.for_each([&](const GitEntry& entry) {
      if (entry.name == ".meta") return true;
      if (!entry.is_tree) {
        if (entry.name != ".value") require_line(entry.name);
        check_value(entry);
      } else if (entry.name == ".special") {
        push(entry.id, TreeKind::kSpecial);
      } else {
        push(entry.id, is_bucket_name(entry.name) ? TreeKind::kBucket : TreeKind::kDirectory);
      }
      return true;
    });
    if (!whole) add(fmt::format("tree {} cannot be understood", todo.id.hex()), kBroken);
  }

  void check_value(const GitEntry& entry) {
    if (!seen_.insert(entry.id).second) return;
    ++counts_.blobs;
    const auto value = read_value(repository_, entry.id, entry.executable);
    if (!value) add(value.error().message, kBroken);
  }

  const Repository& repository_;
  const std::function<void(const Finding&)>& found_;
  HashVerification verification_;
  CheckCounts counts_;
  std::unordered_set<ObjectId, ObjectIdHash> seen_;
  std::vector<Todo> todo_;
};

}  // namespace

CheckCounts check_history(const Repository& repository,
                          const std::function<void(const Finding&)>& found) {
  return Checker(repository, found).run();
}

}  // namespace vxs::store::reader
