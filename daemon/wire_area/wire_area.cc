#include "daemon/wire_area/wire_area.hh"

#include <algorithm>
#include <cerrno>

#include "store/crash_point.hh"

#if defined(VXS_ASAN)
#include <sanitizer/asan_interface.h>
#endif

namespace vxs::daemon {
namespace {

using wire_layout::Control;
using wire_layout::Geometry;
using wire_layout::Header;
using wire_layout::kPage;
using wire_layout::store_word;

/// Closed slots that keep some pages for the next connection: clients come and go.
constexpr std::size_t kWarmSlots = 32;

// Of Header::in_flight.
constexpr unsigned kOrdinalBits = 40;
constexpr unsigned kCountBits = 4;
constexpr std::uint64_t kOrdinalMask = (std::uint64_t{1} << kOrdinalBits) - 1;
constexpr unsigned kMaxCount = (1U << kCountBits) - 1;

std::uint64_t limit_of(std::uint64_t wanted) noexcept {
  return wire_layout::round_up(std::clamp(wanted, wire_layout::kMinLimit, wire_layout::kMaxLimit),
                               kPage);
}

/// A closed slot's memory stays, and soon it is another connection's: under ASan nobody may look at
/// it meanwhile.
void set_access([[maybe_unused]] const AreaFile& file, [[maybe_unused]] const Geometry& where,
                [[maybe_unused]] std::uint32_t index, [[maybe_unused]] bool allowed) noexcept {
#if defined(VXS_ASAN)
  const auto set = allowed ? __asan_unpoison_memory_region : __asan_poison_memory_region;
  // Of the streams, what any limit holds.
  constexpr std::uint64_t kOfStream = wire_layout::kMinLimit;
  set(file.at(where.block(index)), wire_layout::kBlockSize);
  set(file.at(where.data(index)), kOfStream);
  set(file.at(where.data(index) + where.output_limit * wire_layout::kRegionFactor), kOfStream);
#endif
}

}  // namespace

WireArea::WireArea(AreaFile file) : file_(std::move(file)) {}

WireArea::~WireArea() {
  for (std::uint32_t index = 0; index < slots_.size(); ++index) {
    if (slots_[index]) set_access(file_, geometry(), index, true);
  }
}

tl::expected<std::unique_ptr<WireArea>, std::string> WireArea::create(const Options& options) {
  const Geometry geometry{
      .slots = std::clamp<std::uint32_t>(options.slots, 1, wire_layout::kMaxSlots),
      .output_limit = limit_of(options.output_limit),
      .log_limit = limit_of(options.log_limit)};
  auto file = AreaFile::create(geometry.size());
  if (!file) return tl::make_unexpected(std::move(file).error());
  if (!file->reserve(0, geometry.block(0))) {
    return tl::make_unexpected(std::string("wire area: no memory for its header"));
  }
  file->leave_out_of_dumps(geometry.data(0));
  std::unique_ptr<WireArea> area(new WireArea(std::move(*file)));
  Header& header = area->header();
  header = Header{};
  header.magic = wire_layout::kMagic;
  header.version = wire_layout::kVersion;
  header.control_size = sizeof(Control);
  header.slots = static_cast<std::uint32_t>(geometry.slots);
  header.output_limit = geometry.output_limit;
  header.log_limit = geometry.log_limit;
  header.checksum = wire_layout::checksum(header);
  area->slots_.resize(geometry.slots);
  for (std::uint32_t index = header.slots; index-- > 0;) area->free_.push_back(index);
  return area;
}

Geometry WireArea::geometry() const noexcept {
  return {.slots = header().slots,
          .output_limit = header().output_limit,
          .log_limit = header().log_limit};
}

WireSlot& WireArea::slot(std::uint32_t index) {
  auto& slot = slots_[index];
  if (!slot) {
    const Geometry where = geometry();
    slot.reset(new WireSlot(file_, index, where.block(index), where.data(index), where.output_limit,
                            where.log_limit));
  }
  return *slot;
}

tl::expected<WireSlot*, int> WireArea::open_slot(const NewSlot& wanted) {
  auto& from = warm_.empty() ? free_ : warm_;
  if (from.empty()) return tl::make_unexpected(ENOSPC);
  const std::uint32_t index = from.back();
  if (warm_.empty() && !file_.reserve(geometry().block(index), kPage)) {
    return tl::make_unexpected(ENOMEM);
  }
  WireSlot& opened = slot(index);
  from.pop_back();
  set_access(file_, geometry(), index, true);
  opened.initialize();
  Control& control = *opened.control_;
  control.connection = wanted.connection;
  control.descriptor = wanted.descriptor;
  control.kind = static_cast<std::uint32_t>(wanted.kind);
  control.domid = wanted.peer.domid;
  control.pid = wanted.peer.pid;
  control.uid = wanted.peer.uid;
  control.features = wanted.peer.features;
  control.ring_begun = wanted.ring_begun;
  opened.set_command(wanted.peer.command);
  VXS_CRASH_POINT("slot-filled");
  store_word(states()[index], control.kind);
  ++open_;
  return &opened;
}

void WireArea::close_slot(WireSlot& slot) noexcept {
  const std::uint32_t index = slot.index();
  store_word(states()[index], wire_layout::kFree);
  VXS_CRASH_POINT("slot-freed");
  --open_;
  if (crash_ && crash_->slot == index) crash_.reset();
  const bool keep_some = warm_.size() < kWarmSlots;
  slot.release(keep_some);
  set_access(file_, geometry(), index, false);
  (keep_some ? warm_ : free_).push_back(index);
}

std::vector<WireSlot*> WireArea::open_slots() const {
  std::vector<WireSlot*> open;
  open.reserve(open_);
  for (const auto& slot : slots_) {
    if (slot && states()[slot->index()] != wire_layout::kFree) open.push_back(slot.get());
  }
  return open;
}

// --- poison ----------------------------------------------------------------------

void WireArea::begin_request(const WireSlot& slot, std::uint64_t ordinal) noexcept {
  std::uint64_t count = 0;
  if (crash_ && crash_->slot == slot.index() && crash_->ordinal == ordinal) count = crash_->count;
  store_word(header().in_flight,
             ((std::uint64_t{slot.index()} + 1) << (kOrdinalBits + kCountBits)) |
                 (count << kOrdinalBits) | (ordinal & kOrdinalMask));
}

// The word stays as it is: whoever dies before the next begin_request() leaves the same count.
void WireArea::adopt_crash() {
  const std::uint64_t word = header().in_flight;
  const std::uint64_t index = (word >> (kOrdinalBits + kCountBits)) - 1;
  if (word == 0 || index >= slots_.size() || !slots_[index] ||
      states()[index] == wire_layout::kFree) {
    return;
  }
  const std::uint64_t handled = slots_[index]->progress().handled;
  const std::uint64_t ahead = (word - handled) & kOrdinalMask;
  if (ahead == 0 || ahead > kOrdinalMask / 2) return;  // its reply is in the output
  const auto count = static_cast<unsigned>(word >> kOrdinalBits) & kMaxCount;
  crash_ = Crash{.slot = static_cast<std::uint32_t>(index),
                 .ordinal = handled + ahead,
                 .count = std::min(count + 1, kMaxCount)};
}

}  // namespace vxs::daemon
