#include <algorithm>
#include <limits>

#include "store/journal/state_codec.hh"
#include "store/journal/wire_fields.hh"

namespace vxs::store {
namespace {

using wire::FieldReader;

template <typename Number>
bool take(const FieldReader& in, Number& out) noexcept {
  if (in.number() > std::numeric_limits<Number>::max()) return false;
  out = static_cast<Number>(in.number());
  return true;
}

// take_number() and take_bytes() put one field where it belongs: false for a value that cannot be.
// Fields they do not know are of a newer version and stepped over.

bool take_number(WatchAdded& change, const FieldReader& in) noexcept {
  switch (in.field()) {
    case 2:
      return take(in, change.connection);
    case 5:
      return take(in, change.depth.emplace());
    case 6:
      change.relative = in.number() != 0;
      return true;
    default:
      return true;
  }
}
bool take_bytes(WatchAdded& change, const FieldReader& in) noexcept {
  if (in.field() == 3) change.path = in.bytes();
  if (in.field() == 4) change.token = in.bytes();
  return true;
}
bool is_whole(const WatchAdded& change) noexcept { return is_watch_path(change.path); }

bool take_number(WatchRemoved& change, const FieldReader& in) noexcept {
  return in.field() != 2 || take(in, change.connection);
}
bool take_bytes(WatchRemoved& change, const FieldReader& in) noexcept {
  if (in.field() == 3) change.path = in.bytes();
  if (in.field() == 4) change.token = in.bytes();
  return true;
}
bool is_whole(const WatchRemoved& change) noexcept { return is_watch_path(change.path); }

bool take_number(ConnectionReset& change, const FieldReader& in) noexcept {
  if (in.field() == 3) change.frozen = in.number() != 0;
  return in.field() != 2 || take(in, change.connection);
}

bool take_number(DomainKnown& change, const FieldReader& in) noexcept {
  switch (in.field()) {
    case 2:
      return take(in, change.domid);
    case 3:
      return take(in, change.incarnation);
    case 5:
      return take(in, change.unique_id);
    default:
      return true;
  }
}
bool take_bytes(DomainKnown& change, const FieldReader& in) noexcept {
  if (in.field() != 4) return true;
  if (in.bytes().size() != change.handle.size()) return false;
  std::copy(in.bytes().begin(), in.bytes().end(), change.handle.begin());
  return true;
}

bool take_number(DomainIntroduced& change, const FieldReader& in) noexcept {
  switch (in.field()) {
    case 2:
      return take(in, change.domid);
    case 3:
      return take(in, change.incarnation);
    case 4:
      return take(in, change.connection);
    case 5:
      return take(in, change.gfn);
    case 6:
      return take(in, change.remote_port);
    default:
      return true;
  }
}

bool take_number(DomainGone& change, const FieldReader& in) noexcept {
  return in.field() != 2 || take(in, change.domid);
}

bool take_number(DomainShutdown& change, const FieldReader& in) noexcept {
  if (in.field() == 3) change.seen = in.number() != 0;
  return in.field() != 2 || take(in, change.domid);
}

bool take_number(DomainTarget& change, const FieldReader& in) noexcept {
  if (in.field() == 2) return take(in, change.domid);
  return in.field() != 3 || take(in, change.target);
}

bool take_number(DomainFeatures& change, const FieldReader& in) noexcept {
  if (in.field() == 2) return take(in, change.domid);
  return in.field() != 3 || take(in, change.features);
}

bool take_number(QuotaSet& change, const FieldReader& in) noexcept {
  if (in.field() == 2) return take(in, change.domid.emplace());
  return in.field() != 4 || take(in, change.value);
}
bool take_bytes(QuotaSet& change, const FieldReader& in) noexcept {
  if (in.field() == 3) change.name = in.bytes();
  return true;
}
bool is_whole(const QuotaSet& change) noexcept { return !change.name.empty(); }

template <typename Change>
bool take_bytes(Change&, const FieldReader&) noexcept {
  return true;
}
template <typename Change>
bool is_whole(const Change&) noexcept {
  return true;
}

template <typename Change>
StateDecoding decode_change(std::string_view payload, StateRecord& out, Change change = {}) {
  FieldReader in(payload);
  while (in.next()) {
    bool good = true;
    if (in.is_number() && in.field() == 1) {
      out.time_us = wire::unzigzag(in.number());
    } else if (in.is_number() && in.field() == kByConnection) {
      out.request.connection = in.number();
    } else if (in.is_number() && in.field() == kByOrdinal) {
      out.request.ordinal = in.number();
    } else if (in.is_number()) {
      good = take_number(change, in);
    } else if (in.is_bytes()) {
      good = take_bytes(change, in);
    }
    if (!good) return StateDecoding::kMalformed;
  }
  if (!in.ok() || !is_whole(change)) return StateDecoding::kMalformed;
  out.change = change;
  return StateDecoding::kGood;
}

}  // namespace

StateDecoding decode_state(RecordType type, std::string_view payload, StateRecord& out) noexcept {
  switch (type) {
    case RecordType::kWatchAdded:
      return decode_change<WatchAdded>(payload, out);
    case RecordType::kWatchRemoved:
      return decode_change<WatchRemoved>(payload, out);
    case RecordType::kConnectionReset:
      return decode_change<ConnectionReset>(payload, out);
    case RecordType::kDomainKnown:
      return decode_change<DomainKnown>(payload, out);
    case RecordType::kDomainIntroduced:
      return decode_change<DomainIntroduced>(payload, out);
    case RecordType::kDomainGone:
      return decode_change<DomainGone>(payload, out);
    case RecordType::kDomainShutdown:
      return decode_change<DomainShutdown>(payload, out);
    case RecordType::kDomainTarget:
      // A zero is not written: the default of the struct is another one.
      return decode_change<DomainTarget>(payload, out, {.domid = 0, .target = 0});
    case RecordType::kDomainFeatures:
      return decode_change<DomainFeatures>(payload, out);
    case RecordType::kQuotaSet:
      return decode_change<QuotaSet>(payload, out);
    default:
      return StateDecoding::kUnknownType;
  }
}

}  // namespace vxs::store
