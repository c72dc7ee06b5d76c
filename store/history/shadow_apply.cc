// How a change becomes edits of trees and `.meta` files.
#include <cstddef>

#include "protocol/escape.hh"
#include "protocol/path.hh"
#include "store/history/git_path.hh"
#include "store/history/shadow_tree.hh"

namespace vxs::store {
namespace {

std::string describe(const Change& change, std::string_view problem) {
  std::string text = "change of ";
  protocol::append_escaped(text, change.path);
  text += " does not fit the history's tree: ";
  text += problem;
  return text;
}

std::string permissions_text(const PermRef& perms) {
  std::string text;
  if (perms) append_permissions(text, perms->entries());
  return text.empty() ? "n0" : text;
}

std::string_view full_name_if_hashed(std::string_view xenstore_name) {
  return xenstore_name.size() > kMaxPlainName ? xenstore_name : std::string_view{};
}

}  // namespace

StoredValue ShadowTree::put_value(std::string_view path, std::string_view value,
                                  const ObjectId& present) {
  PackBuilder& pack = objects_.pack();
  if (redaction_ != nullptr && redaction_->hides(path, value)) {
    const std::string text = std::string(kRedacted) + '\n';
    const ObjectId id = objects_.hasher().hash(ObjectType::kBlob, text);
    if (id != present) pack.add(id, ObjectType::kBlob, text);
    return {id, EntryMode::kEscaped};
  }
  std::string text(value);
  text += '\n';
  if (const auto id = objects_.hasher().hash_guest_blob(text)) {
    if (*id != present) pack.add(*id, ObjectType::kBlob, text);
    return {*id, EntryMode::kFile};
  }
  // Half of a SHA-1 collision: stock git would refuse it too. Escaped, it is harmless.
  text = protocol::escaped(value) + '\n';
  const ObjectId id = objects_.hasher().hash(ObjectType::kBlob, text);
  pack.add(id, ObjectType::kBlob, text);
  return {id, EntryMode::kEscaped};
}

HistoryResult<ChangeNote> ShadowTree::apply(const Change& change, Seq seq) {
  switch (change.kind) {
    case ChangeKind::kCreate:
      return create(change, seq);
    case ChangeKind::kWrite:
      return write(change);
    case ChangeKind::kRemove:
      return remove(change);
    case ChangeKind::kSetPerms:
      return set_permissions(change);
  }
  return mismatch(describe(change, "unknown kind"));
}

HistoryResult<bool> ShadowTree::exists(std::string_view path) {
  if (path == "/") return true;
  const auto found = locate(path);
  if (!found) return tl::unexpected(found.error());
  return found->entry.has_value();
}

HistoryResult<ChangeNote> ShadowTree::apply_loosely(const Change& change, Seq seq) {
  const bool special = protocol::is_special(change.path);
  const auto present = special ? HistoryResult<bool>(true) : exists(change.path);
  if (!present) return tl::unexpected(present.error());
  if (change.kind == ChangeKind::kRemove && !*present) return ChangeNote{};
  if (*present) {
    if (change.kind != ChangeKind::kCreate) return apply(change, seq);
    Change step = change;
    step.kind = ChangeKind::kSetPerms;
    if (const auto done = apply(step, seq); !done) return done;
    step.kind = ChangeKind::kWrite;
    return apply(step, seq);
  }
  // Missing: make the ancestors that are missing too, then the node.
  Change step = change;
  step.kind = ChangeKind::kCreate;
  step.value = {};
  for (std::size_t end = change.path.find('/', 1); end != std::string_view::npos;
       end = change.path.find('/', end + 1)) {
    step.path = change.path.substr(0, end);
    const auto there = exists(step.path);
    if (!there) return tl::unexpected(there.error());
    if (*there) continue;
    if (const auto done = apply(step, seq); !done) return done;
  }
  step.path = change.path;
  step.value = change.value;
  return apply(step, seq);
}

HistoryResult<ShadowDir*> ShadowTree::directory_for_child(std::string_view path, Seq seq,
                                                          ChangeNote& note) {
  if (path == "/") return root_.get();
  auto found = locate(path);
  if (!found) return tl::unexpected(found.error());
  if (!found->entry) return nullptr;
  if (found->entry->mode == EntryMode::kDirectory) return child(*found->holder, found->name);
  return become_directory(*found, path, seq, note);
}

HistoryResult<ShadowDir*> ShadowTree::become_directory(Found& found, std::string_view path, Seq seq,
                                                       ChangeNote& note) {
  ShadowDir& holder = *found.holder;
  if (const auto loaded = load_meta(holder); !loaded) return tl::unexpected(loaded.error());
  const auto line = find_meta_line(holder.meta.bytes(), found.name);
  if (!line) return damaged("no .meta line for " + found.name);
  note.parent_became = line->created.seq != seq;
  const bool fanned = is_fanned_from_start(path);
  std::string own_meta;
  append_meta_line(own_meta, {.name = ".",
                              .created = line->created,
                              .permissions = line->permissions,
                              .layout = false,
                              .fanned = fanned,
                              .full_name = full_name_if_hashed(protocol::base_name(path))});
  const StoredValue value{found.entry->id, found.entry->mode};
  erase_entry(holder.tree, *found.entry);
  holder.meta.replace(line->at, line->size, {});
  holder.meta_dirty = true;
  --holder.child_count;  // make_child counts it again
  ShadowDir& dir = make_child(holder, found.name);
  dir.meta.replace(0, 0, own_meta);
  dir.meta_dirty = true;
  dir.is_fanned = fanned;
  if (value.id != objects_.hasher().hash(ObjectType::kBlob, "\n")) {
    insert_entry(dir.tree, value.mode, ".value", value.id);
  }
  return &dir;
}

HistoryResult<ChangeNote> ShadowTree::create(const Change& change, Seq seq) {
  if (change.path == "/" || protocol::is_special(change.path)) {
    return mismatch(describe(change, "it always exists"));
  }
  ChangeNote note;
  const std::string_view parent = protocol::parent_path(change.path);
  const auto directory = directory_for_child(parent, seq, note);
  if (!directory) return tl::unexpected(directory.error());
  if (*directory == nullptr) return mismatch(describe(change, "its parent is missing"));
  const std::string_view name = protocol::base_name(change.path);
  auto found = locate_in(**directory, name);
  if (!found) return tl::unexpected(found.error());
  if (found->entry) return mismatch(describe(change, "it exists"));
  if (found->holder == nullptr) found->holder = &make_child(**directory, bucket_name(name));

  ShadowDir& holder = *found->holder;
  if (const auto loaded = load_meta(holder); !loaded) return tl::unexpected(loaded.error());
  if (numbering_seq_ != seq) {
    numbering_seq_ = seq;
    next_number_ = 0;
  }
  const StoredValue value = put_value(change.path, change.value);
  note.new_value = value;
  insert_entry(holder.tree, value.mode, found->name, value.id);
  std::string line;
  append_meta_line(line, {.name = found->name,
                          .created = {seq, next_number_++},
                          .permissions = permissions_text(change.perms),
                          .layout = false,
                          .fanned = false,
                          .full_name = full_name_if_hashed(name)});
  holder.meta.replace(holder.meta.bytes().size(), 0, line);
  holder.meta_dirty = true;
  ++holder.child_count;
  mark_dirty(holder);
  if (holder.child_count > kMaxFlatChildren && !holder.is_fanned && !holder.is_bucket &&
      !holder.split_due && holder.bucket_bytes <= kMaxBucketBytes) {
    holder.split_due = true;
    splits_.emplace_back(parent);
  }
  return note;
}

HistoryResult<ChangeNote> ShadowTree::write(const Change& change) {
  ChangeNote note;
  ShadowDir* dir = nullptr;
  if (change.path == "/") {
    dir = root_.get();
  } else {
    auto found = locate(change.path);
    if (!found) return tl::unexpected(found.error());
    if (!found->entry) return mismatch(describe(change, "it is missing"));
    if (found->entry->mode != EntryMode::kDirectory) {
      const StoredValue value = put_value(change.path, change.value, found->entry->id);
      note.old_value = {found->entry->id, found->entry->mode};
      note.new_value = value;
      patch_entry(found->holder->tree, *found->entry, value.mode, value.id);
      mark_dirty(*found->holder);
      return note;
    }
    const auto below = child(*found->holder, found->name);
    if (!below) return tl::unexpected(below.error());
    dir = *below;
  }
  const auto entry = find_entry(dir->tree.bytes(), ".value");
  if (entry) note.old_value = {entry->id, entry->mode};
  if (change.value.empty()) {
    if (entry) erase_entry(dir->tree, *entry);
  } else {
    const StoredValue value = put_value(change.path, change.value);
    note.new_value = value;
    if (entry) {
      patch_entry(dir->tree, *entry, value.mode, value.id);
    } else {
      insert_entry(dir->tree, value.mode, ".value", value.id);
    }
  }
  mark_dirty(*dir);
  return note;
}

HistoryResult<ChangeNote> ShadowTree::remove(const Change& change) {
  if (change.path == "/" || protocol::is_special(change.path)) {
    return mismatch(describe(change, "it cannot be removed"));
  }
  auto found = locate(change.path);
  if (!found) return tl::unexpected(found.error());
  if (!found->entry) return mismatch(describe(change, "it is missing"));
  ShadowDir& holder = *found->holder;
  if (found->entry->mode == EntryMode::kDirectory) {
    drop_child(holder, found->name);
  } else {
    if (const auto loaded = load_meta(holder); !loaded) return tl::unexpected(loaded.error());
    const auto line = find_meta_line(holder.meta.bytes(), found->name);
    if (!line) return damaged("no .meta line for " + found->name);
    holder.meta.replace(line->at, line->size, {});
    holder.meta_dirty = true;
  }
  erase_entry(holder.tree, *found->entry);
  --holder.child_count;
  mark_dirty(holder);
  if (holder.is_bucket && holder.child_count == 0) {
    ShadowDir& directory = *found->directory;
    const std::string bucket = holder.name;
    if (const auto entry = find_entry(directory.tree.bytes(), bucket)) {
      erase_entry(directory.tree, *entry);
      --directory.child_count;
    }
    mark_dirty(directory);
    drop_child(directory, bucket);
  }
  return ChangeNote{};
}

HistoryResult<void> ShadowTree::replace_permissions(ShadowDir& dir, std::string_view name,
                                                    std::string_view text) {
  if (const auto loaded = load_meta(dir); !loaded) return loaded;
  const auto line = find_meta_line(dir.meta.bytes(), name);
  if (!line) return damaged("no .meta line for " + std::string(name));
  const auto at = static_cast<std::size_t>(line->permissions.data() - dir.meta.bytes().data());
  dir.meta.replace(at, line->permissions.size(), text);
  dir.meta_dirty = true;
  mark_dirty(dir);
  return {};
}

HistoryResult<void> ShadowTree::set_special(const Change& change) {
  const auto special = child(*root_, ".special");
  if (!special) return tl::unexpected(special.error());
  if (*special == nullptr) return damaged("the history's tree has no .special");
  const auto entry = find_entry((*special)->tree.bytes(), change.path.substr(1));
  if (!entry) return mismatch(describe(change, "there is no such special node"));
  const std::string text = permissions_text(change.perms) + '\n';
  const ObjectId id = objects_.hasher().hash(ObjectType::kBlob, text);
  objects_.pack().add(id, ObjectType::kBlob, text);
  patch_entry((*special)->tree, *entry, EntryMode::kFile, id);
  mark_dirty(**special);
  return {};
}

HistoryResult<ChangeNote> ShadowTree::set_permissions(const Change& change) {
  HistoryResult<void> done;
  const std::string text = permissions_text(change.perms);
  if (protocol::is_special(change.path)) {
    done = set_special(change);
  } else if (change.path == "/") {
    done = replace_permissions(*root_, ".", text);
  } else {
    auto found = locate(change.path);
    if (!found) return tl::unexpected(found.error());
    if (!found->entry) return mismatch(describe(change, "it is missing"));
    if (found->entry->mode == EntryMode::kDirectory) {
      const auto below = child(*found->holder, found->name);
      if (!below) return tl::unexpected(below.error());
      done = replace_permissions(**below, ".", text);
    } else {
      done = replace_permissions(*found->holder, found->name, text);
    }
  }
  if (!done) return tl::unexpected(done.error());
  return ChangeNote{};
}

}  // namespace vxs::store
