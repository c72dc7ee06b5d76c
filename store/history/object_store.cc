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

HistoryResult<void> ObjectStore::read(const ObjectId& id, ObjectType type, std::string& out,
                                      PackPlace* place) {
  const auto here = pack_->find(id);
  if (place != nullptr) *place = here.value_or(PackPlace{});
  if (here) {
    if (pack_->read(id, out) == type) return {};
    return damaged("object " + id.hex() + " is not of the expected type");
  }
  git_oid oid;
  std::memcpy(oid.id, id.bytes.data(), id.bytes.size());
  git_odb_object* raw = nullptr;
  if (git_odb_read(&raw, database_.get(), &oid) != 0) {
    return damaged("cannot read object " + id.hex() + " of " + path_ + ": " + last_git_error());
  }
  const GitPtr<git_odb_object> object(raw);
  if (static_cast<int>(git_odb_object_type(raw)) != static_cast<int>(type)) {
    return damaged("object " + id.hex() + " is not of the expected type");
  }
  out.assign(static_cast<const char*>(git_odb_object_data(raw)), git_odb_object_size(raw));
  return {};
}

}  // namespace vxs::store
