#include <algorithm>
#include <unordered_map>
#include <utility>

#include "store/crash_point.hh"
#include "store/journal/checkpoint_format.hh"
#include "store/journal/crc32c.hh"
#include "store/journal/system_codec.hh"

namespace vxs::store {
namespace {

constexpr std::size_t kWriteBytes = std::size_t{1} << 20;

/// Puts entries into blocks and blocks into the file. After the first error it does nothing more.
class BlockWriter {
 public:
  BlockWriter(EnvFile& file, const CheckpointMeta& meta) : file_(file) {
    out_ = encode_checkpoint_header(meta);
    seed_ = checkpoint_seed(out_);
    begin_block();
  }

  void node(std::size_t depth, const Node& node) {
    const std::size_t before = block_.size();
    // Up from the node before: 0 is its child, 1 its sibling, …
    append_varint(block_, first_ ? 0 : last_depth_ + 1 - depth);
    first_ = false;
    last_depth_ = depth;
    append_bytes(node.name());
    append_bytes(node.value());
    append_perms(node.perms().get());
    append_varint(block_, node.generation());
    ++nodes_;
    end_entry(before, Section::kNodes);
  }

  void special(std::string_view name, const Node& node) {
    const std::size_t before = block_.size();
    append_bytes(name);
    append_perms(node.perms().get());
    append_varint(block_, node.generation());
    end_entry(before, Section::kSpecialNodes);
  }

  /// Entries of one section stand together.
  void entry(Section section, std::string_view bytes) {
    if (section != entry_section_) end_section(entry_section_);
    entry_section_ = section;
    const std::size_t before = block_.size();
    block_.append(bytes);
    end_entry(before, section);
  }
  void end_entries() { end_section(entry_section_); }

  void end_section(Section section) {
    if (block_.size() > kBlockHeaderBytes) close_block(section);
  }

  IoResult<void> finish() {
    append_varint(block_, nodes_);
    append_varint(block_, lists_.size());
    append_varint(block_, index_);
    close_block(Section::kEnd);
    write_out();
    return result_;
  }

  [[nodiscard]] bool failed() const noexcept { return !result_; }

 private:
  void append_bytes(std::string_view bytes) {
    append_varint(block_, bytes.size());
    block_.append(bytes);
  }

  // 0 and the list where it comes first, then 1 + its number.
  void append_perms(const PermSet* set) {
    if (set == last_set_) {
      append_varint(block_, last_number_);
      return;
    }
    const auto [it, is_new] = lists_.try_emplace(set, lists_.size() + 1);
    last_set_ = set;
    last_number_ = it->second;
    append_varint(block_, is_new ? 0 : it->second);
    if (!is_new) return;
    append_varint(block_, set->entries().size());
    for (const protocol::PermEntry& entry : set->entries()) {
      append_varint(block_, entry.domid);
      append_varint(block_, static_cast<std::uint8_t>(entry.access));
      append_varint(block_, entry.incarnation);
    }
  }

  void begin_block() { block_.assign(kBlockHeaderBytes, '\0'); }

  // Entries never straddle blocks: one that made the block too large moves to the next.
  void end_entry(std::size_t before, Section section) {
    if (block_.size() <= kBlockHeaderBytes + kBlockPayloadBytes) return;
    if (before == kBlockHeaderBytes) {
      close_block(section);
      return;
    }
    std::string entry = block_.substr(before);
    block_.resize(before);
    close_block(section);
    block_.append(entry);
  }

  void close_block(Section section) {
    seal_block(block_, section, index_++, seed_);
    out_.append(block_);
    begin_block();
    if (out_.size() >= kWriteBytes) write_out();
  }

  void write_out() {
    if (result_) result_ = file_.write_at(offset_, out_);
    offset_ += out_.size();
    out_.clear();
  }

  EnvFile& file_;
  std::string out_;
  std::string block_;
  std::uint64_t offset_ = 0;
  std::uint32_t seed_ = 0;
  std::uint32_t index_ = 0;
  std::uint64_t nodes_ = 0;
  std::size_t last_depth_ = 0;
  bool first_ = true;
  Section entry_section_ = Section::kEnd;  ///< of entry(); none yet
  std::unordered_map<const PermSet*, std::size_t> lists_;
  const PermSet* last_set_ = nullptr;
  std::size_t last_number_ = 0;
  IoResult<void> result_;
};

IoResult<void> write_file(Env& env, const std::string& path, const CheckpointMeta& meta,
                          const Tree& snapshot, const SystemState& system) {
  auto file = env.create_file(path);
  if (!file) return tl::unexpected(file.error());
  BlockWriter writer(**file, meta);
  for (const std::string_view name : {"@introduceDomain", "@releaseDomain"}) {
    if (const Node* node = snapshot.find(name)) writer.special(name, *node);
  }
  writer.end_section(Section::kSpecialNodes);
  snapshot.walk([&writer](std::string_view path_of_node, const Node& node) {
    const auto slashes = std::count(path_of_node.begin(), path_of_node.end(), '/');
    writer.node(path_of_node.size() == 1 ? 0 : static_cast<std::size_t>(slashes), node);
    return !writer.failed();
  });
  writer.end_section(Section::kNodes);
  write_system_entries(
      system, [&writer](Section section, std::string_view entry) { writer.entry(section, entry); });
  writer.end_entries();
  if (auto written = writer.finish(); !written) return written;
  return (*file)->sync();
}

void remove_superseded(Env& env, const std::string& directory, Seq newest) {
  auto names = env.list_directory(directory);
  if (!names) return;  // the next checkpoint tries again
  std::vector<Seq> older;
  for (const std::string& name : *names) {
    const auto seq = parse_checkpoint_name(name);
    if (seq && *seq < newest) older.push_back(*seq);
  }
  std::sort(older.begin(), older.end());
  if (!older.empty()) older.pop_back();
  for (const Seq seq : older) (void)env.remove_file(directory + "/" + checkpoint_name(seq));
}

std::string temporary_name(const std::string& directory, Seq seq) {
  return directory + "/" + checkpoint_name(seq) + ".tmp";
}

}  // namespace

IoResult<void> prepare_checkpoint(Env& env, const std::string& directory,
                                  const CheckpointMeta& meta, const Tree& snapshot,
                                  const SystemState& system) {
  const std::string temporary = temporary_name(directory, meta.seq);
  if (env.exists(temporary)) (void)env.remove_file(temporary);  // of a run that died writing it
  auto written = write_file(env, temporary, meta, snapshot, system);
  if (!written) (void)env.remove_file(temporary);
  VXS_CRASH_POINT("checkpoint-written");
  return written;
}

void drop_checkpoint(Env& env, const std::string& directory, Seq seq) {
  (void)env.remove_file(temporary_name(directory, seq));
}

IoResult<void> publish_checkpoint(Env& env, const std::string& directory, Seq seq) {
  const std::string path = directory + "/" + checkpoint_name(seq);
  const std::string temporary = temporary_name(directory, seq);
  if (auto renamed = env.rename_file(temporary, path); !renamed) {
    (void)env.remove_file(temporary);
    return renamed;
  }
  VXS_CRASH_POINT("checkpoint-renamed");
  if (auto synced = env.sync_directory(directory); !synced) return synced;
  remove_superseded(env, directory, seq);
  return {};
}

IoResult<void> write_checkpoint(Env& env, const std::string& directory, const CheckpointMeta& meta,
                                const Tree& snapshot, const SystemState& system) {
  auto prepared = prepare_checkpoint(env, directory, meta, snapshot, system);
  if (!prepared) return prepared;
  return publish_checkpoint(env, directory, meta.seq);
}

}  // namespace vxs::store
