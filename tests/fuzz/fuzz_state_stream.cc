// Input: a state stream, or (first byte odd) the records of one, which get a header and an end
// here. What is read can be written and read again; what a state is made of makes the same stream
// twice.
#include <string>
#include <string_view>
#include <vector>

#include "protocol/migration/stream_reader.hh"
#include "protocol/migration/stream_writer.hh"
#include "store/migration/export_state.hh"
#include "store/migration/import_state.hh"
#include "store/migration/offline.hh"
#include "tests/fuzz/check.hh"
#include "tests/fuzz/small_tree.hh"

namespace {

using vxs::fuzz::check;
using vxs::fuzz::lies_in;
using namespace vxs::protocol::migration;
namespace migration = vxs::store::migration;

/// "/" and the special nodes, with what they need.
struct FirstTree {
  vxs::store::PermTable perms;
  vxs::store::TreeStats stats;
  vxs::store::PermRef n0 = perms.intern(std::vector<vxs::protocol::PermEntry>{{}});
  vxs::store::Tree tree{stats, n0, n0, n0};
};

struct InStream {
  std::string_view stream;

  void operator()(const Connection& one) const {
    check(lies_in(one.input, stream) && lies_in(one.output, stream), "bytes are the stream's");
    check(one.id != 0 && one.partial <= one.output.size(), "a connection can be");
  }
  void operator()(const Watch& one) const {
    check(lies_in(one.path, stream) && lies_in(one.token, stream), "strings are the stream's");
    check(one.token.find('\0') == std::string_view::npos, "a token has no NUL");
  }
  void operator()(const Node& one) const {
    check(lies_in(one.path, stream) && lies_in(one.value, stream), "strings are the stream's");
    check(one.connection != 0 || !one.perms.empty(), "a node of the store has an owner");
  }
  void operator()(const Domain& one) const { quotas(one.quotas); }
  void operator()(const GlobalQuota& one) const {
    quotas(one.domain);
    quotas(one.global);
  }
  void operator()(const auto&) const {}

  void quotas(std::span<const QuotaValue> list) const {
    for (const auto& quota : list) {
      check(lies_in(quota.name, stream) && !quota.name.empty(), "a quota has a name");
    }
  }
};

/// Reads all, writes what can be written, and reads that beside the first again.
void check_records(std::string_view stream) {
  auto reader = StreamReader::open(stream);
  if (!reader) {
    check(reader.error().record == 0 && reader.error().offset <= stream.size(), "offset in header");
    check(!describe(reader.error()).empty(), "an error says what it is");
    return;
  }
  std::string again;
  StreamWriter writer(again, reader->version());
  bool whole = false;
  while (!whole) {
    const auto record = reader->next();
    if (!record) {
      check(record.error().offset <= stream.size(), "the offset lies in the stream");
      check(record.error().record == reader->record(), "the record is the last one");
      check(!describe(record.error()).empty(), "an error says what it is");
      return;
    }
    std::visit(InStream{stream}, *record);
    check(writer.put(*record) || std::holds_alternative<Unknown>(*record) ||
              std::holds_alternative<Watch>(*record) ||
              std::holds_alternative<Transaction>(*record),
          "what was read can be written");
    whole = std::holds_alternative<End>(*record);
  }
  auto second = StreamReader::open(again);
  check(second.has_value(), "what was written is a stream");
  std::string third;
  StreamWriter third_writer(third, second->version());
  for (whole = false; !whole;) {
    const auto record = second->next();
    check(record.has_value(), "what was written can be read");
    check(third_writer.put(*record), "and written");
    whole = std::holds_alternative<End>(*record);
  }
  check(third == again, "the second time it is the same");
}

std::string exported(const vxs::store::Tree& tree, const vxs::store::SystemState& system,
                     const std::vector<migration::LiveConnection>& connections) {
  std::string stream;
  const auto done =
      migration::export_state(tree, system, connections, {}, [&stream](std::string_view piece) {
        stream += piece;
        return true;
      });
  check(done.has_value(), "an imported state can be exported");
  return stream;
}

void check_state(std::string_view stream) {
  FirstTree first;
  const auto before = first.tree.state_hash();
  auto imported = migration::import_state(stream, {}, first.perms, first.tree);
  vxs::fuzz::check_tree(first.tree);
  if (!imported) {
    check(first.tree.state_hash() == before, "a bad stream leaves the tree alone");
    check(!imported.error().message.empty(), "an error says what it is");
    return;
  }
  // The first export adds the own ring where there was none; after that nothing changes any more.
  std::string once = exported(first.tree, imported->system, imported->connections);
  for (int i = 0; i < 2; ++i) {
    FirstTree next;
    const auto again = migration::import_state(once, {}, next.perms, next.tree);
    check(again.has_value(), "what was exported can be imported");
    std::string twice = exported(next.tree, again->system, again->connections);
    check(i == 0 || twice == once, "the second time it is the same");
    once = std::move(twice);
  }
  migration::settle_offline(first.tree, {}, *imported);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::string stream(input);
  if ((data[0] & 1U) != 0) {
    stream.clear();
    StreamWriter writer(stream, (data[0] & 2U) != 0 ? Version::k2 : Version::k1,
                        (data[0] & 4U) != 0 ? ByteOrder::kBig : ByteOrder::kLittle);
    stream += input;
    stream.resize((stream.size() + 7) & ~std::size_t{7});
    check(writer.put(End{}), "an end can be written");
  }
  check_records(stream);
  check_state(stream);
  return 0;
}
