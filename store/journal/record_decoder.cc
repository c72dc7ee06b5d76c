#include "store/journal/record_codec.hh"
#include "store/journal/state_codec.hh"
#include "store/journal/wire_fields.hh"

namespace vxs::store {
namespace {

using wire::FieldReader;
using wire::unzigzag;

// "/", or components without empty ones between; or one of the special names.
bool plausible_path(std::string_view path) noexcept {
  if (path.empty()) return false;
  if (path.front() == '@') return path.find('/') == std::string_view::npos;
  if (path == "/") return true;
  return path.front() == '/' && path.back() != '/' && path.find("//") == std::string_view::npos &&
         path.find('\0') == std::string_view::npos;
}

}  // namespace

/// The decoder's steps; a class of its own to keep the field walk out of the header.
class RecordDecoder::Parser {
 public:
  explicit Parser(RecordDecoder& decoder) noexcept : d_(decoder) {
    d_.changes_.clear();
    d_.list_numbers_.clear();
    d_.lists_.clear();
  }

  bool commit(Seq seq, std::string_view payload) {
    auto& record = d_.record_.emplace<CommitRecord>();
    record.seq = seq;
    std::uint64_t kind = 0;
    const auto own = [&](const FieldReader& in) {
      if (in.is_number() && in.field() == 3) kind = in.number();
      if (in.is_bytes() && in.field() == 8) record.note = in.bytes();
    };
    if (!changes_and(own, payload, record)) return false;
    if (kind < 1 || kind > static_cast<std::uint64_t>(CommitKind::kDaemon)) return false;
    record.kind = static_cast<CommitKind>(kind);
    return true;
  }

  bool conflict(Seq seq, std::string_view payload) {
    auto& record = d_.record_.emplace<ConflictRecord>();
    record.seq = seq;
    const auto own = [&](const FieldReader& in) {
      if (in.is_number()) {
        if (in.field() == 9) record.blocking_seq = in.number();
        if (in.field() == 10) record.blocking_domid = static_cast<DomId>(in.number());
      } else if (in.is_bytes()) {
        if (in.field() == 8) record.path = in.bytes();
        if (in.field() == 11) record.request = in.bytes();
      }
    };
    return changes_and(own, payload, record);
  }

  bool start(Seq seq, std::string_view payload) {
    auto& record = d_.record_.emplace<StartRecord>();
    record.seq = seq;
    FieldReader in(payload);
    while (in.next()) {
      if (in.is_number() && in.field() == 1) record.time_us = unzigzag(in.number());
      if (in.is_number() && in.field() == 3) record.incarnation = in.number();
      if (in.is_bytes() && in.field() == 2) record.boot_id = in.bytes();
      if (in.is_bytes() && in.field() == 4) record.version = in.bytes();
      if (in.is_number() && in.field() == 5) record.history.off = in.number() != 0;
      if (in.is_number() && in.field() == 6) record.history.seq = in.number();
    }
    return in.ok();
  }

 private:
  /// The fields that commits and conflicts share; `own` is told of the others.
  template <typename Own, typename RecordOfChanges>
  bool changes_and(const Own& own, std::string_view payload, RecordOfChanges& record) {
    FieldReader in(payload);
    while (in.next()) {
      bool good = true;
      if (in.is_number() && in.field() == 1) {
        record.time_us = unzigzag(in.number());
      } else if (in.is_number() && in.field() == 4) {
        record.tx_id = static_cast<TxId>(in.number());
      } else if (in.is_number() && in.field() == 5) {
        record.base_seq = in.number();
      } else if (in.is_bytes() && in.field() == 2) {
        good = origin(in.bytes(), record.origin);
      } else if (in.is_bytes() && in.field() == 6) {
        good = list(in.bytes());
      } else if (in.is_bytes() && in.field() == 7) {
        good = change(in.bytes());
      } else {
        own(in);
      }
      if (!good) return false;
    }
    if (!in.ok() || !bind_lists()) return false;
    record.changes = d_.changes_;
    return true;
  }

  static bool domid(std::uint64_t number, DomId& out) noexcept {
    if (number > 0xFFFF) return false;
    out = static_cast<DomId>(number);
    return true;
  }

  static bool origin(std::string_view bytes, Origin& out) noexcept {
    FieldReader in(bytes);
    while (in.next()) {
      if (in.is_number()) {
        if (in.field() == 1 && !domid(in.number(), out.domid)) return false;
        if (in.field() == 2) out.incarnation = in.number();
        if (in.field() == 3) out.connection = in.number();
        if (in.field() == 4) out.pid = static_cast<std::int32_t>(in.number());
        if (in.field() == 5) out.uid = static_cast<std::uint32_t>(in.number());
        if (in.field() == 7) out.ordinal = in.number();
      } else if (in.is_bytes() && in.field() == 6) {
        out.command = in.bytes();
      }
    }
    return in.ok();
  }

  bool list(std::string_view bytes) {
    d_.entries_.clear();
    FieldReader in(bytes);
    while (in.next()) {
      if (!in.is_bytes() || in.field() != 1) continue;
      if (!entry(in.bytes(), d_.entries_.emplace_back())) return false;
    }
    if (!in.ok() || d_.entries_.empty()) return false;
    d_.lists_.push_back(d_.perms_.intern(d_.entries_));
    return true;
  }

  static bool entry(std::string_view bytes, protocol::PermEntry& out) noexcept {
    FieldReader in(bytes);
    while (in.next()) {
      if (!in.is_number()) continue;
      if (in.field() == 1 && !domid(in.number(), out.domid)) return false;
      if (in.field() == 2) {
        if (in.number() > 3) return false;
        out.access = static_cast<protocol::Access>(in.number());
      }
      if (in.field() == 3) out.incarnation = in.number();
    }
    return in.ok();
  }

  bool change(std::string_view bytes) {
    Change& out = d_.changes_.emplace_back();
    std::uint64_t kind = 0;
    std::uint64_t list_number = 0;
    FieldReader in(bytes);
    while (in.next()) {
      if (in.is_number()) {
        if (in.field() == 1) kind = in.number();
        if (in.field() == 2) out.implicit = in.number() != 0;
        if (in.field() == 5) list_number = in.number();
      } else if (in.is_bytes()) {
        if (in.field() == 3) out.path = in.bytes();
        if (in.field() == 4) out.value = in.bytes();
      }
    }
    if (!in.ok() || kind < 1 || kind > static_cast<std::uint64_t>(ChangeKind::kSetPerms) ||
        list_number > 0xFFFFFFFFU || !plausible_path(out.path)) {
      return false;
    }
    out.kind = static_cast<ChangeKind>(kind);
    d_.list_numbers_.push_back(static_cast<std::uint32_t>(list_number));
    return true;
  }

  // Last, since protobuf allows fields in any order.
  bool bind_lists() {
    for (std::size_t i = 0; i < d_.changes_.size(); ++i) {
      Change& change = d_.changes_[i];
      const std::uint32_t number = d_.list_numbers_[i];
      const bool needs = change.kind == ChangeKind::kCreate || change.kind == ChangeKind::kSetPerms;
      if (!needs) continue;
      if (number == 0 || number > d_.lists_.size()) return false;
      change.perms = d_.lists_[number - 1];
    }
    return true;
  }

  RecordDecoder& d_;
};

tl::expected<const Record*, RecordDecoder::Failure> RecordDecoder::decode(
    Seq seq, std::uint16_t type, std::string_view payload) {
  Parser parser(*this);
  bool good = false;
  switch (static_cast<RecordType>(type)) {
    case RecordType::kCommit:
      good = parser.commit(seq, payload);
      break;
    case RecordType::kConflict:
      good = parser.conflict(seq, payload);
      break;
    case RecordType::kStart:
      good = parser.start(seq, payload);
      break;
    default: {
      StateRecord& record = record_.emplace<StateRecord>();
      record.seq = seq;
      switch (decode_state(static_cast<RecordType>(type), payload, record)) {
        case StateDecoding::kUnknownType:
          return tl::unexpected(Failure::kUnknownType);
        case StateDecoding::kMalformed:
          break;
        case StateDecoding::kGood:
          good = true;
          break;
      }
    }
  }
  if (!good) return tl::unexpected(Failure::kMalformed);
  return &record_;
}

}  // namespace vxs::store
