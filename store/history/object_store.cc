#include "store/history/object_store.hh"

namespace vxs::store {

namespace {

// libgit2 keeps up to 16 MB of delta bases for each pack and maps what it reads: both end when the
// database is opened anew.
constexpr std::uint64_t kReadsPerOpening = 4096;
constexpr std::size_t kMapWindow = 1U << 20U;
constexpr std::size_t kMappedLimit = 32U << 20U;

}  // namespace

HistoryResult<ObjectStore> ObjectStore::open(const std::string& path) {
  ObjectStore store(path);
  // Objects are read once and then kept in the shadow tree; libgit2's own cache (256 MB) is waste.
  git_libgit2_opts(GIT_OPT_ENABLE_CACHING, 0);
  git_libgit2_opts(GIT_OPT_SET_MWINDOW_SIZE, kMapWindow);
  git_libgit2_opts(GIT_OPT_SET_MWINDOW_MAPPED_LIMIT, kMappedLimit);
  if (const auto opened = store.reopen(); !opened) return tl::unexpected(opened.error());
  return store;
}

HistoryResult<void> ObjectStore::reopen() {
  git_odb* handle = nullptr;
  reads_ = 0;
  database_.reset();
  if (git_odb_open(&handle, (path_ + "/objects").c_str()) != 0) {
    return damaged("cannot open " + path_ + "/objects: " + git_last_message());
  }
  database_.reset(handle);
  return {};
}

HistoryResult<ObjectId> ObjectStore::read_main() const {
  git_repository* raw = nullptr;
  git_oid oid;
  if (git_repository_open_bare(&raw, path_.c_str()) != 0) {
    return damaged("cannot open " + path_ + ": " + git_last_message());
  }
  const GitRepository repository(raw);
  if (git_reference_name_to_id(&oid, raw, "refs/heads/main") != 0) {
    return damaged("cannot read main of " + path_ + ": " + git_last_message());
  }
  return from_git(oid);
}

HistoryResult<void> ObjectStore::read(const ObjectId& id, ObjectType type, std::string& out,
                                      PackPlace* place) {
  const auto here = pack_->find(id);
  if (place != nullptr) *place = here.value_or(PackPlace{});
  if (here) {
    if (pack_->read(id, out) == type) return {};
    return damaged("object " + id.hex() + " is not of the expected type");
  }
  const auto found = read_any(id, out);
  if (!found) return tl::unexpected(found.error());
  if (*found == type) return {};
  return damaged("object " + id.hex() + " is not of the expected type");
}

HistoryResult<ObjectType> ObjectStore::read_any(const ObjectId& id, std::string& out) {
  if (!database_ || ++reads_ > kReadsPerOpening) {
    if (const auto opened = reopen(); !opened) return tl::unexpected(opened.error());
  }
  const git_oid oid = to_git(id);
  git_odb_object* raw = nullptr;
  if (git_odb_read(&raw, database_.get(), &oid) != 0) {
    return damaged("cannot read object " + id.hex() + " of " + path_ + ": " + git_last_message());
  }
  const GitOdbObject object(raw);
  out.assign(static_cast<const char*>(git_odb_object_data(raw)), git_odb_object_size(raw));
  return static_cast<ObjectType>(git_odb_object_type(raw));
}

}  // namespace vxs::store
