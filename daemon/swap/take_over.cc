#include "daemon/swap/take_over.hh"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <optional>
#include <set>

#include "daemon/core/connection.hh"
#include "daemon/hypervisor/xen_hypervisor.hh"
#include "daemon/loop/kept_connections.hh"
#include "daemon/process/directories.hh"
#include "daemon/process/file_lock.hh"
#include "daemon/process/instance.hh"
#include "daemon/supervisor/message.hh"
#include "daemon/swap/left_behind.hh"
#include "daemon/swap/slot_stream.hh"
#include "store/crash_point.hh"
#include "store/history/history_writer.hh"
#include "store/journal/checkpoint.hh"
#include "store/journal/load_state.hh"
#include "store/migration/import_state.hh"
#include "store/migration/offline.hh"

namespace vxs::swap {
namespace {

using process::start_error;
using process::StartResult;
using store::migration::Imported;
using store::migration::ImportOptions;
using store::migration::LiveConnection;

constexpr const char* kListenName = "listen";
/// Of a journal that is damaged: where its files go. What it had is not wanted, but not ours to
/// throw away.
constexpr const char* kSetAside = "set-aside";
/// Numbers left out where nobody knows which were given.
constexpr Seq kUnknownNumbers = Seq{1} << 32;

/// A number for client-<n> that no supervisor of this boot has given out: they count from the
/// microseconds since the boot.
std::uint64_t first_client_number() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec) / 1000;
}

class TakeOver {
 public:
  TakeOver(const config::Config& config, Beginning beginning)
      : config_(config), beginning_(std::move(beginning)) {}

  StartResult<TakenOver> run() {
    out_.stream = stream_path();
    const auto stream = beginning_.env.read_file(out_.stream);
    if (!stream) return start_error(stream.error().what);
    if (auto locked = lock(); !locked) return tl::unexpected(locked.error());
    look_at_old_journal();
    if (auto read = read_stream(*stream); !read) return tl::unexpected(read.error());
    VXS_CRASH_POINT("take-over-stream-read");
    if (auto filled = fill_area(); !filled) return tl::unexpected(filled.error());
    VXS_CRASH_POINT("take-over-area-filled");
    if (auto written = write_state(); !written) return tl::unexpected(written.error());
    VXS_CRASH_POINT("take-over-state-written");
    keep_descriptors();
    VXS_CRASH_POINT("take-over-descriptors-kept");
    return std::move(out_);
  }

 private:
  void note(std::string sentence) { out_.notes.push_back(std::move(sentence)); }

  /// No other daemon may use the directories. The locks go before ours starts, which takes them.
  StartResult<void> lock() {
    if (auto made = process::prepare_directories(config_); !made) return made;
    for (const auto& directory : {config_.state_dir, config_.journal_dir}) {
      auto lock =
          process::FileLock::acquire(directory + "/" + process::kLockName, "directory lock");
      if (!lock) return tl::unexpected(lock.error());
      locks_.push_back(std::move(*lock));
    }
    return {};
  }

  /// Of what we were once before, only the numbers count: none is given twice.
  void look_at_old_journal() {
    store::Tree tree = beginning_.tree;
    store::RecoveryReport report;
    const auto loaded = store::load_state(beginning_.env, config_.journal_dir, beginning_.boot_id,
                                          beginning_.perms, tree, report);
    Seq last = report.last_seq;
    if (!loaded) {
      old_is_damaged_ = true;
      last += kUnknownNumbers;
      note(fmt::format("the journal of an earlier time cannot be read ({}); it goes to {}/{}",
                       loaded.error().message, config_.journal_dir, kSetAside));
    }
    if (config_.history && beginning_.env.exists(config_.history_dir())) {
      const auto newest = store::newest_history_seq(beginning_.env, config_.history_dir());
      last = std::max(last, newest.value_or(last + kUnknownNumbers));
    }
    meta_.seq = last + 1;
    meta_.starts = report.starts;
    meta_.last_connection = report.last_connection;
  }

  StartResult<void> read_stream(std::string_view stream) {
    ImportOptions options;
    options.seq = meta_.seq;
    options.store_domid = config_.store_domid;
    options.control_domid = config_.control_domid;
    options.offered_features = daemon::kOfferedFeatures;
    options.first_connection = meta_.last_connection + 1;
    auto imported =
        store::migration::import_state(stream, options, beginning_.perms, beginning_.tree);
    if (!imported) return start_error(out_.stream + ": " + imported.error().message);
    imported_ = std::move(*imported);
    if (beginning_.xen) look_at_ports(beginning_.xen->channels);
    store::migration::settle_live(beginning_.tree, options, imported_);
    if (beginning_.xen) {
      for (const daemon::DomainInfo& info : beginning_.xen->domains) identify(info);
    }
    if (const auto wrong = check_socket(imported_.descriptors.socket_fd, true)) {
      return start_error(out_.stream + ": the listening socket: " + *wrong);
    }
    return {};
  }

  /// The other end of what the daemon before had bound is surer than what nodes say of it. It also
  /// proves that nobody died meanwhile, whose domid another one has now.
  void look_at_ports(const std::vector<daemon::EventChannel>& channels) {
    if (channels.empty()) return;  // Xen did not say
    for (const LiveConnection& one : imported_.connections) {
      if (!one.ring || one.local_port == 0) continue;
      const auto found = std::lower_bound(channels.begin(), channels.end(), one.local_port,
                                          [](const daemon::EventChannel& channel,
                                             daemon::Port port) { return channel.local < port; });
      const bool connected = found != channels.end() && found->local == one.local_port &&
                             found->kind == daemon::EventChannel::Kind::kInterdomain &&
                             found->domid == *one.ring;
      if (connected) {
        imported_.system.domains[*one.ring].remote_port = found->remote;
      } else {
        cut_off_.insert(*one.ring);
      }
    }
  }

  /// The daemon before served this domain until a moment ago, so it is the life there is. Of one
  /// that closed its channel since, that is not known.
  void identify(const daemon::DomainInfo& info) {
    const auto found = imported_.system.domains.find(info.domid);
    if (found == imported_.system.domains.end() || info.dying) return;
    if (cut_off_.contains(info.domid)) return;
    found->second.handle = info.handle;
    if (found->second.unique_id == 0) found->second.unique_id = info.unique_id;
  }

  StartResult<void> fill_area() {
    auto area = daemon::KeptConnections::begin_area();
    if (!area) return start_error(area.error());
    area_ = std::move(*area);
    area_->set_published_seq(meta_.seq);
    std::uint64_t number = first_client_number();
    for (const LiveConnection& one : imported_.connections) {
      meta_.last_connection = std::max(meta_.last_connection, one.id);
      if (one.ring) {
        if (!add_ring(one)) store::migration::freeze_if_half_read(one, imported_);
        continue;
      }
      if (auto wrong = add(one, number)) {
        note(fmt::format("connection {} ends here: {}", one.id, *wrong));
        imported_.system.connections.erase(one.id);
        continue;
      }
      out_.descriptors.emplace_back(supervisor::client_name(number), one.fd);
      ++number;
    }
    return {};
  }

  /// What is wrong with it; nothing: it has a slot.
  std::optional<std::string> add(const LiveConnection& client, std::uint64_t number) {
    if (auto wrong = check_socket(client.fd, false)) return wrong;
    if (!sockets_.insert(client.fd).second) {
      return fmt::format("descriptor {} is another one's too", client.fd);
    }
    ucred peer{};
    socklen_t size = sizeof peer;
    (void)::getsockopt(client.fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
    const auto slot = area_->open_slot({.connection = client.id,
                                        .kind = daemon::WireKind::kSocket,
                                        .descriptor = number,
                                        .peer = {.domid = config_.store_domid,
                                                 .pid = peer.pid,
                                                 .uid = peer.uid,
                                                 .features = daemon::kSocketFeatures,
                                                 .command = {}}});
    if (!slot) return "there is no room for it in the wire area";
    if (fill_slot(client, **slot)) return std::nullopt;
    area_->close_slot(**slot);
    return fmt::format("{} bytes of requests and {} of replies are too many", client.input.size(),
                       client.output.size());
  }

  /// Its indices are in its page: where they are when nothing is being moved, the ring goes on.
  /// False: there is no room for it, or for what is on its way.
  bool add_ring(const LiveConnection& ring) {
    if (!beginning_.xen) return false;
    const auto& domain = imported_.system.domains[*ring.ring];
    const auto slot =
        area_->open_slot({.connection = ring.id,
                          .kind = daemon::WireKind::kRing,
                          .descriptor = 0,
                          .peer = {.domid = *ring.ring,
                                   .pid = 0,
                                   .uid = 0,
                                   .features = domain.features.value_or(daemon::kOfferedFeatures),
                                   .command = {}},
                          .ring_begun = meta_.seq});
    if (!slot) return false;
    if (fill_slot(ring, **slot)) return true;
    area_->close_slot(**slot);
    return false;
  }

  /// With them all ports stay bound, and no event is lost.
  void keep_events(std::set<int>& wanted) {
    if (!beginning_.xen) return;
    const int fd = imported_.descriptors.event_fd;
    if (const auto wrong = daemon::check_event_device(fd)) {
      note("the event channels are bound anew: " + *wrong);
      return;
    }
    wanted.insert(fd);
    out_.descriptors.emplace_back(daemon::kEventsName, fd);
  }

  StartResult<void> write_state() {
    if (old_is_damaged_) set_aside();
    meta_.boot_id = beginning_.boot_id;
    meta_.time_us = beginning_.time_us;
    meta_.clean_shutdown = true;
    const auto written = store::write_checkpoint(beginning_.env, config_.journal_dir, meta_,
                                                 beginning_.tree, imported_.system);
    if (!written) return start_error(written.error().what);
    return {};
  }

  void set_aside() {
    store::Env& env = beginning_.env;
    const std::string aside = fmt::format("{}/{}", config_.journal_dir, kSetAside);
    (void)env.make_directories(aside);
    const auto names = env.list_directory(config_.journal_dir);
    if (!names) return;
    for (const std::string& name : *names) {
      if (!name.starts_with("segment-") && !name.starts_with("checkpoint-")) continue;
      (void)env.rename_file(config_.journal_dir + "/" + name, aside + "/" + name);
    }
  }

  void keep_descriptors() {
    std::set<int> wanted = sockets_;
    keep_events(wanted);
    wanted.insert(imported_.descriptors.socket_fd);
    out_.descriptors.emplace_back(kListenName, imported_.descriptors.socket_fd);
    close_others(wanted);
    for (const int fd : wanted) make_ours(fd);
    out_.descriptors.emplace_back(daemon::kWireAreaName, ::fcntl(area_->fd(), F_DUPFD_CLOEXEC, 3));
    std::move(imported_.notes.begin(), imported_.notes.end(), std::back_inserter(out_.notes));
    out_.summary = fmt::format(
        "stream version {}: {} nodes, {} watches, {} domains, {} clients; they go on at Seq {}",
        static_cast<unsigned>(imported_.version), imported_.nodes, imported_.watches,
        imported_.system.domains.size(), sockets_.size(), meta_.seq);
  }

  const config::Config& config_;
  Beginning beginning_;
  TakenOver out_;
  std::vector<process::FileLock> locks_;
  bool old_is_damaged_ = false;
  store::CheckpointMeta meta_;
  Imported imported_;
  std::unique_ptr<daemon::WireArea> area_;
  std::set<int> sockets_;
  std::set<DomId> cut_off_;  ///< whose rings had a port that is not connected to them any more
};

}  // namespace

std::string stream_path() {
  const char* rundir = std::getenv("XENSTORED_RUNDIR");
  return std::string(rundir != nullptr ? rundir : "/var/run/xenstored") + "/state_dump";
}

StartResult<TakenOver> take_over(const config::Config& config, Beginning beginning) {
  return TakeOver(config, std::move(beginning)).run();
}

}  // namespace vxs::swap
