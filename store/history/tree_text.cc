#include "store/history/tree_text.hh"

#include <algorithm>

namespace vxs::store {
namespace {

constexpr std::string_view kDirectoryMode = "40000 ";
constexpr std::string_view kFileMode = "100644 ";
constexpr std::string_view kEscapedMode = "100755 ";
constexpr std::size_t kIdSize = 20;

std::string_view mode_text(EntryMode mode) noexcept {
  switch (mode) {
    case EntryMode::kDirectory:
      return kDirectoryMode;
    case EntryMode::kEscaped:
      return kEscapedMode;
    case EntryMode::kFile:
      break;
  }
  return kFileMode;
}

}  // namespace

void Versioned::replace(std::size_t at, std::size_t size, std::string_view with) {
  prefix_ = std::min(prefix_, at);
  suffix_ = std::min(suffix_, bytes_.size() - at - size);
  bytes_.replace(at, size, with);
}

void Versioned::settle(const ObjectId& id, const PackPlace& place) noexcept {
  id_ = id;
  place_ = place;
  written_size_ = prefix_ = suffix_ = bytes_.size();
}

void Versioned::load(std::string bytes, const ObjectId& id, const PackPlace& place) {
  bytes_ = std::move(bytes);
  settle(id, place);
}

bool Versioned::write(ObjectType type, PackBuilder& pack, ObjectHasher& hasher) {
  const ObjectId id = hasher.hash(type, bytes_);
  if (id == id_) {
    settle(id, place_);
    return false;
  }
  // Both are the whole size as long as nothing was replaced; keep them disjoint.
  const std::size_t limit = std::min<std::size_t>(bytes_.size(), written_size_);
  const std::size_t prefix = std::min(prefix_, limit);
  const DeltaBase base{place_, written_size_, prefix, std::min(suffix_, limit - prefix)};
  settle(id, pack.add(id, type, bytes_, id_.is_null() ? nullptr : &base));
  return true;
}

std::optional<TreeEntry> entry_at(std::string_view tree, std::size_t at) noexcept {
  const std::string_view rest = tree.substr(std::min(at, tree.size()));
  TreeEntry entry;
  entry.at = at;
  std::size_t name_at = kFileMode.size();
  if (rest.starts_with(kDirectoryMode)) {
    entry.mode = EntryMode::kDirectory;
    name_at = kDirectoryMode.size();
  } else if (rest.starts_with(kEscapedMode)) {
    entry.mode = EntryMode::kEscaped;
  } else if (!rest.starts_with(kFileMode)) {
    return std::nullopt;
  }
  const std::size_t name_end = rest.find('\0', name_at);
  if (name_end == std::string_view::npos || rest.size() - name_end < 1 + kIdSize) {
    return std::nullopt;
  }
  entry.name = rest.substr(name_at, name_end - name_at);
  entry.size = name_end + 1 + kIdSize;
  entry.id = ObjectId::from_raw(rest.substr(name_end + 1, kIdSize));
  return entry;
}

std::optional<TreeEntry> find_entry(std::string_view tree, std::string_view name) noexcept {
  for (std::size_t at = 0; at < tree.size();) {
    const std::size_t mode_size = tree[at] == '4' ? kDirectoryMode.size() : kFileMode.size();
    const std::size_t end = tree.find('\0', at + mode_size);
    if (end == std::string_view::npos) return std::nullopt;
    if (end - at - mode_size == name.size() && tree.substr(at + mode_size, name.size()) == name) {
      return entry_at(tree, at);
    }
    at = end + 1 + kIdSize;
  }
  return std::nullopt;
}

bool is_our_tree(std::string_view tree) noexcept {
  std::size_t at = 0;
  while (at < tree.size()) {
    const auto entry = entry_at(tree, at);
    if (!entry || entry->name.empty()) return false;
    at += entry->size;
  }
  return true;
}

bool comes_before(std::string_view a, bool a_is_directory, std::string_view b,
                  bool b_is_directory) noexcept {
  const std::size_t common = std::min(a.size(), b.size());
  if (const int order = a.substr(0, common).compare(b.substr(0, common)); order != 0) {
    return order < 0;
  }
  const auto next = [common](std::string_view name, bool is_directory) -> unsigned {
    if (name.size() > common) return static_cast<unsigned char>(name[common]);
    return is_directory ? '/' : 0U;
  };
  return next(a, a_is_directory) < next(b, b_is_directory);
}

void append_entry(std::string& out, EntryMode mode, std::string_view name, const ObjectId& id) {
  out += mode_text(mode);
  out += name;
  out += '\0';
  out += id.raw();
}

void insert_entry(Versioned& tree, EntryMode mode, std::string_view name, const ObjectId& id) {
  const std::string_view bytes = tree.bytes();
  std::size_t at = 0;
  while (const auto entry = entry_at(bytes, at)) {
    if (comes_before(name, mode == EntryMode::kDirectory, entry->name,
                     entry->mode == EntryMode::kDirectory)) {
      break;
    }
    at += entry->size;
  }
  std::string text;
  append_entry(text, mode, name, id);
  tree.replace(at, 0, text);
}

void erase_entry(Versioned& tree, const TreeEntry& entry) {
  tree.replace(entry.at, entry.size, {});
}

void patch_entry(Versioned& tree, const TreeEntry& entry, EntryMode mode, const ObjectId& id) {
  if (mode != entry.mode) tree.replace(entry.at, mode_text(mode).size(), mode_text(mode));
  tree.replace(entry.at + entry.size - kIdSize, kIdSize, id.raw());
}

}  // namespace vxs::store
