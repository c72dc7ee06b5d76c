#include "daemon/hypervisor/xen_hypervisor.hh"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>
#include <utility>

#include "daemon/hypervisor/granted_page.hh"
#include "daemon/process/descriptor.hh"
#include "protocol/ring_page.hh"

extern "C" {
#include <xenevtchn.h>
}

namespace vxs::daemon {
namespace {

class MappedFile final : public RingPage {
 public:
  explicit MappedFile(void* page) noexcept : page_(page) {}
  ~MappedFile() override { ::munmap(page_, protocol::kRingPageSize); }
  [[nodiscard]] std::byte* bytes() noexcept override { return static_cast<std::byte*>(page_); }

 private:
  void* page_;
};

HypervisorResult<Port> port_or_errno(xenevtchn_port_or_error_t port) {
  if (port < 0) return tl::unexpected(errno);
  return static_cast<Port>(port);
}

/// A decimal number and at most a line's end behind it.
HypervisorResult<Port> read_port(const std::string& path) {
  const process::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 32> text{};
  const ssize_t length = file ? ::read(file.get(), text.data(), text.size()) : -1;
  if (length < 0) return tl::unexpected(errno);
  const char* const end = text.data() + length;
  Port port = 0;
  const auto parsed = std::from_chars(text.data(), end, port);
  if (parsed.ec != std::errc{} || port == 0) return tl::unexpected(EINVAL);
  const std::string_view rest(parsed.ptr, static_cast<std::size_t>(end - parsed.ptr));
  if (rest.find_first_not_of(std::string_view("\n\0", 2)) != std::string_view::npos) {
    return tl::unexpected(EINVAL);
  }
  return port;
}

/// In a list by ascending domid.
const DomainInfo* find_domain(std::span<const DomainInfo> in, DomId domid) {
  const auto found = std::lower_bound(
      in.begin(), in.end(), domid, [](const DomainInfo& one, DomId id) { return one.domid < id; });
  return found != in.end() && found->domid == domid ? &*found : nullptr;
}

std::string failed(std::string_view what) {
  const char* const why = std::strerror(errno);
  return "cannot talk to Xen: " + std::string(what) + ": " + why;
}

}  // namespace

std::optional<std::string> check_event_device(int fd) {
  const std::string name = "descriptor " + std::to_string(fd);
  process::Descriptor copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (!copy) return name + " is not open: " + std::strerror(errno);
  const std::unique_ptr<xenevtchn_handle, int (*)(xenevtchn_handle*)> events(
      xenevtchn_fdopen(nullptr, copy.get(), 0), &xenevtchn_close);
  if (events) (void)copy.release();  // the handle's
  // Port 0 is nobody's, which the device says in words that no other file has for this.
  const bool says_so = events && xenevtchn_notify(events.get(), 0) != 0 && errno == ENOTCONN;
  if (says_so) return std::nullopt;
  return name + " is no event-channel device";
}

void XenHypervisor::CloseEvents::operator()(xenevtchn_handle* handle) const noexcept {
  (void)xenevtchn_close(handle);
}

XenHypervisor::XenHypervisor(Paths paths, Events events, std::shared_ptr<xengntdev_handle> grants,
                             DomainList list)
    : paths_(std::move(paths)),
      events_(std::move(events)),
      grants_(std::move(grants)),
      list_(std::move(list)) {}

tl::expected<std::unique_ptr<XenHypervisor>, std::string> XenHypervisor::open(
    Paths paths, process::Descriptor inherited, std::unique_ptr<XenAhead> ahead) {
  const bool adopts = static_cast<bool>(inherited);
  Events events(adopts ? xenevtchn_fdopen(nullptr, inherited.get(), 0)
                       : xenevtchn_open(nullptr, 0));
  if (!events) return tl::unexpected(failed("the event-channel device"));
  (void)inherited.release();  // the handle's
  // Several ports are taken per pass, so asking for one more must not wait.
  const int fd = xenevtchn_fd(events.get());
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
    return tl::unexpected(failed("the event-channel descriptor"));
  }

  auto grants = ahead ? std::move(ahead->grants_) : open_grants();
  if (!grants) return tl::unexpected(failed("the grant device"));

  auto list =
      ahead ? tl::expected<DomainList, std::string>(std::move(ahead->list_)) : DomainList::open();
  if (!list) return tl::unexpected("cannot talk to Xen: " + list.error());
  std::unique_ptr<XenHypervisor> xen(
      new XenHypervisor(std::move(paths), std::move(events), std::move(grants), std::move(*list)));
  if (adopts && ahead) {
    xen->ahead_ = std::move(ahead);
    xen->look_again_ = true;
  } else if (adopts) {
    if (const auto found = xen->look_for_channels(); !found) {
      errno = found.error();
      return tl::unexpected(failed("the event channels there are"));
    }
  }
  return xen;
}

// --- event channels ----------------------------------------------------------

int XenHypervisor::event_fd() const noexcept { return xenevtchn_fd(events_.get()); }

std::optional<Port> XenHypervisor::next_pending() {
  const xenevtchn_port_or_error_t port = xenevtchn_pending(events_.get());
  if (port < 0) return std::nullopt;
  return static_cast<Port>(port);
}

// A failure of these three says that the other end is gone, which the domain scan finds out.
void XenHypervisor::unmask(Port local) { (void)xenevtchn_unmask(events_.get(), local); }
void XenHypervisor::notify(Port local) { (void)xenevtchn_notify(events_.get(), local); }
void XenHypervisor::unbind(Port local) { (void)xenevtchn_unbind(events_.get(), local); }

HypervisorResult<Port> XenHypervisor::bind_interdomain(DomId domid, Port remote) {
  const auto kept = claim(domid, [remote](const EventChannel& one) {
    return one.kind == EventChannel::Kind::kInterdomain && one.remote == remote;
  });
  if (!kept) return tl::unexpected(kept.error());
  if (*kept) return **kept;
  return port_or_errno(xenevtchn_bind_interdomain(events_.get(), domid, remote));
}

HypervisorResult<Port> XenHypervisor::bind_domain_exception() {
  const auto kept = claim(DomId{0}, [](const EventChannel& one) {
    return one.kind == EventChannel::Kind::kVirq && one.virq == VIRQ_DOM_EXC;
  });
  if (!kept) return tl::unexpected(kept.error());
  if (*kept) return **kept;
  return port_or_errno(xenevtchn_bind_virq(events_.get(), VIRQ_DOM_EXC));
}

// --- a descriptor that outlived a daemon -----------------------------------------

// The device knows what was bound with it, and refuses all else (ENOTCONN). A signal too many means
// nothing to anybody (A27).
bool XenHypervisor::is_ours(Port local) { return xenevtchn_notify(events_.get(), local) == 0; }

template <class Match>
HypervisorResult<std::optional<Port>> XenHypervisor::claim(DomId domid, const Match& match) {
  for (;;) {
    const auto [begin, end] = unclaimed_.equal_range(domid);
    for (auto one = begin; one != end; ++one) {
      const Port local = one->second.local;
      if (!match(one->second) || !is_ours(local)) continue;
      unclaimed_.erase(one);
      claimed_.insert(local);
      // Masked, if the last daemon was killed between taking it and unmasking it.
      unmask(local);
      return local;
    }
    if (!look_again_) return std::nullopt;
    // What was bound since the first look is to be taken up, and not bound once more. Nobody may
    // take the want of an answer for a no.
    if (!look_for_channels()) return tl::unexpected(EIO);
  }
}

void XenHypervisor::set_unclaimed(const std::vector<EventChannel>& channels) {
  unclaimed_.clear();
  for (const EventChannel& one : channels) {
    if (!claimed_.contains(one.local)) unclaimed_.emplace(one.domid, one);
  }
}

HypervisorResult<void> XenHypervisor::look_for_channels() {
  const auto found = list_.event_channels();
  if (!found) return tl::unexpected(found.error());
  look_again_ = false;
  set_unclaimed(*found);
  return {};
}

void XenHypervisor::trust_ahead(std::span<const DomainInfo> now,
                                const std::function<bool(DomId)>& unchanged, bool channels) {
  const auto ahead = std::exchange(ahead_, nullptr);
  if (!ahead) return;
  for (auto& [domid, page] : ahead->pages_) {
    const DomainInfo* const then = find_domain(ahead->domains_, domid);
    const DomainInfo* const is = find_domain(now, domid);
    const bool same_life = then != nullptr && is != nullptr && !then->dying && !is->dying &&
                           then->handle == is->handle && then->unique_id == is->unique_id;
    if (same_life && unchanged(domid)) pages_ahead_.emplace(domid, std::move(page));
  }
  if (channels) set_unclaimed(ahead->channels_);
}

// Where Xen gives no answer now, what nobody took up stays bound until the next start finds it.
void XenHypervisor::drop_unclaimed() {
  if (std::exchange(ahead_, nullptr)) (void)look_for_channels();
  look_again_ = false;
  pages_ahead_.clear();
  claimed_.clear();
  for (const auto& [domid, one] : std::exchange(unclaimed_, {})) unbind(one.local);
}

// --- pages -------------------------------------------------------------------

HypervisorResult<std::unique_ptr<RingPage>> XenHypervisor::map_ring(DomId domid) {
  if (const auto found = pages_ahead_.find(domid); found != pages_ahead_.end()) {
    return std::move(pages_ahead_.extract(found).mapped());
  }
  return map_granted(grants_, domid);
}

HypervisorResult<OwnRing> XenHypervisor::map_own_ring() {
  const auto port =
      paths_.port != 0 ? HypervisorResult<Port>(paths_.port) : read_port(paths_.own_port);
  if (!port) return tl::unexpected(port.error());
  const process::Descriptor file(::open(paths_.own_page.c_str(), O_RDWR | O_CLOEXEC));
  if (!file) return tl::unexpected(errno);
  void* const page =
      ::mmap(nullptr, protocol::kRingPageSize, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (page == MAP_FAILED) return tl::unexpected(errno);
  return OwnRing{.page = std::make_unique<MappedFile>(page), .remote_port = *port};
}

// --- domains -----------------------------------------------------------------

HypervisorResult<std::optional<DomainInfo>> XenHypervisor::domain(DomId domid) {
  return list_.one(domid);
}

HypervisorResult<std::vector<DomainInfo>> XenHypervisor::domains() { return list_.all(); }

}  // namespace vxs::daemon
