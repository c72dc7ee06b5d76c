#include <algorithm>

#include "store/journal/state_codec.hh"
#include "store/journal/wire_fields.hh"

namespace vxs::store {
namespace {

/// Adds up what Writer writes.
class Sizer {
 public:
  void number(unsigned, std::uint64_t value) noexcept { size_ += wire::number_size(value); }
  void present(unsigned, std::uint64_t value) noexcept { size_ += 1 + wire::varint_size(value); }
  void bytes(unsigned, std::string_view value) noexcept { size_ += wire::bytes_size(value); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  std::size_t size_ = 0;
};

class Writer {
 public:
  explicit Writer(char* out) noexcept : out_(out) {}
  void number(unsigned field, std::uint64_t value) noexcept {
    out_ = wire::put_number(out_, field, value);
  }
  /// Of an optional field: 0 is written too.
  void present(unsigned field, std::uint64_t value) noexcept {
    *out_++ = wire::tag(field, wire::kVarint);
    out_ = wire::put_varint(out_, value);
  }
  void bytes(unsigned field, std::string_view value) noexcept {
    out_ = wire::put_bytes(out_, field, value);
  }

 private:
  char* out_;
};

// The fields of each change, in the order of their numbers; `to` is a Sizer or a Writer.

template <typename Sink>
void fields(const WatchAdded& change, Sink& to) noexcept {
  to.number(2, change.connection);
  to.bytes(3, change.path);
  to.bytes(4, change.token);
  if (change.depth) to.present(5, *change.depth);
  to.number(6, change.relative ? 1 : 0);
}

template <typename Sink>
void fields(const WatchRemoved& change, Sink& to) noexcept {
  to.number(2, change.connection);
  to.bytes(3, change.path);
  to.bytes(4, change.token);
}

template <typename Sink>
void fields(const ConnectionReset& change, Sink& to) noexcept {
  to.number(2, change.connection);
  to.number(3, change.frozen ? 1 : 0);
}

template <typename Sink>
void fields(const DomainKnown& change, Sink& to) noexcept {
  to.number(2, change.domid);
  to.number(3, change.incarnation);
  const bool has_handle = std::any_of(change.handle.begin(), change.handle.end(),
                                      [](std::uint8_t byte) { return byte != 0; });
  if (has_handle) {
    to.bytes(4, {reinterpret_cast<const char*>(change.handle.data()), change.handle.size()});
  }
  to.number(5, change.unique_id);
}

template <typename Sink>
void fields(const DomainIntroduced& change, Sink& to) noexcept {
  to.number(2, change.domid);
  to.number(3, change.incarnation);
  to.number(4, change.connection);
  to.number(5, change.gfn);
  to.number(6, change.remote_port);
}

template <typename Sink>
void fields(const DomainGone& change, Sink& to) noexcept {
  to.number(2, change.domid);
}

template <typename Sink>
void fields(const DomainShutdown& change, Sink& to) noexcept {
  to.number(2, change.domid);
  to.number(3, change.seen ? 1 : 0);
}

template <typename Sink>
void fields(const DomainTarget& change, Sink& to) noexcept {
  to.number(2, change.domid);
  to.number(3, change.target);
}

template <typename Sink>
void fields(const DomainFeatures& change, Sink& to) noexcept {
  to.number(2, change.domid);
  to.number(3, change.features);
}

template <typename Sink>
void fields(const QuotaSet& change, Sink& to) noexcept {
  if (change.domid) to.present(2, *change.domid);
  to.bytes(3, change.name);
  to.number(4, change.value);
}

template <typename Sink>
void all_fields(const StateRecord& record, Sink& to) noexcept {
  to.number(1, wire::zigzag(record.time_us));
  std::visit([&to](const auto& change) { fields(change, to); }, record.change);
  to.number(kByConnection, record.request.connection);
  to.number(kByOrdinal, record.request.ordinal);
}

struct CanBeReadBack {
  bool operator()(const WatchAdded& change) const noexcept { return is_watch_path(change.path); }
  bool operator()(const WatchRemoved& change) const noexcept { return is_watch_path(change.path); }
  bool operator()(const QuotaSet& change) const noexcept { return !change.name.empty(); }
  template <typename Other>
  bool operator()(const Other&) const noexcept {
    return true;
  }
};

struct TypeOf {
  RecordType operator()(const WatchAdded&) const noexcept { return RecordType::kWatchAdded; }
  RecordType operator()(const WatchRemoved&) const noexcept { return RecordType::kWatchRemoved; }
  RecordType operator()(const ConnectionReset&) const noexcept {
    return RecordType::kConnectionReset;
  }
  RecordType operator()(const DomainKnown&) const noexcept { return RecordType::kDomainKnown; }
  RecordType operator()(const DomainIntroduced&) const noexcept {
    return RecordType::kDomainIntroduced;
  }
  RecordType operator()(const DomainGone&) const noexcept { return RecordType::kDomainGone; }
  RecordType operator()(const DomainShutdown&) const noexcept {
    return RecordType::kDomainShutdown;
  }
  RecordType operator()(const DomainTarget&) const noexcept { return RecordType::kDomainTarget; }
  RecordType operator()(const DomainFeatures&) const noexcept {
    return RecordType::kDomainFeatures;
  }
  RecordType operator()(const QuotaSet&) const noexcept { return RecordType::kQuotaSet; }
};

}  // namespace

RecordType type_of_change(const StateChange& change) noexcept {
  return std::visit(TypeOf{}, change);
}

bool measure_state(const StateRecord& record, std::size_t& size) noexcept {
  if (!std::visit(CanBeReadBack{}, record.change)) return false;
  Sizer sizer;
  all_fields(record, sizer);
  size = sizer.size();
  return true;
}

void write_state(const StateRecord& record, char* out) noexcept {
  Writer writer(out);
  all_fields(record, writer);
}

}  // namespace vxs::store
