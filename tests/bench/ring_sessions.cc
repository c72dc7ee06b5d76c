#include "tests/bench/ring_sessions.hh"

#include <utility>
#include <vector>

#include "tests/bench/bulk.hh"
#include "tests/bench/meter.hh"
#include "tests/bench/ring_guests.hh"
#include "tests/bench/ring_load.hh"
#include "tests/bench/simple_scripts.hh"

namespace vxs::bench {

namespace {

constexpr unsigned kParts = 3;
constexpr unsigned kVmsMeasured = 10;

std::string home_of(unsigned domid) { return "/local/domain/" + std::to_string(domid); }

Measurement measure_rings(Server& server, const MeasureOptions& options,
                          std::vector<RingClient>& clients) {
  static_cast<void>(run_rings(clients, options.warm_up));
  Meter meter(server, options);
  meter.begin();
  meter.finish(run_rings(clients, options.duration));
  server.require_alive();
  return meter.result();
}

class RingLoopSession final : public Session {
 public:
  RingLoopSession(ScriptFactory script, unsigned guests)
      : script_(std::move(script)), guests_(guests) {}

  void prepare(Server& server) override {
    machine_ = std::make_unique<fakexen::Machine>(server.machine_directory());
    std::vector<BlockRequest> requests;
    for (unsigned i = 0; i < guests_; ++i) {
      const unsigned domid = i + 1;
      fakexen::Uuid handle{};
      handle[0] = static_cast<std::uint8_t>(domid);
      static_cast<void>(machine_->create_domain(domid, handle));
      clients_.push_back({RingConnection(*machine_, domid), script_(i)});
      const std::vector<std::string> owner{"n" + std::to_string(domid)};
      requests.push_back({MessageType::kMkdir, path_body(home_of(domid))});
      requests.push_back({MessageType::kSetPerms, perms_body(home_of(domid), owner)});
      for (unsigned part = 0; part < kParts; ++part) {
        requests.push_back({MessageType::kWrite, write_body(client_path(i, part), "10000000")});
      }
      requests.push_back({MessageType::kIntroduce, clients_.back().connection.introduction()});
    }
    Connection connection(server.socket_path());
    std::size_t at = 0;
    run_pipelined(connection, [&](std::string& out) {
      if (at == requests.size()) return false;
      append_request(out, requests[at].type, 0, {requests[at].body});
      ++at;
      return true;
    });
  }

  Measurement measure(Server& server, const MeasureOptions& options) override {
    return measure_rings(server, options, clients_);
  }

 private:
  ScriptFactory script_;
  unsigned guests_;
  std::unique_ptr<fakexen::Machine> machine_;
  std::vector<RingClient> clients_;  // after machine_: they unmap through it
};

enum class Measured { kStart, kStop };

class RingVmSession final : public Session {
 public:
  RingVmSession(Measured measured, unsigned existing) : measured_(measured), existing_(existing) {}

  void prepare(Server& server) override {
    guests_ = std::make_unique<RingGuests>(server);
    LoadResult unused;
    for (unsigned domid = 1; domid <= existing_; ++domid) guests_->start(domid, unused);
  }

  Measurement measure(Server& server, const MeasureOptions& options) override {
    Meter meter(server, options);
    if (measured_ == Measured::kStart) {
      meter.begin();
      meter.finish(starts());
      static_cast<void>(stops());
    } else {
      static_cast<void>(starts());
      meter.begin();
      meter.finish(stops());
    }
    server.require_alive();
    return meter.result();
  }

 private:
  LoadResult starts() {
    return each([this](unsigned domid, LoadResult& load) { guests_->start(domid, load); });
  }
  LoadResult stops() {
    return each([this](unsigned domid, LoadResult& load) { guests_->stop(domid, load); });
  }

  // One operation for each of the VMs beside the existing ones.
  template <typename Operation>
  LoadResult each(Operation operation) {
    LoadResult load;
    for (unsigned domid = existing_ + 1; domid <= existing_ + kVmsMeasured; ++domid) {
      const auto began = std::chrono::steady_clock::now();
      operation(domid, load);
      const std::chrono::nanoseconds taken = std::chrono::steady_clock::now() - began;
      load.latencies_ns.push_back(static_cast<std::uint64_t>(taken.count()));
      load.seconds += std::chrono::duration<double>(taken).count();
    }
    return load;
  }

  Measured measured_;
  unsigned existing_;
  std::unique_ptr<RingGuests> guests_;
};

class RingBesideSession final : public Session {
 public:
  RingBesideSession(ScriptFactory script, unsigned existing)
      : script_(std::move(script)), existing_(existing) {}

  void prepare(Server& server) override {
    guests_ = std::make_unique<RingGuests>(server);
    LoadResult unused;
    for (unsigned domid = 1; domid <= existing_; ++domid) guests_->start(domid, unused);
    // A second mapping of the middle one's ring, whose first user is silent from here on.
    const unsigned domid = existing_ / 2;
    clients_.push_back({RingConnection(guests_->machine(), domid), script_(domid - 1)});
  }

  Measurement measure(Server& server, const MeasureOptions& options) override {
    return measure_rings(server, options, clients_);
  }

 private:
  ScriptFactory script_;
  unsigned existing_;
  std::unique_ptr<RingGuests> guests_;
  std::vector<RingClient> clients_;  // after guests_: they unmap through its machine
};

}  // namespace

std::unique_ptr<Session> make_ring_loop(const ScriptFactory& script, unsigned guests) {
  return std::make_unique<RingLoopSession>(script, guests);
}

std::unique_ptr<Session> make_ring_vm_start(unsigned existing) {
  return std::make_unique<RingVmSession>(Measured::kStart, existing);
}

std::unique_ptr<Session> make_ring_vm_stop(unsigned existing) {
  return std::make_unique<RingVmSession>(Measured::kStop, existing);
}

std::unique_ptr<Session> make_ring_beside(const ScriptFactory& script, unsigned existing) {
  return std::make_unique<RingBesideSession>(script, existing);
}

}  // namespace vxs::bench
