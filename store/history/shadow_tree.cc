#include "store/history/shadow_tree.hh"

#include <algorithm>
#include <map>

#include "protocol/path.hh"
#include "store/history/git_path.hh"

namespace vxs::store {
namespace {

// A hashed name carries its bucket's digits; any other Git name is the Xenstore name.
std::string bucket_of(std::string_view git_name) {
  if (is_hashed_name(git_name)) return "~" + std::string(git_name.substr(2, 2));
  return bucket_name(git_name);
}

std::string no_such(std::string_view what, const ShadowDir& dir) {
  return std::string(what) + " is missing in directory " + dir.name + " of the history";
}

}  // namespace

ShadowTree::ShadowTree(ObjectStore& objects, const ShadowTree* twin)
    : objects_(objects), twin_(twin), redaction_(twin == nullptr ? nullptr : twin->redaction_) {}

void ShadowTree::adopt(std::unique_ptr<ShadowDir> root) {
  root_ = std::move(root);
  dirty_.clear();
  splits_.clear();
  memory_ = 0;
  std::vector<ShadowDir*> pending{root_.get()};
  while (!pending.empty()) {
    ShadowDir& dir = *pending.back();
    pending.pop_back();
    dir.accounted = 0;
    dir.meta_loaded = dir.meta_dirty = dir.dirty = true;
    dirty_.push_back(&dir);
    account(dir);
    for (const auto& below : dir.children) pending.push_back(below.get());
  }
}

void ShadowTree::start_empty() {
  auto root = std::make_unique<ShadowDir>("", nullptr);
  std::string meta;
  append_meta_line(meta, {.name = ".",
                          .created = {},
                          .permissions = "n0",
                          .layout = true,
                          .fanned = false,
                          .full_name = {}});
  root->meta.replace(0, 0, meta);
  auto special = std::make_unique<ShadowDir>(".special", root.get());
  const auto add_node = [&](std::string_view name, std::string_view permissions) {
    const ObjectId id = objects_.hasher().hash(ObjectType::kBlob, permissions);
    objects_.pack().add(id, ObjectType::kBlob, permissions);
    insert_entry(special->tree, EntryMode::kFile, name, id);
  };
  add_node("introduceDomain", "n0\n");
  add_node("releaseDomain", "n0,r32757\n");
  insert_entry(root->tree, EntryMode::kDirectory, special->name, {});
  root->add_child(std::move(special));
  adopt(std::move(root));
}

HistoryResult<void> ShadowTree::open(const ObjectId& root) {
  dirty_.clear();
  splits_.clear();
  memory_ = 0;
  root_ = std::make_unique<ShadowDir>("", nullptr);
  return load(*root_, root);
}

void ShadowTree::account(ShadowDir& dir) noexcept {
  const std::size_t now = dir.memory();
  memory_ += now - dir.accounted;
  dir.accounted = now;
}

bool ShadowTree::copy_from_twin(ShadowDir& dir, const ObjectId& id) {
  if (twin_ == nullptr || twin_->root_ == nullptr) return false;
  // Names from here to the root, then down again in the twin.
  std::vector<const ShadowDir*> way;
  for (const ShadowDir* at = &dir; at->parent != nullptr; at = at->parent) way.push_back(at);
  const ShadowDir* twin = twin_->root_.get();
  for (; !way.empty() && twin != nullptr; way.pop_back()) twin = twin->find_child(way.back()->name);
  if (twin == nullptr || twin->tree.id() != id) return false;
  dir.tree = twin->tree;
  dir.meta = twin->meta;
  dir.meta_loaded = twin->meta_loaded;
  dir.child_count = twin->child_count;
  dir.is_fanned = twin->is_fanned;
  return true;
}

HistoryResult<void> ShadowTree::load(ShadowDir& dir, const ObjectId& id) {
  dir.last_used = tick_;
  if (copy_from_twin(dir, id)) {
    account(dir);
    return {};
  }
  std::string bytes;
  PackPlace place;
  if (const auto read = objects_.read(id, ObjectType::kTree, bytes, &place); !read) return read;
  dir.tree.load(std::move(bytes), id, place);
  const std::string_view text = dir.tree.bytes();
  std::string_view last_name;
  std::size_t at = 0;
  while (const auto entry = entry_at(text, at)) {
    at += entry->size;
    last_name = entry->name;
    if (!entry->name.starts_with('.')) ++dir.child_count;
  }
  if (at != text.size()) return damaged("tree " + id.hex() + " is not one of the history's");
  account(dir);
  dir.is_fanned = is_bucket_name(last_name);
  if (dir.child_count != 0 || dir.is_bucket) return {};
  if (const auto loaded = load_meta(dir); !loaded) return loaded;
  const auto own = find_meta_line(dir.meta.bytes(), ".");
  dir.is_fanned = own && own->fanned;
  return {};
}

HistoryResult<void> ShadowTree::load_meta(ShadowDir& dir) {
  if (dir.meta_loaded) return {};
  if (const auto entry = find_entry(dir.tree.bytes(), ".meta")) {
    std::string bytes;
    PackPlace place;
    const auto read = objects_.read(entry->id, ObjectType::kBlob, bytes, &place);
    if (!read) return read;
    dir.meta.load(std::move(bytes), entry->id, place);
    account(dir);
  }
  dir.meta_loaded = true;
  return {};
}

HistoryResult<ShadowDir*> ShadowTree::child(ShadowDir& dir, std::string_view git_name) {
  if (ShadowDir* found = dir.find_child(git_name)) {
    found->last_used = tick_;
    return found;
  }
  const auto entry = find_entry(dir.tree.bytes(), git_name);
  if (!entry || entry->mode != EntryMode::kDirectory) return nullptr;
  auto fresh = std::make_unique<ShadowDir>(std::string(git_name), &dir);
  if (const auto loaded = load(*fresh, entry->id); !loaded) {
    memory_ -= fresh->accounted;
    return tl::unexpected(loaded.error());
  }
  ShadowDir& added = dir.add_child(std::move(fresh));
  account(dir);
  return &added;
}

HistoryResult<ShadowTree::Found> ShadowTree::locate_in(ShadowDir& directory,
                                                       std::string_view name) {
  Found found;
  found.directory = found.holder = &directory;
  append_git_name(found.name, name);
  if (directory.is_fanned) {
    const auto bucket = child(directory, bucket_name(name));
    if (!bucket) return tl::unexpected(bucket.error());
    found.holder = *bucket;
  }
  if (found.holder != nullptr) found.entry = find_entry(found.holder->tree.bytes(), found.name);
  return found;
}

HistoryResult<ShadowTree::Found> ShadowTree::locate(std::string_view path) {
  const auto parent = find_directory(protocol::parent_path(path));
  if (!parent) return tl::unexpected(parent.error());
  if (*parent == nullptr) return Found{};
  return locate_in(**parent, protocol::base_name(path));
}

HistoryResult<ShadowDir*> ShadowTree::find_directory(std::string_view path) {
  ShadowDir* dir = root_.get();
  std::string long_name;
  for (const std::string_view name : protocol::PathComponents(path)) {
    if (dir->is_fanned) {
      const auto bucket = child(*dir, bucket_name(name));
      if (!bucket || *bucket == nullptr) return bucket;
      dir = *bucket;
    }
    std::string_view stored = name;
    if (name.size() > kMaxPlainName) stored = long_name = git_name(name);
    const auto below = child(*dir, stored);
    if (!below || *below == nullptr) return below;
    dir = *below;
  }
  return dir;
}

ShadowDir& ShadowTree::make_child(ShadowDir& dir, std::string name) {
  insert_entry(dir.tree, EntryMode::kDirectory, name, {});
  if (!name.starts_with('.')) ++dir.child_count;
  ShadowDir& made = dir.add_child(std::make_unique<ShadowDir>(std::move(name), &dir));
  made.meta_loaded = true;
  made.last_used = tick_;
  mark_dirty(made);
  return made;
}

void ShadowTree::drop_child(ShadowDir& dir, std::string_view git_name) {
  const std::unique_ptr<ShadowDir> dropped = dir.take_child(git_name);
  if (dropped == nullptr) return;
  const bool was_dirty = dropped->dirty;
  std::vector<ShadowDir*> pending{dropped.get()};
  while (!pending.empty()) {
    ShadowDir& gone = *pending.back();
    pending.pop_back();
    memory_ -= gone.accounted;
    gone.accounted = 0;
    gone.parent = nullptr;  // the mark by which the dirty ones are found below
    for (const auto& below : gone.children) pending.push_back(below.get());
  }
  if (!was_dirty) return;
  std::erase_if(dirty_, [this](const ShadowDir* entry) {
    return entry->parent == nullptr && entry != root_.get();
  });
}

void ShadowTree::mark_dirty(ShadowDir& dir) {
  for (ShadowDir* at = &dir; at != nullptr && !at->dirty; at = at->parent) {
    at->dirty = true;
    dirty_.push_back(at);
  }
}

HistoryResult<ObjectId> ShadowTree::flush() {
  std::ranges::sort(dirty_,
                    [](const ShadowDir* a, const ShadowDir* b) { return a->depth > b->depth; });
  PackBuilder& pack = objects_.pack();
  ObjectHasher& hasher = objects_.hasher();
  for (ShadowDir* dir : dirty_) {
    if (!dir->write(pack, hasher)) return damaged(no_such(dir->name, *dir->parent));
    account(*dir);
  }
  dirty_.clear();
  return root_->tree.id();
}

std::vector<std::string> ShadowTree::take_splits() { return std::exchange(splits_, {}); }

HistoryResult<bool> ShadowTree::split(std::string_view path) {
  const auto found = find_directory(path);
  if (!found) return tl::unexpected(found.error());
  ShadowDir* dir = *found;
  if (dir == nullptr || !dir->split_due || dir->child_count <= kMaxFlatChildren) return false;
  if (const auto loaded = load_meta(*dir); !loaded) return tl::unexpected(loaded.error());

  struct Bucket {
    std::string tree, meta;
    std::uint32_t count = 0;
  };
  std::map<std::string, Bucket> buckets;
  const std::string old_tree = dir->tree.bytes();
  const std::string old_meta = dir->meta.bytes();
  std::string kept;
  std::size_t at = 0;
  while (const auto entry = entry_at(old_tree, at)) {
    at += entry->size;
    if (entry->name.starts_with('.')) {
      append_entry(kept, entry->mode, entry->name, entry->id);
      continue;
    }
    Bucket& bucket = buckets[bucket_of(entry->name)];
    append_entry(bucket.tree, entry->mode, entry->name, entry->id);
    ++bucket.count;
  }
  std::string own_meta;
  at = 0;
  while (const auto line = meta_line_at(old_meta, at)) {
    at += line->size;
    if (line->name != ".") {
      buckets[bucket_of(line->name)].meta += old_meta.substr(line->at, line->size);
      continue;
    }
    append_meta_line(own_meta, {.name = ".",
                                .created = line->created,
                                .permissions = line->permissions,
                                .layout = dir->parent == nullptr,
                                .fanned = true,
                                .full_name = line->full_name});
  }

  while (!dir->children.empty()) {
    const std::string name = dir->children.back()->name;
    if (name.starts_with('.')) break;  // `.special` sorts first
    drop_child(*dir, name);
  }
  dir->tree.replace(0, old_tree.size(), kept);
  dir->meta.replace(0, old_meta.size(), own_meta);
  dir->meta_dirty = true;
  dir->is_fanned = true;
  dir->split_due = false;
  dir->child_count = 0;
  mark_dirty(*dir);
  for (auto& [name, bucket] : buckets) {
    ShadowDir& made = make_child(*dir, name);
    made.tree.replace(0, 0, bucket.tree);
    made.meta.replace(0, 0, bucket.meta);
    made.meta_dirty = !bucket.meta.empty();
    made.child_count = bucket.count;
  }
  return true;
}

void ShadowTree::trim(std::size_t budget) {
  for (int pass = 0; pass < 2 && memory_ > budget; ++pass) {
    const std::uint64_t keep_from = pass == 0 ? tick_ : tick_ + 1;
    std::vector<ShadowDir*> pending{root_.get()};
    while (!pending.empty()) {
      ShadowDir& dir = *pending.back();
      pending.pop_back();
      std::vector<std::string> cold;
      for (const auto& below : dir.children) {
        if (below->last_used < keep_from && !below->dirty) {
          cold.push_back(below->name);
        } else {
          pending.push_back(below.get());
        }
      }
      for (const std::string& name : cold) drop_child(dir, name);
    }
  }
  ++tick_;
}

}  // namespace vxs::store
