#include "daemon/loop/kept_connections.hh"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

#include "daemon/supervisor/message.hh"
#include "store/crash_point.hh"

namespace vxs::daemon {
namespace {

/// Died while this request was carried out, twice in a row: it is not tried a third time.
constexpr unsigned kPoisonCrashes = 2;
/// Slots of an area: as many as there is address space for, which TSan needs for itself.
#if defined(VXS_TSAN)
constexpr std::uint32_t kSlots = 256;
#else
constexpr std::uint32_t kSlots = 8192;
#endif
constexpr std::uint32_t kFewestSlots = 256;

tl::expected<std::unique_ptr<WireArea>, std::string> create_area() {
  for (std::uint32_t slots = kSlots;; slots /= 2) {
    auto created = WireArea::create({.slots = slots});
    if (created && slots < kSlots) {
      spdlog::warn("address space is short: {} connections are kept at most", slots);
    }
    if (created || slots <= kFewestSlots) return created;
  }
}

std::string client_name(std::uint64_t number) {
  return fmt::format("{}{}", supervisor::kClientPrefix, number);
}

}  // namespace

tl::expected<std::unique_ptr<KeptConnections>, std::string> KeptConnections::open(
    keeper::Keeper& keeper, keeper::Inheritance& inheritance, bool adopt_only) {
  process::Descriptor old;
  for (auto& kept : inheritance.descriptors) {
    if (kept.name == kWireAreaName) old = std::move(kept.fd);
  }
  std::unique_ptr<WireArea> area;
  if (old) {
    auto adopted = WireArea::adopt(std::move(old));
    if (adopted) {
      area = std::move(*adopted);
      for (const auto& damage : area->damage()) spdlog::error("wire area: {}", damage);
    } else if (adopt_only) {
      return tl::unexpected(adopted.error());
    } else {
      spdlog::error("the wire area cannot be taken up ({}): every connection is closed",
                    adopted.error());
    }
  }
  if (adopt_only && (!area || !area->damage().empty())) {
    return tl::unexpected(
        fmt::format("wire area: {}", area ? area->damage().front() : "there is none"));
  }
  if (!area) {
    auto created = begin_area();
    if (!created) return tl::unexpected(created.error());
    area = std::move(*created);
    keeper.keep(kWireAreaName, area->fd());
  }
  std::unique_ptr<KeptConnections> connections(new KeptConnections(&keeper, std::move(area)));
  connections->take_clients(inheritance);
  return connections;
}

tl::expected<std::unique_ptr<WireArea>, std::string> KeptConnections::begin_area() {
  auto area = create_area();
  if (!area) return area;
  std::uint64_t secret = 0;
  while (secret == 0) {
    if (::getrandom(&secret, sizeof secret, 0) != sizeof secret) {
      return tl::unexpected(fmt::format("no random number: {}", std::strerror(errno)));
    }
  }
  (*area)->set_tag(secret);
  return area;
}

std::unique_ptr<KeptConnections> KeptConnections::over(std::unique_ptr<WireArea> area) {
  return std::unique_ptr<KeptConnections>(new KeptConnections(nullptr, std::move(area)));
}

KeptConnections::KeptConnections(keeper::Keeper* keeper, std::unique_ptr<WireArea> area)
    : keeper_(keeper), area_(std::move(area)) {
  for (WireSlot* slot : area_->open_slots()) {
    if (slot->kind() == WireKind::kRing) rings_.emplace(slot->peer().domid, slot);
  }
}

void KeptConnections::release(std::uint64_t number) {
  if (keeper_ != nullptr) keeper_->release(client_name(number));
}

void KeptConnections::take_clients(keeper::Inheritance& inheritance) {
  for (auto& kept : inheritance.descriptors) {
    if (!kept.fd) continue;
    if (const auto number = client_number(kept.name)) {
      inherited_.emplace(*number, std::move(kept.fd));
    }
  }
}

std::optional<std::uint64_t> KeptConnections::client_number(std::string_view name) {
  if (!name.starts_with(supervisor::kClientPrefix)) return std::nullopt;
  name.remove_prefix(supervisor::kClientPrefix.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return number;
}

void KeptConnections::forget_all(keeper::Keeper& keeper, keeper::Inheritance& inheritance) {
  for (auto& kept : inheritance.descriptors) {
    const bool client = client_number(kept.name).has_value();
    if (!client && kept.name != kWireAreaName) continue;
    if (client && kept.fd) (void)::shutdown(kept.fd.get(), SHUT_RDWR);
    keeper.release(kept.name);
    kept.fd.reset();
  }
}

std::size_t KeptConnections::forget_all() {
  std::size_t count = 0;
  for (WireSlot* slot : area_->open_slots()) {
    if (slot->kind() != WireKind::kSocket) continue;
    auto found = inherited_.extract(slot->descriptor());
    end(*slot, found.empty() ? process::Descriptor() : std::move(found.mapped()));
    ++count;
  }
  return count;
}

std::vector<KeptConnections::Survivor> KeptConnections::take_survivors() {
  std::vector<Survivor> survivors;
  for (WireSlot* slot : area_->open_slots()) {
    if (slot->kind() != WireKind::kSocket) continue;
    auto found = inherited_.extract(slot->descriptor());
    if (found.empty()) {
      area_->close_slot(*slot);
    } else {
      survivors.push_back({slot, std::move(found.mapped())});
    }
  }
  return survivors;
}

std::map<std::uint64_t, process::Descriptor> KeptConnections::take_newcomers() {
  auto newcomers = std::exchange(inherited_, {});
  std::size_t lost = 0;
  for (auto one = newcomers.begin(); one != newcomers.end();) {
    if (!WireSlot::has_received(one->second.get())) {
      ++one;
      continue;
    }
    refuse(one->first, std::move(one->second));
    one = newcomers.erase(one);
    ++lost;
  }
  if (lost > 0)
    spdlog::warn("ending {} connections that a daemon served and no slot tells of", lost);
  return newcomers;
}

WireSlot* KeptConnections::add(const Connection::Peer& peer, std::uint64_t number) {
  auto slot = area_->open_slot({.connection = peer.id,
                                .kind = WireKind::kSocket,
                                .descriptor = number,
                                .peer = {.domid = peer.caller.domid,
                                         .pid = peer.pid,
                                         .uid = peer.uid,
                                         .features = peer.features,
                                         .command = peer.command}});
  return slot ? *slot : nullptr;
}

void KeptConnections::end(WireSlot& slot, process::Descriptor fd) {
  const std::uint64_t number = slot.descriptor();
  if (fd) (void)::shutdown(fd.get(), SHUT_RDWR);
  VXS_CRASH_POINT("client-shut-down");
  area_->close_slot(slot);
  release(number);
  VXS_CRASH_POINT("client-released");
}

void KeptConnections::refuse(std::uint64_t number, process::Descriptor fd) {
  (void)::shutdown(fd.get(), SHUT_RDWR);
  release(number);
}

// --- rings -----------------------------------------------------------------------

WireSlot* KeptConnections::take_ring(ConnectionId connection, DomId domid) {
  const auto [begin, end] = rings_.equal_range(domid);
  for (auto one = begin; one != end; ++one) {
    WireSlot* const slot = one->second;
    if (slot->connection() != connection) continue;
    rings_.erase(one);
    return slot;
  }
  return nullptr;
}

WireSlot* KeptConnections::add_ring(const Connection::Peer& peer, Seq begun) {
  auto slot = area_->open_slot({.connection = peer.id,
                                .kind = WireKind::kRing,
                                .descriptor = 0,
                                .peer = {.domid = peer.caller.domid,
                                         .pid = 0,
                                         .uid = 0,
                                         .features = peer.features,
                                         .command = {}},
                                .ring_begun = begun});
  return slot ? *slot : nullptr;
}

void KeptConnections::forget_rings(const std::function<bool(const WireSlot&)>& stays) {
  std::erase_if(rings_, [&](const auto& one) {
    if (stays && stays(*one.second)) return false;
    area_->close_slot(*one.second);
    return true;
  });
}

bool KeptConnections::is_poison(const WireSlot& slot, std::uint64_t ordinal) const noexcept {
  return deaths_in(slot, ordinal) >= kPoisonCrashes;
}

unsigned KeptConnections::deaths_in(const WireSlot& slot, std::uint64_t ordinal) const noexcept {
  const auto& crash = area_->crash();
  return crash && crash->slot == slot.index() && crash->ordinal == ordinal ? crash->count : 0;
}

}  // namespace vxs::daemon
