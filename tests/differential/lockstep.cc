#include "tests/differential/lockstep.hh"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "tests/support/fake_guest.hh"
#include "tests/support/wire_client.hh"

namespace vxs::differential {
namespace {

using support::Event;
using support::Frame;
using support::WireError;
using support::zstrings;

constexpr uint32_t kRequestId = 4242;
constexpr unsigned kMostParts = 200;
constexpr std::chrono::seconds kSettle{10};

std::string events_text(const Observation& seen) {
  std::string text;
  for (unsigned client = 0; client < kClients; ++client) {
    for (const Event& event : seen.events[client]) {
      const std::string who = is_guest(client) ? "guest " + std::to_string(domid_of(client))
                                               : "client " + std::to_string(client);
      text += "\n      event to " + who + ": " + quoted(event.path) + " " + quoted(event.token);
    }
  }
  if (seen.before_reply > 0) {
    text += "\n      " + std::to_string(seen.before_reply) + " of them before the reply";
  }
  return text;
}

bool complete_part(const Frame& reply) {
  const std::string& names = reply.payload;
  return names == std::string(1, '\0') || names.ends_with(std::string(2, '\0'));
}

std::string reachable_text(const Observation& seen) {
  std::string text;
  for (unsigned client = kSockets; client < kClients; ++client) {
    if (seen.reachable[client]) text += " " + std::to_string(domid_of(client));
  }
  return text.empty() ? "" : "\n      connected guests:" + text;
}

// An error's name, or "OK": enough to recognise a difference by.
std::string kind_of_reply(const Observation& seen) {
  if (!seen.broken.empty()) return "broken";
  return seen.reply.is_error() ? seen.reply.error() : "OK";
}

}  // namespace

std::string reply_text(const Observation& seen) {
  if (!seen.broken.empty()) return seen.broken;
  if (seen.reply.is_error()) return seen.reply.error();
  const std::string generation = seen.generation.empty() ? "" : " generation " + seen.generation;
  return quoted(seen.reply.payload) + generation;
}

Side::Side(const StartServer& start) : server_(start()), clients_(kClients) {
  for (unsigned i = 0; i < kSockets; ++i) {
    clients_[i] = std::make_unique<support::WireClient>(server_->socket_path());
  }
}

World Side::world() {
  World world;
  for (unsigned client = 0; client < kClients; ++client) {
    if (!is_guest(client)) {
      world.reachable[client] = true;
    } else if (server_->machine() != nullptr) {
      auto& machine = server_->machine()->machine();
      const auto domain = machine.domain(domid_of(client));
      world.exists[client] = domain.has_value();
      const auto port = domain && clients_[client] != nullptr
                            ? machine.port_status(domain->domid, domain->store_port)
                            : tl::unexpected(ESRCH);
      world.reachable[client] = port && port->kind == fakexen::kInterdomain;
    }
  }
  return world;
}

uint32_t Side::transaction_id(const Step& step) const {
  if (step.slot == kBogusTransaction) return kBogusId;
  if (step.slot == kNoTransaction || step.kind == Kind::kStart) return 0;
  return ids_[step.client][static_cast<size_t>(step.slot)];
}

void Side::settle(const std::vector<uint32_t>& gone) {
  support::FakeMachine& machine = *server_->machine();
  for (const uint32_t domid : gone) {
    if (!machine.gone(domid, kSettle)) throw WireError("a dead domain's page stays mapped");
  }
  if (!machine.heard(kSettle)) throw WireError("VIRQ_DOM_EXC is not looked at");
}

void Side::run_machine(const Step& step) {
  support::FakeMachine& machine = *server_->machine();
  const auto domids = domids_in(step);
  for (const uint32_t domid : domids) {
    auto& guest = clients_[guest_of(domid)];
    if (step.kind == Kind::kCreate) {
      fakexen::Uuid handle{};
      handle.fill(static_cast<uint8_t>(step.type));
      machine.create_domain(domid, handle);
      guest = std::make_unique<support::FakeGuest>(machine.machine(), domid);
    }
    const auto reason = static_cast<support::ShutdownReason>(step.type);
    if (step.kind == Kind::kShutdown) machine.shutdown(domid, reason);
    if (step.kind == Kind::kResumeDomain) machine.resume(domid);
    if (step.kind == Kind::kSoftReset) machine.soft_reset(domid);
    if (step.kind == Kind::kDestroy) guest.reset();
  }
  if (step.kind == Kind::kDestroy) {
    machine.destroy(domids);
    ++deaths_;
  }
  settle(step.kind == Kind::kDestroy ? domids : std::vector<uint32_t>{});
}

void Side::send(const Step& step) {
  if (of_machine(step.kind)) return run_machine(step);
  support::FrameClient& client = *clients_[step.client];
  switch (step.kind) {
    case Kind::kRequest:
      return client.send({step.type, kRequestId, transaction_id(step), step.payload});
    case Kind::kBurst: {
      std::string bytes;
      const support::Frame frame{step.type, kRequestId, transaction_id(step), step.payload};
      for (unsigned i = 0; i < kBurstLength; ++i) bytes += encode(frame);
      return client.send_bytes(bytes);
    }
    case Kind::kStart:
      return client.send({support::kTransactionStart, kRequestId, 0, zstrings({""})});
    case Kind::kEnd:
      return client.send(
          {support::kTransactionEnd, kRequestId, transaction_id(step), step.payload});
    case Kind::kListAll:
      return client.send({support::kDirectoryPart, kRequestId, transaction_id(step),
                          zstrings({step.payload, "0"})});
    case Kind::kReconnect:
      clients_[step.client].reset();
      clients_[step.client] = std::make_unique<support::WireClient>(server_->socket_path());
      // Only when it is served has the daemon seen the old one go.
      return clients_[step.client]->send({support::kGetDomainPath, kRequestId, 0, zstrings({"0"})});
    default:
      return;
  }
}

void Side::receive(const Step& step, Observation& seen) {
  if (of_machine(step.kind)) return;
  support::FrameClient& client = *clients_[step.client];
  seen.reply = client.reply();
  seen.events[step.client] = client.take_events();
  seen.before_reply = seen.events[step.client].size();
  if (seen.reply.req_id != kRequestId || seen.reply.tx_id != transaction_id(step)) {
    throw WireError("reply with the ids of another request");
  }
  if (step.kind == Kind::kBurst) receive_burst(step, seen);
  seen.reply.req_id = seen.reply.tx_id = 0;
  keep_transaction(step, seen);
  const bool part = step.kind == Kind::kRequest && step.type == support::kDirectoryPart;
  if (seen.reply.is_error()) return;
  if (step.kind == Kind::kRequest && step.type == support::kIntroduce) meet(step);
  if (step.kind == Kind::kRequest && step.type == support::kRelease) ++deaths_;
  if (part || step.kind == Kind::kListAll) note_generation(step, seen);
  if (step.kind == Kind::kListAll) receive_list(step, seen);
}

// An introduced guest begins on a fresh ring.
void Side::meet(const Step& step) {
  for (const uint32_t domid : domids_in(step)) {
    auto* guest = dynamic_cast<support::FakeGuest*>(clients_[guest_of(domid)].get());
    if (guest != nullptr) guest->start_over();
    return;  // the other arguments are no domids
  }
}

void Side::keep_transaction(const Step& step, Observation& seen) {
  if (step.kind != Kind::kStart || seen.reply.is_error()) return;
  ids_[step.client][static_cast<size_t>(step.slot)] =
      static_cast<uint32_t>(std::strtoul(seen.reply.payload.c_str(), nullptr, 10));
  seen.reply.payload = "an id";
}

void Side::note_generation(const Step& step, Observation& seen) {
  const size_t end = seen.reply.payload.find('\0');
  if (end == std::string::npos) throw WireError("DIRECTORY_PART without a generation");
  const std::string generation = seen.reply.payload.substr(0, end);
  seen.reply.payload.erase(0, end + 1);
  if (generation.find_first_not_of("0123456789") != std::string::npos || generation.empty()) {
    throw WireError("DIRECTORY_PART with the generation " + quoted(generation));
  }
  // What a transaction's own copy carries is each daemon's affair.
  if (step.slot != kNoTransaction) return;
  const auto path = path_of(step);
  const Look now{.generation = generation, .deaths = deaths_};
  const auto [known, first] = looks_.try_emplace(path.value_or(""), now);
  seen.generation = first ? "first" : known->second.generation == generation ? "same" : "new";
  seen.death_since = known->second.deaths != deaths_;
  known->second = now;
}

void Side::receive_burst(const Step& step, Observation& seen) {
  support::FrameClient& client = *clients_[step.client];
  for (unsigned i = 1; i < kBurstLength; ++i) {
    if (client.reply() != seen.reply) throw WireError("unlike replies to like requests");
  }
  const auto more = client.take_events();
  seen.events[step.client].insert(seen.events[step.client].end(), more.begin(), more.end());
}

void Side::receive_list(const Step& step, Observation& seen) {
  support::FrameClient& client = *clients_[step.client];
  std::string names = seen.reply.payload;
  for (unsigned part = 0; part < kMostParts && !complete_part(seen.reply); ++part) {
    client.send({support::kDirectoryPart, kRequestId, transaction_id(step),
                 zstrings({step.payload, std::to_string(names.size())})});
    seen.reply = client.reply();
    const size_t end = seen.reply.payload.find('\0');
    if (seen.reply.is_error() || end == std::string::npos) throw WireError("a part is missing");
    seen.reply.payload.erase(0, end + 1);
    names += seen.reply.payload;
  }
  seen.reply = {support::kDirectoryPart, 0, 0, names};
}

void Side::drain_send() {
  drained_ = world().reachable;
  for (unsigned i = 0; i < kClients; ++i) {
    if (drained_[i]) clients_[i]->drain_send();
  }
}

void Side::drain_receive(Observation& seen) {
  seen.reachable = drained_;
  for (unsigned i = 0; i < kClients; ++i) {
    if (!drained_[i]) continue;
    auto more = clients_[i]->drain_receive();
    seen.events[i].insert(seen.events[i].end(), more.begin(), more.end());
  }
}

void Side::quietly(const Step& step, uint32_t type, const std::string& payload) {
  clients_[step.client]->call(type, payload, transaction_id(step));
  drain_send();
  Observation dropped;
  drain_receive(dropped);
}

std::vector<Event> merged(const std::vector<Event>& events) {
  std::vector<Event> result;
  for (const Event& event : events) {
    if (std::find(result.begin(), result.end(), event) == result.end()) result.push_back(event);
  }
  return result;
}

bool replies_agree(const Step& step, const Observation& a, const Observation& b) {
  if (a.broken != b.broken || a.generation != b.generation) return false;
  if (a.reachable != b.reachable) return false;
  if (a.reply == b.reply) return true;
  const bool part = step.type == support::kDirectoryPart && step.kind == Kind::kRequest;
  if (!part || a.reply.type != b.reply.type || a.reply.is_error()) return false;
  if (complete_part(a.reply) && complete_part(b.reply)) return false;
  const std::string& x = a.reply.payload;
  const std::string& y = b.reply.payload;
  return x.starts_with(y.substr(0, x.size())) && y.starts_with(x.substr(0, y.size()));
}

bool events_agree(const Step& step, const Observation& a, const Observation& b) {
  if (step.kind == Kind::kBurst) {
    // How many merge depends on how fast the reader is.
    return std::equal(a.events.begin(), a.events.end(), b.events.begin(),
                      [](const auto& x, const auto& y) { return merged(x) == merged(y); });
  }
  return a.events == b.events && a.before_reply == b.before_reply;
}

std::string Difference::signature() const {
  const bool events_only = replies_agree(step, reference, subject);
  return name_of(step) + ": " + kind_of_reply(reference) + " against " + kind_of_reply(subject) +
         (events_only ? ", events differ" : "");
}

std::string Difference::text() const {
  return describe(step) + "\n    reference: " + reply_text(reference) + events_text(reference) +
         reachable_text(reference) + "\n    subject:   " + reply_text(subject) +
         events_text(subject) + reachable_text(subject);
}

Lockstep::Lockstep(const StartServer& reference, const StartServer& subject)
    : reference_(reference), subject_(subject) {}

std::optional<Difference> Lockstep::run(const Step& step) {
  Difference difference{step, {}, {}};
  const auto attempt = [](Side& side, Observation& seen, auto&& action) {
    if (!seen.broken.empty()) return;
    try {
      action(side);
    } catch (const std::runtime_error& error) {
      seen.broken = std::string("broken: ") + error.what() + "; it printed: " + side.output();
    }
  };
  const auto both = [&](auto&& action) {
    attempt(reference_, difference.reference,
            [&](Side& side) { action(side, difference.reference); });
    attempt(subject_, difference.subject, [&](Side& side) { action(side, difference.subject); });
  };
  both([&](Side& side, Observation&) { side.send(step); });
  both([&](Side& side, Observation& seen) { side.receive(step, seen); });
  both([&](Side& side, Observation&) { side.drain_send(); });
  both([&](Side& side, Observation& seen) { side.drain_receive(seen); });
  last_ = difference.reference;
  // A reference that died is never agreement, even if the subject died too.
  const bool agree = difference.reference.broken.empty() &&
                     replies_agree(step, difference.reference, difference.subject) &&
                     events_agree(step, difference.reference, difference.subject);
  if (agree) return std::nullopt;
  return difference;
}

}  // namespace vxs::differential
