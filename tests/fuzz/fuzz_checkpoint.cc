// Input: one byte of flags, then a checkpoint file: as it is (flag 1), or as
// {section, flags, length u16, payload} blocks that get their headers and
// checksums here, with a right end block (flag 2) or without.
#include <algorithm>
#include <string>
#include <string_view>

#include "store/journal/checkpoint.hh"
#include "store/journal/checkpoint_format.hh"
#include "store/journal/crc32c.hh"
#include "tests/fuzz/check.hh"
#include "tests/fuzz/memory_env.hh"
#include "tests/fuzz/small_tree.hh"

namespace {

using vxs::fuzz::check;
using namespace vxs::store;

const std::string kPath = "/checkpoint";
constexpr std::size_t kFlagsAt = 10;  // in a block's header

CheckpointMeta some_meta() {
  return {.seq = 9,
          .time_us = 1'700'000'000'000'000,
          .boot_id = "boot",
          .starts = 3,
          .last_connection = 7,
          .clean_shutdown = true};
}

/// Counts entries and lists of a block the way the end block tells them.
void count_entries(Section section, std::string_view payload, std::uint64_t& nodes,
                   std::uint64_t& lists) {
  EntryReader in(payload);
  while (!in.done()) {
    std::uint64_t number = 0;
    std::uint64_t list = 0;
    std::string_view bytes;
    const bool is_node = section == Section::kNodes;
    if (is_node && (!in.varint(number) || !in.bytes(bytes))) return;
    if (!in.bytes(bytes) || !in.varint(list)) return;
    if (list == 0) {
      std::uint64_t entries = 0;
      if (!in.varint(entries)) return;
      for (std::uint64_t i = 0; i < 3 * entries; ++i) {
        if (!in.varint(number)) return;
      }
      ++lists;
    }
    if (!in.varint(number)) return;
    if (is_node) ++nodes;
  }
}

std::string build_file(std::string_view input, bool add_end) {
  std::string file = encode_checkpoint_header(some_meta());
  const std::uint32_t seed = checkpoint_seed(file);
  std::uint32_t index = 0;
  std::uint64_t nodes = 0;
  std::uint64_t lists = 0;
  const auto add = [&](Section section, unsigned char flags, std::string_view payload) {
    std::string block(kBlockHeaderBytes, '\0');
    block.append(payload);
    seal_block(block, section, index++, seed);
    if (flags != 0) {  // which seal_block never writes: of a newer version
      store_le<std::uint16_t>(block.data() + kFlagsAt, flags);
      store_le(block.data(), crc32c(seed, std::string_view(block).substr(sizeof(std::uint32_t))));
    }
    file += block;
  };
  while (input.size() >= 4) {
    const auto section = static_cast<Section>(static_cast<unsigned char>(input[0]) % 20);
    const auto flags = static_cast<unsigned char>(input[1] & 1);
    const std::string_view payload = input.substr(
        4, std::min<std::size_t>(load_le<std::uint16_t>(input.data() + 2), input.size() - 4));
    add(section, flags, payload);
    if (section == Section::kNodes || section == Section::kSpecialNodes) {
      count_entries(section, payload, nodes, lists);
    }
    input.remove_prefix(4 + payload.size());
  }
  if (add_end) {
    std::string end;
    for (const std::uint64_t number : {nodes, lists, std::uint64_t{index}})
      append_varint(end, number);
    add(Section::kEnd, 0, end);
  }
  return file;
}

void check_round_trip(const CheckpointMeta& meta, vxs::fuzz::SmallTree& loaded,
                      const SystemState& system) {
  vxs::fuzz::MemoryEnv env;
  check(write_checkpoint(env, "", meta, loaded.tree, system).has_value(),
        "a loaded tree can be written");
  const std::string path = "/" + checkpoint_name(meta.seq);
  Tree again(loaded.stats, loaded.n0, loaded.n0, loaded.n0);
  SystemState system_again;
  const auto reread = load_checkpoint(env, path, loaded.perms, again, system_again);
  check(reread.has_value(), "what was written can be loaded");
  check(reread->seq == meta.seq && reread->time_us == meta.time_us &&
            reread->boot_id == meta.boot_id && reread->starts == meta.starts &&
            reread->last_connection == meta.last_connection &&
            reread->clean_shutdown == meta.clean_shutdown,
        "the meta data are the same");
  check(again.state_hash() == loaded.tree.state_hash(), "the tree is the same");
  check(system_again == system, "the state beside the tree is the same");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  vxs::fuzz::MemoryEnv env;
  env.put(kPath, (data[0] & 1U) != 0 ? std::string(input) : build_file(input, (data[0] & 2U) != 0));

  vxs::fuzz::SmallTree small;
  const std::uint64_t before = small.tree.state_hash();
  SystemState system;
  const auto meta = load_checkpoint(env, kPath, small.perms, small.tree, system);
  vxs::fuzz::check_tree(small.tree);
  if (!meta) {
    check(meta.error().kind != JournalError::Kind::kIo, "the file can be read");
    check(!meta.error().message.empty(), "an error says what it is");
    check(small.tree.state_hash() == before, "a bad checkpoint leaves the tree alone");
    check(system == SystemState{}, "a bad checkpoint leaves the state beside it alone");
    return 0;
  }
  check_round_trip(*meta, small, system);
  return 0;
}
