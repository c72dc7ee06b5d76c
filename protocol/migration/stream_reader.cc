#include "protocol/migration/stream_reader.hh"

#include <algorithm>

#include "protocol/migration/watch_layout.hh"
#include "protocol/path.hh"

namespace vxs::protocol::migration {
namespace {

constexpr std::string_view kIdent = "xenstore";
constexpr std::size_t kAlignment = 8;
constexpr std::uint16_t kHasUniqueId = 1;
constexpr std::uint8_t kStale = 1;
constexpr std::uint16_t kRing = 0;
constexpr std::uint16_t kSocket = 1;

constexpr std::size_t padded(std::size_t size) noexcept {
  return (size + kAlignment - 1) & ~(kAlignment - 1);
}

std::string_view sentence(Fault fault) noexcept {
  switch (fault) {
    case Fault::kNotAStream:
      return "this is no state stream of a Xenstore daemon";
    case Fault::kVersion:
      return "the version is neither 1 nor 2";
    case Fault::kFlags:
      return "flags are set that mean nothing in versions 1 and 2";
    case Fault::kCut:
      return "the stream ends here, without its END record";
    case Fault::kTooLong:
      return "the record is longer than any may be";
    case Fault::kShort:
      return "the record ends before its fields do";
    case Fault::kLong:
      return "more follows the record's fields than padding";
    case Fault::kConnection:
      return "there can be no such connection";
    case Fault::kPath:
      return "this is no path, or not as long as is said";
    case Fault::kToken:
      return "the token is not as long as is said";
    case Fault::kPermission:
      return "this is no permission";
    case Fault::kQuota:
      return "a quota has no name";
    case Fault::kTrailing:
      return "bytes follow the END record";
  }
  return "";
}

}  // namespace

std::string describe(const StreamError& error) {
  std::string text = "the stream's header";
  if (error.record != 0) {
    text = "record " + std::to_string(error.record) + " (";
    text.append(record_name(error.type));
    text += ")";
  }
  text += ", byte " + std::to_string(error.offset) + ": ";
  text.append(sentence(error.fault));
  return text;
}

/// The fields of one record, taken from the front. What is not there leaves it as it was.
class StreamReader::Body {
 public:
  Body(std::string_view bytes, ByteOrder order) noexcept : bytes_(bytes), order_(order) {}

  [[nodiscard]] std::size_t at() const noexcept { return at_; }
  [[nodiscard]] std::size_t left() const noexcept { return bytes_.size() - at_; }
  [[nodiscard]] std::string_view whole() const noexcept { return bytes_; }

  template <typename... Numbers>
  [[nodiscard]] bool take(Numbers&... out) noexcept {
    if ((sizeof out + ...) > left()) return false;
    ((out = load_number<Numbers>(bytes_.data() + at_, order_), at_ += sizeof out), ...);
    return true;
  }
  [[nodiscard]] bool take_bytes(std::size_t size, std::string_view& out) noexcept {
    if (size > left()) return false;
    out = bytes_.substr(at_, size);
    at_ += size;
    return true;
  }
  /// A string and its NUL.
  [[nodiscard]] bool take_string(std::string_view& out) noexcept {
    const std::size_t end = bytes_.find('\0', at_);
    if (end == std::string_view::npos) return false;
    out = bytes_.substr(at_, end - at_);
    at_ = end + 1;
    return true;
  }
  [[nodiscard]] bool align() noexcept {
    const std::size_t to = padded(at_);
    if (to > bytes_.size()) return false;
    at_ = to;
    return true;
  }
  void skip_to(std::size_t at) noexcept { at_ = at; }
  /// The record ends here whatever its header says.
  void cut(std::size_t size) noexcept { bytes_ = bytes_.substr(0, size); }

 private:
  std::string_view bytes_;
  ByteOrder order_;
  std::size_t at_ = 0;
};

tl::expected<StreamReader, StreamError> StreamReader::open(std::string_view stream) {
  const auto fail = [](Fault fault, std::uint64_t offset) {
    return tl::unexpected(StreamError{.fault = fault, .offset = offset});
  };
  if (stream.substr(0, kIdent.size()) != kIdent.substr(0, stream.size())) {
    return fail(Fault::kNotAStream, 0);
  }
  if (stream.size() < kStreamHeaderBytes) return fail(Fault::kCut, stream.size());
  const auto version = load_number<std::uint32_t>(stream.data() + 8, ByteOrder::kBig);
  if (version != 1 && version != 2) return fail(Fault::kVersion, 8);
  const auto flags = load_number<std::uint32_t>(stream.data() + 12, ByteOrder::kBig);
  if (flags > 1) return fail(Fault::kFlags, 12);
  const ByteOrder order = flags == 1 ? ByteOrder::kBig : ByteOrder::kLittle;
  return StreamReader(stream, version == 1 ? Version::k1 : Version::k2, order);
}

tl::unexpected<StreamError> StreamReader::fail(Fault fault, std::uint64_t offset) {
  failed_ = {.fault = fault, .record = record_, .offset = offset, .type = type_};
  return tl::unexpected(*failed_);
}

tl::expected<Record, StreamError> StreamReader::next() {
  if (failed_) return tl::unexpected(*failed_);
  if (ended_) return Record(End{});
  begin_ = at_;
  ++record_;
  type_ = 0;
  const std::size_t left = stream_.size() - at_;
  if (left < kRecordHeaderBytes) return fail(Fault::kCut, stream_.size());
  const char* const header = stream_.data() + at_;
  type_ = load_number<std::uint32_t>(header, order_);
  const auto length = load_number<std::uint32_t>(header + 4, order_);
  if (length > kMaxBodyBytes) return fail(Fault::kTooLong, at_ + 4);
  if (padded(length) > left - kRecordHeaderBytes) return fail(Fault::kCut, stream_.size());
  at_ += kRecordHeaderBytes;
  Body body(stream_.substr(at_, length), order_);
  auto record = decode(type_, body);
  if (!record) return fail(record.error(), at_ + body.at());
  if (body.left() >= kAlignment && !std::holds_alternative<Unknown>(*record)) {
    return fail(Fault::kLong, at_ + body.at());
  }
  at_ += padded(body.whole().size());
  if (std::holds_alternative<End>(*record)) {
    if (at_ != stream_.size()) return fail(Fault::kTrailing, at_);
    ended_ = true;
  }
  return std::move(*record);
}

StreamReader::Result StreamReader::decode(std::uint32_t type, Body& body) {
  switch (static_cast<RecordType>(type)) {
    case RecordType::kEnd:
      return Record(End{});
    case RecordType::kGlobal:
      return global(body);
    case RecordType::kConnection:
      return connection(body);
    case RecordType::kWatch:
      return watch(body);
    case RecordType::kTransaction:
      return transaction(body);
    case RecordType::kNode:
      return node(body);
    case RecordType::kGlobalQuota:
      return global_quota(body);
    case RecordType::kDomain:
      return domain(body);
    case RecordType::kWatchExtended:
      return extended_watch(body);
  }
  return Record(Unknown{type});
}

StreamReader::Result StreamReader::global(Body& body) {
  Global global;
  if (!body.take(global.socket_fd, global.event_fd)) return tl::unexpected(Fault::kShort);
  return Record(global);
}

StreamReader::Result StreamReader::connection(Body& body) {
  Connection connection;
  std::uint16_t kind = 0;
  std::uint16_t fields = 0;
  if (!body.take(connection.id, kind, fields)) return tl::unexpected(Fault::kShort);
  if (connection.id == 0 || kind > kSocket || fields > kHasUniqueId) {
    body.skip_to(0);
    return tl::unexpected(Fault::kConnection);
  }
  if (kind == kRing) {
    RingSpec ring;
    if (!body.take(ring.domid, ring.target, ring.local_port)) return tl::unexpected(Fault::kShort);
    connection.spec = ring;
  } else {
    SocketSpec socket;
    std::uint32_t unused = 0;
    if (!body.take(socket.fd, unused)) return tl::unexpected(Fault::kShort);
    connection.spec = socket;
  }
  std::uint16_t input = 0;
  std::uint32_t output = 0;
  if (!body.take(input, connection.partial, output)) return tl::unexpected(Fault::kShort);
  if (connection.partial > output) return tl::unexpected(Fault::kConnection);
  if (!body.take_bytes(input, connection.input) || !body.take_bytes(output, connection.output)) {
    return tl::unexpected(Fault::kShort);
  }
  if (fields == kHasUniqueId) {
    std::uint64_t unique_id = 0;
    if (!body.align() || !body.take(unique_id)) return tl::unexpected(Fault::kShort);
    connection.unique_id = unique_id;
  }
  return Record(connection);
}

StreamReader::Result StreamReader::watch(Body& body) {
  Watch watch;
  std::uint16_t path_length = 0;
  std::uint16_t token_length = 0;
  if (!body.take(watch.connection, path_length, token_length)) {
    return tl::unexpected(Fault::kShort);
  }
  std::string_view strings;
  if (!body.take_bytes(std::size_t{path_length} + token_length, strings)) {
    return tl::unexpected(Fault::kShort);
  }
  body.skip_to(8);
  const auto found = watch_strings_at(body.whole(), body.at(), path_length, token_length);
  if (!found) {
    const std::string_view path = strings.substr(0, path_length);
    const bool path_is_good = !path.empty() && path.find('\0') == path.size() - 1 &&
                              is_stream_watch_path(path.substr(0, path.size() - 1));
    if (!path_is_good) return tl::unexpected(Fault::kPath);
    body.skip_to(body.at() + path_length);
    return tl::unexpected(Fault::kToken);
  }
  body.skip_to(8 + strings.size());
  watch.path = found->path;
  watch.token = found->token;
  return Record(watch);
}

StreamReader::Result StreamReader::extended_watch(Body& body) {
  Watch watch;
  std::uint16_t path_length = 0;
  std::uint16_t token_length = 0;
  std::uint16_t depth = 0;
  if (!body.take(watch.connection, path_length, token_length, depth)) {
    return tl::unexpected(Fault::kShort);
  }
  const auto found = find_watch_strings(body.whole(), path_length, token_length);
  if (!found) return tl::unexpected(Fault::kPath);
  watch.layout = found->layout;
  watch.path = found->path;
  watch.token = found->token;
  if (found->layout != WatchLayout::kCut && depth != kUnlimitedDepth) watch.depth = depth;
  body.cut(found->body_bytes);
  const char* const end = found->token.data() + found->token.size() + 1;
  body.skip_to(static_cast<std::size_t>(end - body.whole().data()));
  return Record(watch);
}

StreamReader::Result StreamReader::transaction(Body& body) {
  Transaction transaction;
  if (!body.take(transaction.connection, transaction.id)) return tl::unexpected(Fault::kShort);
  return Record(transaction);
}

StreamReader::Result StreamReader::node(Body& body) {
  Node node;
  std::uint16_t path_length = 0;
  std::uint16_t value_length = 0;
  std::uint16_t perm_count = 0;
  if (!body.take(node.connection, node.transaction, path_length, value_length, node.access,
                 perm_count)) {
    return tl::unexpected(Fault::kShort);
  }
  if (perm_count == 0 && node.connection == 0) return tl::unexpected(Fault::kPermission);
  if (perm_count > body.left() / 4) return tl::unexpected(Fault::kShort);
  perms_.clear();
  for (std::uint16_t i = 0; i < perm_count; ++i) {
    std::uint8_t letter = 0;
    std::uint8_t flags = 0;
    NodePerm perm;
    if (!body.take(letter, flags, perm.domid)) return tl::unexpected(Fault::kShort);
    const auto access = access_from_letter(static_cast<char>(letter));
    if (!access) return tl::unexpected(Fault::kPermission);
    perm.access = *access;
    perm.stale = (flags & kStale) != 0;
    perms_.push_back(perm);
  }
  const std::size_t path_at = body.at();
  if (!body.take_bytes(path_length, node.path) || !body.take_bytes(value_length, node.value)) {
    return tl::unexpected(Fault::kShort);
  }
  const bool is_absolute =
      !node.path.empty() && (node.path.front() == '/' || node.path.front() == '@');
  if (!is_absolute || node.path.find('\0') != node.path.size() - 1 ||
      !is_stream_watch_path(node.path.substr(0, node.path.size() - 1))) {
    body.skip_to(path_at);
    return tl::unexpected(Fault::kPath);
  }
  node.path.remove_suffix(1);
  node.perms = perms_;
  return Record(node);
}

tl::expected<void, Fault> StreamReader::take_quotas(Body& body, std::size_t count) {
  constexpr std::size_t kLeastBytes = sizeof(std::uint32_t) + 2;  // a value, a letter, a NUL
  if (count > body.left() / kLeastBytes) return tl::unexpected(Fault::kShort);
  quotas_.assign(count, {});
  for (QuotaValue& quota : quotas_) {
    if (!body.take(quota.value)) return tl::unexpected(Fault::kShort);
  }
  for (QuotaValue& quota : quotas_) {
    if (!body.take_string(quota.name)) return tl::unexpected(Fault::kShort);
    if (quota.name.empty()) return tl::unexpected(Fault::kQuota);
  }
  return {};
}

StreamReader::Result StreamReader::global_quota(Body& body) {
  std::uint16_t domain = 0;
  std::uint16_t global = 0;
  if (!body.take(domain, global)) return tl::unexpected(Fault::kShort);
  if (const auto taken = take_quotas(body, std::size_t{domain} + global); !taken) {
    return tl::unexpected(taken.error());
  }
  const std::span<const QuotaValue> all = quotas_;
  return Record(GlobalQuota{.domain = all.first(domain), .global = all.subspan(domain)});
}

StreamReader::Result StreamReader::domain(Body& body) {
  Domain domain;
  std::uint16_t count = 0;
  std::uint32_t features = 0;
  if (!body.take(domain.domid, count, features)) return tl::unexpected(Fault::kShort);
  if (version_ != Version::k1) domain.features = features;
  if (const auto taken = take_quotas(body, count); !taken) return tl::unexpected(taken.error());
  domain.quotas = quotas_;
  return Record(domain);
}

}  // namespace vxs::protocol::migration
