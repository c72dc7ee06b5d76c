#include "store/migration/offline.hh"

#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/path.hh"

namespace vxs::store::migration {
namespace {

template <typename Number>
std::optional<Number> number_in(std::string_view text) noexcept {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// "/vm/01234567-89ab-cdef-0123-456789abcdef", perhaps with more behind it, as libxl writes it.
std::optional<std::array<std::uint8_t, 16>> handle_in(std::string_view text) noexcept {
  constexpr std::string_view kPrefix = "/vm/";
  if (!text.starts_with(kPrefix)) return std::nullopt;
  text.remove_prefix(kPrefix.size());
  std::array<std::uint8_t, 16> handle{};
  for (std::size_t i = 0; i < handle.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) {
      if (!text.starts_with('-')) return std::nullopt;
      text.remove_prefix(1);
    }
    if (text.size() < 2) return std::nullopt;
    const auto [end, error] = std::from_chars(text.data(), text.data() + 2, handle[i], 16);
    if (error != std::errc() || end != text.data() + 2) return std::nullopt;
    text.remove_prefix(2);
  }
  return handle;
}

void note(Imported& imported, std::string sentence) {
  if (imported.notes.size() < kMaxImportNotes) imported.notes.push_back(std::move(sentence));
}
void note(Imported& imported, DomId domid, std::string_view sentence) {
  note(imported, "domain " + std::to_string(domid) + ": " + std::string(sentence));
}

void drop_watches(Imported& imported, ConnectionId id) {
  const auto session = imported.system.connections.find(id);
  if (session == imported.system.connections.end()) return;
  imported.watches -= session->second.watches.size();
  imported.system.connections.erase(session);
}

class Offline {
 public:
  Offline(const Tree& tree, const ImportOptions& options, Imported& imported)
      : tree_(tree), options_(options), imported_(imported) {}

  void run() {
    end_connections();
    identify_all();
  }
  void run_live() {
    live_ = true;
    identify_all();
  }

 private:
  void end_connections() {
    std::vector<LiveConnection> staying;
    std::uint64_t sockets = 0;
    for (LiveConnection& one : imported_.connections) {
      if (!one.ring) {
        ++sockets;
        drop_watches(imported_, one.id);
        continue;
      }
      freeze_if_half_read(one, imported_);
      staying.push_back(std::move(one));
    }
    imported_.connections = std::move(staying);
    if (sockets != 0) note(imported_, std::to_string(sockets) + " socket connections end here");
  }

  void identify_all() {
    for (auto& [domid, domain] : imported_.system.domains) {
      const bool permanent =
          domid == 0 || domid == options_.store_domid || domid == options_.control_domid;
      if (!permanent) identify(domid, domain);
    }
  }

  [[nodiscard]] std::optional<std::string_view> value_of(DomId domid, std::string_view name) const {
    std::string path;
    protocol::append_domain_path(domid, path);
    path.append(name);
    const Node* node = tree_.find(path);
    if (node == nullptr) return std::nullopt;
    return node->value();
  }

  void identify(DomId domid, SystemState::DomainState& domain) {
    if (const auto handle = handle_in(value_of(domid, "/vm").value_or(""))) {
      domain.handle = *handle;
    } else if (domain.unique_id == 0 && !live_) {
      note(imported_, domid,
           "no /vm says which life of this domid it is: a daemon on Xen will take it for one "
           "that ended");
    }
    if (!domain.introduced) return;
    domain.gfn =
        number_in<std::uint64_t>(value_of(domid, "/store/ring-ref").value_or("")).value_or(0);
    if (domain.remote_port != 0) return;
    const auto port = number_in<std::uint32_t>(value_of(domid, "/store/port").value_or(""));
    if (port && *port != 0) {
      domain.remote_port = *port;
      return;
    }
    note(imported_, domid,
         "no store/port says which event channel its ring has; it is to be introduced again");
    drop_watches(imported_, domain.connection);
    std::erase_if(imported_.connections,
                  [&](const LiveConnection& one) { return one.id == domain.connection; });
    domain.introduced = false;
    domain.connection = 0;
    domain.gfn = 0;
  }

  const Tree& tree_;
  const ImportOptions& options_;
  Imported& imported_;
  bool live_ = false;
};

}  // namespace

void settle_offline(const Tree& tree, const ImportOptions& options, Imported& imported) {
  Offline(tree, options, imported).run();
}

void settle_live(const Tree& tree, const ImportOptions& options, Imported& imported) {
  Offline(tree, options, imported).run_live();
}

void freeze_if_half_read(const LiveConnection& ring, Imported& imported) {
  if (ring.input.empty() && ring.output.empty()) return;
  drop_watches(imported, ring.id);
  imported.system.connections[ring.id].frozen = true;
  note(imported, *ring.ring,
       "requests or answers were on their way; its ring rests until it is introduced again");
}

}  // namespace vxs::store::migration
