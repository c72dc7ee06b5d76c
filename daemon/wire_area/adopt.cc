// Taking up what a predecessor left. It is believed only as far as no access can go astray; more
// than that cannot be known of bytes that a dying process may have damaged.
#include <fmt/format.h>

#include <unordered_set>

#include "daemon/wire_area/wire_area.hh"

namespace vxs::daemon {
namespace {

using wire_layout::Control;
using wire_layout::Geometry;
using wire_layout::Header;
using wire_layout::kFree;
using wire_layout::kRegionFactor;
using wire_layout::Set;

/// No stream gets as far; sums with what a slot can hold do not overflow below it.
constexpr std::uint64_t kMaxPosition = std::uint64_t{1} << 62;

bool sane_input(const Control& control, const Set& set) noexcept {
  if (control.in_end > kMaxPosition || control.in_origin > set.in_begin ||
      set.in_begin > control.in_end) {
    return false;
  }
  return control.in_end - control.in_origin <= wire_layout::kInputSize;
}

bool sane_stream(std::uint64_t begin, std::uint64_t used, std::uint64_t end, std::uint64_t origin,
                 std::uint64_t limit) noexcept {
  const std::uint64_t place = begin - origin;  // of a wild one: far beyond the region
  return end <= kMaxPosition && begin <= used && used <= end && end - begin <= limit &&
         place <= limit * kRegionFactor - (end - begin);
}

/// What cannot be true in a slot; nullptr: it may be.
const char* flaw(const Control& control, std::uint32_t state, const Geometry& geometry) noexcept {
  const bool socket = state == static_cast<std::uint32_t>(WireKind::kSocket);
  if (!socket && state != static_cast<std::uint32_t>(WireKind::kRing)) return "its state";
  if (control.kind != state || control.domid > 0xFFFF) return "who it is";
  if (control.selector > 1) return "its selector";
  const Set& set = wire_layout::published(control);
  if (!sane_input(control, set)) return "its input";
  const std::uint64_t left =
      socket && control.send_at == control.out_sent ? control.send.msg_len : std::uint64_t{0};
  if (control.out_sent > kMaxPosition ||
      !sane_stream(set.out_begin, control.out_sent, set.out_end, set.out_origin,
                   geometry.output_limit) ||
      left > set.out_end - control.out_sent) {
    return "its output";
  }
  if (!sane_stream(set.log_begin, set.log_begin, set.log_end, set.log_origin, geometry.log_limit)) {
    return "its transactions";
  }
  return nullptr;
}

const char* flaw(const Header& header, std::uint64_t size) noexcept {
  if (header.magic != wire_layout::kMagic) return "not a wire area";
  if (header.version != wire_layout::kVersion || header.control_size != sizeof(Control)) {
    return "of another layout";
  }
  if (header.checksum != wire_layout::checksum(header) || header.slots == 0 ||
      header.slots > wire_layout::kMaxSlots) {
    return "damaged header";
  }
  for (const std::uint64_t limit : {header.output_limit, header.log_limit}) {
    if (limit < wire_layout::kMinLimit || limit > wire_layout::kMaxLimit) return "damaged header";
  }
  const Geometry geometry{
      .slots = header.slots, .output_limit = header.output_limit, .log_limit = header.log_limit};
  return geometry.size() == size ? nullptr : "of another size";
}

}  // namespace

tl::expected<std::unique_ptr<WireArea>, std::string> WireArea::adopt(process::Descriptor fd) {
  auto file = AreaFile::adopt(std::move(fd));
  if (!file) return tl::make_unexpected(std::move(file).error());
  const char* wrong = file->size() < sizeof(Header)
                          ? "not a wire area"
                          : flaw(*reinterpret_cast<const Header*>(file->at(0)), file->size());
  if (wrong != nullptr) return tl::make_unexpected(fmt::format("wire area: {}", wrong));
  std::unique_ptr<WireArea> area(new WireArea(std::move(*file)));
  area->file_.leave_out_of_dumps(area->geometry().data(0));
  area->slots_.resize(area->header().slots);
  area->adopt_slots();
  area->adopt_crash();
  area->give_back_free_slots();
  wire_layout::store_word(area->header().restarts, area->restarts() + 1);
  return area;
}

void WireArea::adopt_slots() {
  const Geometry where = geometry();
  std::unordered_set<ConnectionId> seen;
  for (std::uint32_t index = 0; index < header().slots; ++index) {
    const std::uint32_t state = states()[index];
    if (state == kFree) continue;
    const auto& control = *reinterpret_cast<const Control*>(file_.at(where.block(index)));
    const char* wrong = flaw(control, state, where);
    if (wrong == nullptr && !seen.insert(control.connection).second) wrong = "its connection's id";
    if (wrong == nullptr) {
      slot(index).take_up();
      ++open_;
    } else {
      damage_.push_back(fmt::format("slot {} (connection {}, descriptor client-{}): {} is damaged",
                                    index, control.connection, control.descriptor, wrong));
      wire_layout::store_word(states()[index], kFree);
    }
  }
}

// The predecessor's spare pages, and those of slots in whose closing it died.
void WireArea::give_back_free_slots() noexcept {
  const Geometry where = geometry();
  const std::uint32_t count = header().slots;
  std::uint32_t begin = 0;
  for (std::uint32_t index = 0; index <= count; ++index) {
    if (index < count && states()[index] == kFree) continue;
    if (begin < index) {
      file_.give_back(where.block(begin), where.block(index) - where.block(begin));
      file_.give_back(where.data(begin), where.data(index) - where.data(begin));
    }
    begin = index + 1;
  }
  for (std::uint32_t index = count; index-- > 0;) {
    if (states()[index] == kFree) free_.push_back(index);
  }
}

}  // namespace vxs::daemon
