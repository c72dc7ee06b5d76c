#include "store/history_reader/repository.hh"

#include <fmt/format.h>

#include <algorithm>

namespace vxs::store::reader {
namespace {

const char* type_name(git_object_t type) { return git_object_type2string(type); }

}  // namespace

std::string_view GitTreeBytes::bytes() const {
  if (!object_) return {};
  return {static_cast<const char*>(git_odb_object_data(object_.get())),
          git_odb_object_size(object_.get())};
}

bool GitTreeBytes::next(std::string_view& rest, GitEntry& entry) {
  // "<octal mode> <name>\0<20 bytes>"
  const std::size_t space = rest.find(' ');
  if (space == std::string_view::npos || space == 0 || space > 6) return false;
  const std::size_t nul = rest.find('\0', space);
  if (nul == std::string_view::npos || nul == space + 1) return false;
  if (rest.size() - nul - 1 < GIT_OID_RAWSZ) return false;
  entry.is_tree = rest.substr(0, space) == "40000";
  entry.executable = rest.substr(0, space) == "100755";
  entry.name = rest.substr(space + 1, nul - space - 1);
  entry.id = ObjectId::from_raw(rest.substr(nul + 1, GIT_OID_RAWSZ));
  rest.remove_prefix(nul + 1 + GIT_OID_RAWSZ);
  return true;
}

GitEntry GitTreeBytes::find(std::string_view name) const {
  GitEntry found;
  for_each([&](const GitEntry& entry) {
    if (entry.name != name) return true;
    found = entry;
    return false;
  });
  return found;
}

std::vector<GitEntry> GitTreeBytes::entries() const {
  std::vector<GitEntry> all;
  for_each([&](const GitEntry& entry) {
    all.push_back(entry);
    return true;
  });
  return all;
}

ReadResult<Repository> Repository::open(const std::string& path) {
  Repository result;
  result.path_ = path;
  result.library_ = std::make_unique<GitLibrary>();
  // A copy may belong to anybody: nothing in it is executed, and reading is all that happens.
  git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
  // A walk over 100,000 commits must not hash every object again; `vxs fsck` does.
  git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 0);
  git_repository* repository = nullptr;
  if (git_repository_open_bare(&repository, path.c_str()) != 0) {
    return unreadable(
        fmt::format("cannot open the history repository {}: {}", path, git_last_message()));
  }
  result.repository_.reset(repository);
  git_odb* odb = nullptr;
  if (git_repository_odb(&odb, repository) != 0) {
    return unreadable(fmt::format("cannot read the objects of {}: {}", path, git_last_message()));
  }
  result.odb_.reset(odb);
  return result;
}

ReadResult<ObjectId> Repository::ref(const std::string& name) const {
  git_oid oid;
  const int error = git_reference_name_to_id(&oid, repository_.get(), name.c_str());
  if (error == GIT_ENOTFOUND) return not_found(fmt::format("{} has no {}", path_, name));
  if (error != 0) {
    return unreadable(fmt::format("cannot read {} of {}: {}", name, path_, git_last_message()));
  }
  return from_git(oid);
}

ReadResult<ObjectId> Repository::main_head() const {
  auto head = ref("refs/heads/main");
  if (!head && head.error().kind == ReadError::Kind::kNotFound) {
    return not_found(fmt::format("the history in {} has no commit yet", path_));
  }
  return head;
}

ReadResult<std::vector<GitRefName>> Repository::refs(std::string_view prefix) const {
  git_reference_iterator* raw = nullptr;
  if (git_reference_iterator_new(&raw, repository_.get()) != 0) {
    return unreadable(fmt::format("cannot list the refs of {}: {}", path_, git_last_message()));
  }
  const GitReferenceIterator iterator(raw);
  std::vector<GitRefName> found;
  git_reference* next = nullptr;
  while (git_reference_next(&next, iterator.get()) == 0) {
    const GitReference reference(next);
    const char* name = git_reference_name(next);
    const git_oid* target = git_reference_target(next);
    if (target != nullptr && std::string_view(name).starts_with(prefix)) {
      found.push_back({name, from_git(*target)});
    }
  }
  std::sort(found.begin(), found.end(),
            [](const GitRefName& a, const GitRefName& b) { return a.name < b.name; });
  return found;
}

ReadResult<ObjectId> Repository::expand(const std::string& hex) const {
  git_oid prefix;
  git_oid full;
  if (git_oid_fromstrn(&prefix, hex.data(), hex.size()) != 0) {
    return bad_request(fmt::format("\"{}\" is no commit id", hex));
  }
  const int error = git_odb_exists_prefix(&full, odb_.get(), &prefix, hex.size());
  if (error == GIT_EAMBIGUOUS) {
    return bad_request(fmt::format("more than one object begins with {}: give more digits", hex));
  }
  if (error != 0) return not_found(fmt::format("there is no commit {}", hex));
  return from_git(full);
}

ReadResult<GitOdbObject> Repository::object(const ObjectId& id, git_object_t type) const {
  git_odb_object* raw = nullptr;
  const git_oid oid = to_git(id);
  if (git_odb_read(&raw, odb_.get(), &oid) != 0) {
    return unreadable(fmt::format("cannot read the {} {} of {}: {}", type_name(type), id.hex(),
                                  path_, git_last_message()));
  }
  GitOdbObject object(raw);
  if (git_odb_object_type(raw) != type) {
    return unreadable(fmt::format("{} in {} is a {}, not a {}", id.hex(), path_,
                                  type_name(git_odb_object_type(raw)), type_name(type)));
  }
  return object;
}

ReadResult<GitTreeBytes> Repository::tree(const ObjectId& id) const {
  if (id.is_null()) return GitTreeBytes();
  return object(id, GIT_OBJECT_TREE).map([](GitOdbObject&& bytes) {
    return GitTreeBytes(std::move(bytes));
  });
}

ReadResult<std::string> Repository::blob(const ObjectId& id) const {
  return object(id, GIT_OBJECT_BLOB).map([](GitOdbObject&& bytes) {
    return std::string(static_cast<const char*>(git_odb_object_data(bytes.get())),
                       git_odb_object_size(bytes.get()));
  });
}

}  // namespace vxs::store::reader
