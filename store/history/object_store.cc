#include "store/history/object_store.hh"

#include <cstring>

namespace vxs::store {

HistoryResult<ObjectStore> ObjectStore::open(const std::string& path) {
  ObjectStore store(path);
  if (const auto opened = store.reopen(); !opened) return tl::unexpected(opened.error());
  return store;
}

HistoryResult<void> ObjectStore::reopen() {
  git_odb* handle = nullptr;
  if (git_odb_open(&handle, (path_ + "/objects").c_str()) != 0) {
    return damaged("cannot open " + path_ + "/objects: " + last_git_error());
  }
  database_.reset(handle);
  return {};
}

HistoryResult<ObjectId> ObjectStore::read_main() const {
  git_repository* raw = nullptr;
  git_oid oid;
  if (git_repository_open_bare(&raw, path_.c_str()) != 0) {
    return damaged("cannot open " + path_ + ": " + last_git_error());
  }
  const GitPtr<git_repository> repository(raw);
  if (git_reference_name_to_id(&oid, raw, "refs/heads/main") != 0) {
    return damaged("cannot read main of " + path_ + ": " + last_git_error());
  }
  return ObjectId::from_raw({reinterpret_cast<const char*>(oid.id), sizeof oid.id});
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
  git_oid oid;
  std::memcpy(oid.id, id.bytes.data(), id.bytes.size());
  git_odb_object* raw = nullptr;
  if (git_odb_read(&raw, database_.get(), &oid) != 0) {
    return damaged("cannot read object " + id.hex() + " of " + path_ + ": " + last_git_error());
  }
  const GitPtr<git_odb_object> object(raw);
  out.assign(static_cast<const char*>(git_odb_object_data(raw)), git_odb_object_size(raw));
  return static_cast<ObjectType>(git_odb_object_type(raw));
}

}  // namespace vxs::store
