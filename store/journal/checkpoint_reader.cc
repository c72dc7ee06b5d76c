#include <utility>

#include "store/journal/checkpoint_format.hh"
#include "store/journal/checkpoint_scan.hh"
#include "store/journal/crc32c.hh"
#include "store/journal/open_from.hh"
#include "store/journal/survey.hh"
#include "store/journal/system_codec.hh"

namespace vxs::store {
namespace {

tl::unexpected<JournalError> damaged(const std::string& path, std::uint64_t offset,
                                     std::string_view what) {
  JournalError error;
  error.kind = JournalError::Kind::kDamaged;
  error.message.append(path).append(" at byte ").append(std::to_string(offset)).append(": ");
  error.message.append(what);
  return tl::unexpected(std::move(error));
}

tl::unexpected<JournalError> io_error(const IoError& error) {
  return tl::unexpected(JournalError{JournalError::Kind::kIo, error.code, error.what});
}

/// Turns blocks back into nodes of a tree.
class TreeLoader {
 public:
  TreeLoader(PermTable& perms, Tree& tree) : perms_(perms), tree_(tree) {}

  [[nodiscard]] bool block(const BlockHeader& header, std::string_view payload) {
    EntryReader in(payload);
    while (!in.done()) {
      const bool good =
          header.section == static_cast<std::uint16_t>(Section::kNodes) ? node(in) : special(in);
      if (!good) return false;
    }
    return true;
  }

  [[nodiscard]] std::uint64_t nodes() const noexcept { return nodes_; }
  [[nodiscard]] std::uint64_t lists() const noexcept { return lists_.size(); }

 private:
  bool node(EntryReader& in) {
    std::uint64_t up = 0;
    std::string_view name;
    std::string_view value;
    std::uint64_t generation = 0;
    if (!in.varint(up) || !in.bytes(name) || !in.bytes(value) || !list(in) ||
        !in.varint(generation) || !move_to(up, name)) {
      return false;
    }
    ++nodes_;
    return tree_.load(path_, value, *list_, generation);
  }

  bool special(EntryReader& in) {
    std::string_view name;
    std::uint64_t generation = 0;
    if (!in.bytes(name) || !name.starts_with('@') || !list(in) || !in.varint(generation)) {
      return false;
    }
    return tree_.load(name, {}, *list_, generation);
  }

  // Sets path_ to the node `up` levels above the children of the node before.
  bool move_to(std::uint64_t up, std::string_view name) {
    if (nodes_ == 0) {
      path_ = "/";
      ends_.assign(1, 0);
      return up == 0 && name.empty();
    }
    if (up >= ends_.size() || name.empty() || name.find('/') != std::string_view::npos ||
        name.find('\0') != std::string_view::npos) {
      return false;
    }
    ends_.resize(ends_.size() - static_cast<std::size_t>(up));
    path_.resize(ends_.back());
    path_.append("/").append(name);
    ends_.push_back(path_.size());
    return true;
  }

  bool list(EntryReader& in) {
    std::uint64_t number = 0;
    if (!in.varint(number)) return false;
    if (number == 0) {
      if (!new_list(in)) return false;
      number = lists_.size();
    }
    if (number > lists_.size()) return false;
    list_ = &lists_[static_cast<std::size_t>(number) - 1];
    return true;
  }

  bool new_list(EntryReader& in) {
    std::uint64_t count = 0;
    if (!in.varint(count) || count == 0 || count > kBlockPayloadBytes * 16) return false;
    entries_.clear();
    for (std::uint64_t i = 0; i < count; ++i) {
      std::uint64_t domid = 0;
      std::uint64_t access = 0;
      std::uint64_t incarnation = 0;
      if (!in.varint(domid) || !in.varint(access) || !in.varint(incarnation) || domid > 0xFFFF ||
          access > 3) {
        return false;
      }
      entries_.push_back(
          {static_cast<DomId>(domid), static_cast<protocol::Access>(access), incarnation});
    }
    lists_.push_back(perms_.intern(entries_));
    return true;
  }

  PermTable& perms_;
  Tree& tree_;
  std::vector<PermRef> lists_;
  const PermRef* list_ = nullptr;
  std::vector<protocol::PermEntry> entries_;
  std::string path_;
  std::vector<std::size_t> ends_;  ///< path length at each depth, 0 for "/"
  std::uint64_t nodes_ = 0;
};

void clear(Tree& tree) {
  while (tree.root().child_count() > 0) {
    const std::string path = "/" + std::string(NodeCursor(tree.root())->name());
    Change remove;
    remove.kind = ChangeKind::kRemove;
    remove.path = path;
    if (!tree.apply(remove, 0)) return;  // it is there
  }
}

bool end_fits(std::string_view payload, std::uint64_t nodes, std::uint64_t lists,
              std::uint64_t blocks) {
  EntryReader in(payload);
  std::uint64_t value[3] = {};
  for (auto& v : value) {
    if (!in.varint(v)) return false;
  }
  return in.done() && value[0] == nodes && value[1] == lists && value[2] == blocks;
}

}  // namespace

tl::expected<CheckpointMeta, JournalError> scan_checkpoint(Env& env, const std::string& path,
                                                           const BlockVisitor& visit) {
  auto file = env.open_file(path, false);
  if (!file) return io_error(file.error());
  auto size = (*file)->size();
  if (!size) return io_error(size.error());
  std::string head;
  if (auto read = (*file)->read_at(0, kCheckpointHeaderBytes, head); !read) {
    return io_error(read.error());
  }
  CheckpointMeta meta;
  switch (decode_checkpoint_header(head, meta)) {
    case HeaderState::kGood:
      break;
    case HeaderState::kNewerVersion:
      return tl::unexpected(JournalError{JournalError::Kind::kNewerVersion, 0,
                                         path + ": the format version is unknown"});
    default:
      return damaged(path, 0, "the header is damaged");
  }
  const std::uint32_t seed = checkpoint_seed(head);
  std::uint64_t offset = kCheckpointHeaderBytes;
  std::string header_bytes;
  std::string payload;
  for (std::uint32_t index = 0;; ++index) {
    if (auto read = (*file)->read_at(offset, kBlockHeaderBytes, header_bytes); !read) {
      return io_error(read.error());
    }
    if (header_bytes.size() < kBlockHeaderBytes) return damaged(path, offset, "it ends too early");
    const BlockHeader header = decode_block_header(header_bytes);
    if (header.bytes > kMaxBlockBytes || offset + kBlockHeaderBytes + header.bytes > *size) {
      return damaged(path, offset, "a block's length is damaged");
    }
    if (auto read = (*file)->read_at(offset + kBlockHeaderBytes, header.bytes, payload); !read) {
      return io_error(read.error());
    }
    if (payload.size() != header.bytes || header.index != index ||
        !block_is_good(header, header_bytes, payload, seed)) {
      return damaged(path, offset, "a block's checksum is wrong");
    }
    const std::uint64_t next = offset + kBlockHeaderBytes + header.bytes;
    const bool end = header.section == static_cast<std::uint16_t>(Section::kEnd);
    switch (visit(header, payload)) {
      case BlockUse::kUnknown:
        return tl::unexpected(
            JournalError{JournalError::Kind::kNewerVersion, 0,
                         path + ": section " + std::to_string(header.section) + " is unknown"});
      case BlockUse::kMalformed:
        return damaged(path, offset, "a block's contents make no state");
      case BlockUse::kTaken:
        break;
    }
    if (end) {
      if (next != *size) return damaged(path, next, "bytes after the end");
      return meta;
    }
    offset = next;
  }
}

tl::expected<CheckpointMeta, JournalError> load_checkpoint(Env& env, const std::string& path,
                                                           PermTable& perms, Tree& tree) {
  SystemState system;
  return load_checkpoint(env, path, perms, tree, system);
}

tl::expected<CheckpointMeta, JournalError> load_checkpoint(Env& env, const std::string& path,
                                                           PermTable& perms, Tree& tree,
                                                           SystemState& system) {
  Tree work = tree;
  clear(work);
  TreeLoader loader(perms, work);
  SystemLoader beside;
  std::uint64_t blocks = 0;
  auto meta = scan_checkpoint(env, path, [&](const BlockHeader& header, std::string_view payload) {
    switch (static_cast<Section>(header.section)) {
      case Section::kEnd:
        return end_fits(payload, loader.nodes(), loader.lists(), blocks) ? BlockUse::kTaken
                                                                         : BlockUse::kMalformed;
      case Section::kSpecialNodes:
      case Section::kNodes:
        ++blocks;
        return loader.block(header, payload) ? BlockUse::kTaken : BlockUse::kMalformed;
      default:
        break;
    }
    ++blocks;
    if (SystemLoader::knows(header.section)) {
      return beside.block(header.section, payload) ? BlockUse::kTaken : BlockUse::kMalformed;
    }
    return (header.flags & kBlockMaySkip) != 0 ? BlockUse::kTaken : BlockUse::kUnknown;
  });
  if (meta) {
    tree = std::move(work);
    system = std::move(beside.state());
  }
  return meta;
}

std::optional<LoadedCheckpoint> load_newest_checkpoint(Env& env, const std::string& directory,
                                                       PermTable& perms, Tree tree) {
  const auto survey = survey_directory(env, directory);
  if (!survey) return std::nullopt;
  LoadedCheckpoint loaded{.meta = {}, .tree = std::move(tree), .system = {}};
  for (auto seq = survey->checkpoints.rbegin(); seq != survey->checkpoints.rend(); ++seq) {
    auto meta = load_checkpoint(env, directory + "/" + checkpoint_name(*seq), perms, loaded.tree,
                                loaded.system);
    if (!meta) continue;
    loaded.meta = std::move(*meta);
    return loaded;
  }
  return std::nullopt;
}

}  // namespace vxs::store
