#include "store/history/shadow_dir.hh"

#include <algorithm>
#include <iterator>

#include "store/history/git_path.hh"

namespace vxs::store {
namespace {

auto lower_bound_of(const std::vector<std::unique_ptr<ShadowDir>>& children,
                    std::string_view name) noexcept {
  return std::ranges::lower_bound(children, name, {}, [](const std::unique_ptr<ShadowDir>& child) {
    return std::string_view(child->name);
  });
}

}  // namespace

ShadowDir::ShadowDir(std::string git_name, ShadowDir* parent_dir)
    : name(std::move(git_name)),
      parent(parent_dir),
      depth(parent_dir == nullptr ? 0 : parent_dir->depth + 1),
      bucket_bytes(parent_dir == nullptr ? 0 : parent_dir->bucket_bytes),
      is_bucket(is_bucket_name(name)) {
  if (is_bucket) bucket_bytes += name.size() + 1;
}

ShadowDir::~ShadowDir() {
  std::vector<std::unique_ptr<ShadowDir>> pending = std::move(children);
  while (!pending.empty()) {
    const std::unique_ptr<ShadowDir> last = std::move(pending.back());
    pending.pop_back();
    std::ranges::move(last->children, std::back_inserter(pending));
    last->children.clear();
  }
}

ShadowDir* ShadowDir::find_child(std::string_view git_name) const noexcept {
  const auto at = lower_bound_of(children, git_name);
  return at != children.end() && (*at)->name == git_name ? at->get() : nullptr;
}

ShadowDir& ShadowDir::add_child(std::unique_ptr<ShadowDir> child) {
  const auto at = lower_bound_of(children, child->name);
  return **children.insert(at, std::move(child));
}

std::unique_ptr<ShadowDir> ShadowDir::take_child(std::string_view git_name) {
  const auto at = lower_bound_of(children, git_name);
  if (at == children.end() || (*at)->name != git_name) return nullptr;
  const auto position = children.begin() + (at - children.cbegin());
  std::unique_ptr<ShadowDir> child = std::move(*position);
  children.erase(position);
  return child;
}

bool ShadowDir::write(PackBuilder& pack, ObjectHasher& hasher) {
  if (meta_dirty) {
    const auto entry = find_entry(tree.bytes(), ".meta");
    if (meta.bytes().empty()) {
      if (entry) erase_entry(tree, *entry);
      meta = Versioned{};
    } else {
      meta.write(ObjectType::kBlob, pack, hasher);
      if (entry) {
        patch_entry(tree, *entry, EntryMode::kFile, meta.id());
      } else {
        insert_entry(tree, EntryMode::kFile, ".meta", meta.id());
      }
    }
    meta_dirty = false;
  }
  if (tree.write(ObjectType::kTree, pack, hasher) && parent != nullptr) {
    const auto entry = find_entry(parent->tree.bytes(), name);
    if (!entry) return false;
    patch_entry(parent->tree, *entry, EntryMode::kDirectory, tree.id());
  }
  dirty = false;
  return true;
}

std::size_t ShadowDir::memory() const noexcept {
  constexpr std::size_t kAllocations = 5 * 16;  // what malloc adds
  return sizeof *this + kAllocations + name.capacity() + tree.bytes().capacity() +
         meta.bytes().capacity() + children.capacity() * sizeof(std::unique_ptr<ShadowDir>);
}

}  // namespace vxs::store
