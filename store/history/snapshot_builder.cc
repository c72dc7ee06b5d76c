#include "store/history/snapshot_builder.hh"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "protocol/path.hh"
#include "store/history/git_path.hh"

namespace vxs::store {
namespace {

class SnapshotBuilder {
 public:
  SnapshotBuilder(Seq seq, ShadowTree& old, ObjectStore& objects, std::size_t cache_bytes)
      : seq_(seq), old_(old), objects_(objects), cache_bytes_(cache_bytes) {}

  HistoryResult<ObjectId> build(const Tree& tree) {
    HistoryResult<void> done;
    tree.walk([&](std::string_view path, const Node& node) {
      done = path == "/" ? add_root(node) : add_node(path, node);
      if (old_.memory() > cache_bytes_) old_.trim(cache_bytes_);
      if (done && objects_.pack().failure()) done = io_failed(*objects_.pack().failure());
      return done.has_value();
    });
    while (done && open_.size() > 1) done = close();
    if (done) done = add_special(tree);
    if (done) done = close();
    if (!done) return tl::unexpected(done.error());
    return root_->tree.id();
  }

 private:
  // A directory whose children are being added.
  struct Open {
    ShadowDir* dir = nullptr;
    std::string path;  // with its final slash
    CreatedKey last_key;
  };
  // What the old tree says of a node.
  struct Before {
    ShadowTree::Found found;
    ShadowDir* directory = nullptr;  // nullptr unless it was one
    CreatedKey key;
    bool exists = false;
    ObjectId value;
  };

  HistoryResult<Before> look_up(std::string_view path) {
    Before before;
    ShadowDir* meta_holder = nullptr;
    std::string_view meta_name = ".";
    if (path != "/") {
      auto found = old_.locate(path);
      if (!found) return tl::unexpected(found.error());
      before.found = *std::move(found);
      if (!before.found.entry) return before;
      before.value = before.found.entry->id;
      meta_holder = before.found.holder;
      meta_name = before.found.name;
    }
    if (path == "/" || before.found.entry->mode == EntryMode::kDirectory) {
      const auto directory = old_.find_directory(path);
      if (!directory) return tl::unexpected(directory.error());
      before.directory = meta_holder = *directory;
      meta_name = ".";
      const auto value = find_entry(meta_holder->tree.bytes(), ".value");
      before.value = value ? value->id : ObjectId{};
    }
    if (const auto loaded = old_.load_meta(*meta_holder); !loaded) {
      return tl::unexpected(loaded.error());
    }
    const auto line = find_meta_line(meta_holder->meta.bytes(), meta_name);
    if (!line) return damaged("no .meta line for " + std::string(meta_name));
    before.key = line->created;
    before.exists = true;
    return before;
  }

  // Old nodes keep their key as long as the keys of their siblings rise.
  CreatedKey next_key(const Before& before, CreatedKey& last) {
    if (before.exists && before.key > last) return last = before.key;
    if (last.seq == seq_) next_number_ = std::max(next_number_, last.number + 1);
    return last = {seq_, next_number_++};
  }

  static std::string permissions_of(const Node& node) {
    std::string text;
    append_permissions(text, node.perms()->entries());
    return text;
  }

  void fill_directory(ShadowDir& dir, std::string_view path, const Node& node, const Before& before,
                      const CreatedKey& key) {
    const bool was_fanned = before.directory != nullptr && before.directory->is_fanned;
    dir.is_fanned = was_fanned || is_fanned_from_start(path) ||
                    (node.child_count() > kMaxFlatChildren && dir.bucket_bytes <= kMaxBucketBytes);
    std::string meta;
    append_meta_line(
        meta, {.name = ".",
               .created = key,
               .permissions = permissions_of(node),
               .layout = path == "/",
               .fanned = dir.is_fanned,
               .full_name = node.name().size() > kMaxPlainName ? node.name() : std::string_view{}});
    if (before.directory != nullptr) expect(dir, *before.directory);
    dir.meta.replace(0, 0, meta);
    if (!node.value().empty()) {
      const StoredValue value = old_.put_value(path, node.value(), before.value);
      insert_entry(dir.tree, value.mode, ".value", value.id);
    }
    std::string prefix(path);
    if (prefix.back() != '/') prefix += '/';
    open_.push_back({&dir, std::move(prefix), {}});
  }

  // The directory of the last open frame is complete: writes it and forgets what is in it.
  HistoryResult<void> close() {
    ShadowDir& dir = *open_.back().dir;
    open_.pop_back();
    while (!dir.children.empty()) {  // those written before are gone: only buckets and .special
      if (auto done = write(*dir.children.back()); !done) return done;
    }
    return write(dir);
  }

  HistoryResult<void> write(ShadowDir& dir) {
    dir.meta_dirty = true;
    if (!dir.write(objects_.pack(), objects_.hasher())) {
      return damaged("an entry of directory " + dir.name + " is missing");
    }
    if (dir.parent != nullptr) (void)dir.parent->take_child(std::string(dir.name));
    return {};
  }

  static void expect(ShadowDir& dir, const ShadowDir& before) noexcept {
    dir.tree.expect(before.tree.id());
    dir.meta.expect(before.meta.id());
  }

  static ShadowDir& add_directory(ShadowDir& parent, std::string name, const ObjectId& expected) {
    insert_entry(parent.tree, EntryMode::kDirectory, name, expected);
    if (!name.starts_with('.')) ++parent.child_count;
    return parent.add_child(std::make_unique<ShadowDir>(std::move(name), &parent));
  }

  ShadowDir& holder_of(ShadowDir& dir, std::string_view name, const Before& before) {
    if (!dir.is_fanned) return dir;
    const std::string bucket = bucket_name(name);
    if (ShadowDir* present = dir.find_child(bucket)) return *present;
    const ShadowDir* old = before.found.holder;
    if (old != nullptr && old->name != bucket) old = nullptr;
    ShadowDir& made = add_directory(dir, bucket, old == nullptr ? ObjectId{} : old->tree.id());
    if (old != nullptr) expect(made, *old);
    return made;
  }

  HistoryResult<void> add_root(const Node& node) {
    const auto before = look_up("/");
    if (!before) return tl::unexpected(before.error());
    root_ = std::make_unique<ShadowDir>("", nullptr);
    fill_directory(*root_, "/", node, *before, before->key);
    return {};
  }

  HistoryResult<void> add_node(std::string_view path, const Node& node) {
    const std::string_view name = node.name();
    const std::string_view above = path.substr(0, path.size() - name.size());
    while (open_.back().path != above) {
      if (auto done = close(); !done) return done;
    }
    Open& open = open_.back();
    const auto before = look_up(path);
    if (!before) return tl::unexpected(before.error());
    const CreatedKey key = next_key(*before, open.last_key);
    ShadowDir& holder = holder_of(*open.dir, name, *before);
    if (node.child_count() > 0 || before->directory != nullptr) {
      const ObjectId expected =
          before->directory == nullptr ? ObjectId{} : before->directory->tree.id();
      fill_directory(add_directory(holder, git_name(name), expected), path, node, *before, key);
      return {};
    }
    const StoredValue value = old_.put_value(path, node.value(), before->value);
    const std::string stored = git_name(name);
    insert_entry(holder.tree, value.mode, stored, value.id);
    ++holder.child_count;
    std::string line;
    append_meta_line(line, {.name = stored,
                            .created = key,
                            .permissions = permissions_of(node),
                            .layout = false,
                            .fanned = false,
                            .full_name = stored == name ? std::string_view{} : name});
    holder.meta.replace(holder.meta.bytes().size(), 0, line);
    return {};
  }

  HistoryResult<void> add_special(const Tree& tree) {
    ShadowDir& special = add_directory(*root_, ".special", {});
    for (const std::string_view name : {"@introduceDomain", "@releaseDomain"}) {
      const Node* node = tree.find(name);
      if (node == nullptr) return mismatch("the tree has no special node");
      const std::string text = permissions_of(*node) + '\n';
      const ObjectId id = objects_.hasher().hash(ObjectType::kBlob, text);
      objects_.pack().add(id, ObjectType::kBlob, text);
      insert_entry(special.tree, EntryMode::kFile, name.substr(1), id);
    }
    return {};
  }

  Seq seq_;
  ShadowTree& old_;
  ObjectStore& objects_;
  std::size_t cache_bytes_;
  std::unique_ptr<ShadowDir> root_;
  std::vector<Open> open_;
  std::uint64_t next_number_ = 0;
};

}  // namespace

HistoryResult<ObjectId> build_snapshot(const Tree& tree, Seq seq, ShadowTree& old,
                                       ObjectStore& objects, std::size_t cache_bytes) {
  return SnapshotBuilder(seq, old, objects, cache_bytes).build(tree);
}

}  // namespace vxs::store
