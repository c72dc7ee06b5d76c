#include "tests/protocol/migration/samples.hh"

#include <gtest/gtest.h>

#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "protocol/escape.hh"
#include "tests/protocol/bytes.hh"

namespace vxs::protocol::migration::test {
namespace {

constexpr std::array kRootPerms{NodePerm{.domid = 0, .access = Access::kNone}};
constexpr std::array kNodePerms{NodePerm{.domid = 5, .access = Access::kNone},
                                NodePerm{.domid = 6, .access = Access::kRead, .stale = true},
                                NodePerm{.domid = kDomIdAny, .access = Access::kBoth}};
constexpr std::array kReleasePerms{NodePerm{.domid = 0, .access = Access::kNone},
                                   NodePerm{.domid = kDomIdAny, .access = Access::kRead}};
constexpr std::array kOwnedPerms{NodePerm{.domid = 7, .access = Access::kWrite}};
constexpr std::array kNodesDefault{QuotaValue{.name = "nodes", .value = 1000}};
constexpr std::array kNodesOfFive{QuotaValue{.name = "nodes", .value = 7}};
constexpr std::array kDomainQuotas{QuotaValue{.name = "watches", .value = 128},
                                   QuotaValue{.name = "memory", .value = 0}};
constexpr std::array kGlobalQuotas{QuotaValue{.name = "total", .value = 5}};

constexpr std::string_view kReply = bytes("\x0b\0\0\0\x05\0\0\0\0\0\0\0\x03\0\0\0OK\0");

std::string perms_text(std::span<const NodePerm> perms) {
  std::string text;
  for (const NodePerm& perm : perms) {
    text += ' ';
    text += access_letter(perm.access);
    text += std::to_string(perm.domid) + (perm.stale ? "(stale)" : "");
  }
  return text;
}

std::string quotas_text(std::span<const QuotaValue> quotas) {
  std::string text;
  for (const QuotaValue& quota : quotas) {
    text += " " + escaped(quota.name) + "=" + std::to_string(quota.value);
  }
  return text;
}

struct Describe {
  std::string operator()(const End&) const { return "END"; }
  std::string operator()(const Unknown& one) const {
    return "UNKNOWN type=" + std::to_string(one.type);
  }
  std::string operator()(const Global& one) const {
    return "GLOBAL_DATA socket=" + std::to_string(one.socket_fd) +
           " events=" + std::to_string(one.event_fd);
  }
  std::string operator()(const Connection& one) const {
    std::string text = "CONNECTION_DATA id=" + std::to_string(one.id);
    if (const auto* ring = std::get_if<RingSpec>(&one.spec)) {
      text += " ring domain=" + std::to_string(ring->domid) +
              " target=" + std::to_string(ring->target) +
              " port=" + std::to_string(ring->local_port);
    } else {
      text += " socket fd=" + std::to_string(std::get<SocketSpec>(one.spec).fd);
    }
    if (one.unique_id) text += " unique-id=" + std::to_string(*one.unique_id);
    return text + " in=" + escaped(one.input) + " partial=" + std::to_string(one.partial) +
           " out=" + escaped(one.output);
  }
  std::string operator()(const Watch& one) const {
    return "WATCH_DATA connection=" + std::to_string(one.connection) + " " + escaped(one.path) +
           " token=" + escaped(one.token) +
           (one.depth ? " depth=" + std::to_string(*one.depth) : "");
  }
  std::string operator()(const Transaction& one) const {
    return "TRANSACTION_DATA connection=" + std::to_string(one.connection) +
           " id=" + std::to_string(one.id);
  }
  std::string operator()(const Node& one) const {
    return "NODE_DATA " + escaped(one.path) + " = " + escaped(one.value) + " perms" +
           perms_text(one.perms);
  }
  std::string operator()(const GlobalQuota& one) const {
    return "GLOBAL_QUOTA_DATA domains:" + quotas_text(one.domain) +
           " all:" + quotas_text(one.global);
  }
  std::string operator()(const Domain& one) const {
    return "DOMAIN_DATA " + std::to_string(one.domid) +
           (one.features ? " features=" + std::to_string(*one.features) : "") +
           quotas_text(one.quotas);
  }
};

}  // namespace

const Sample& sample_version_1() {
  static const Sample sample{
      Version::k1,
      {Global{.socket_fd = 3, .event_fd = 6},
       Connection{.id = 1, .spec = RingSpec{.domid = 0, .local_port = 2}},
       Connection{.id = 2,
                  .spec = RingSpec{.domid = 5, .target = 6, .local_port = 9},
                  .input = bytes("\x02\0\0\0\x01"),
                  .output = bytes("OK\0"),
                  .partial = 3},
       Watch{.connection = 2, .path = "device", .token = "tok"},
       Connection{.id = 3, .spec = SocketSpec{.fd = 7}, .output = kReply},
       Watch{.connection = 3, .path = "@releaseDomain", .token = ""},
       Transaction{.connection = 3, .id = 9}, Node{.perms = kRootPerms, .path = "/"},
       Node{.perms = kNodePerms, .path = "/a", .value = bytes("v\0w")},
       Node{.perms = kReleasePerms, .path = "@releaseDomain"}, GlobalQuota{.domain = kNodesDefault},
       Domain{.domid = 5, .quotas = kNodesOfFive}, End{}}};
  return sample;
}

const Sample& sample_version_2() {
  static const Sample sample{
      Version::k2,
      {Global{}, GlobalQuota{.domain = kDomainQuotas, .global = kGlobalQuotas},
       Connection{.id = 1,
                  .spec = RingSpec{.domid = 7, .local_port = 12},
                  .input = "x",
                  .unique_id = 0x1122334455667788},
       Watch{.connection = 1, .path = "/a", .token = "t", .depth = 2},
       Watch{.connection = 1, .path = "/b", .token = "t"},
       Node{.perms = kOwnedPerms, .path = "/", .value = "x"}, Domain{.domid = 7, .features = 14},
       End{}}};
  return sample;
}

std::string golden_bytes(const std::string& name) {
  const std::filesystem::path file = std::filesystem::path(VXS_STREAM_GOLDEN_DIR) / name;
  std::ifstream in(file, std::ios::binary);
  EXPECT_TRUE(in) << file;
  if (file.extension() != ".hex") return {std::istreambuf_iterator<char>(in), {}};
  std::string bytes;
  for (std::string line; std::getline(in, line);) {
    line.resize(std::min(line.find('#'), line.size()));
    std::erase_if(line, [](unsigned char c) { return std::isspace(c) != 0; });
    EXPECT_EQ(line.size() % 2, 0U) << line;
    for (std::size_t i = 0; i + 1 < line.size(); i += 2) {
      bytes += static_cast<char>(std::stoi(line.substr(i, 2), nullptr, 16));
    }
  }
  return bytes;
}

std::string encode(const Sample& sample, ByteOrder order) {
  std::string out;
  StreamWriter writer(out, sample.version, order);
  for (const Record& record : sample.records) EXPECT_TRUE(writer.put(record));
  return out;
}

tl::expected<void, StreamError> each_record(std::string_view stream,
                                            const std::function<void(const Record&)>& show) {
  auto reader = StreamReader::open(stream);
  if (!reader) return tl::unexpected(reader.error());
  for (;;) {
    const auto record = reader->next();
    if (!record) return tl::unexpected(record.error());
    show(*record);
    if (std::holds_alternative<End>(*record)) return {};
  }
}

std::string describe_stream(std::string_view stream) {
  std::string text;
  const auto whole = each_record(
      stream, [&](const Record& record) { text += std::visit(Describe{}, record) + "\n"; });
  return whole ? text : text + describe(whole.error()) + "\n";
}

}  // namespace vxs::protocol::migration::test
