#include "tests/crash/kept/scripted_server.hh"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "tests/crash/kept/board.hh"

namespace vxs::test::kept {
namespace {

using support::Frame;
using support::zstrings;

const std::string kPerms("b0\0", 3);  // guests may

std::vector<std::string> strings_of(const std::string& payload) {
  std::vector<std::string> result;
  std::size_t at = 0;
  for (std::size_t nul = 0; (nul = payload.find('\0', at)) != std::string::npos; at = nul + 1) {
    result.push_back(payload.substr(at, nul - at));
  }
  return result;
}

bool of_pairs(const std::vector<ModelRequest>& changes) {
  return !changes.empty() && changes.front().path.starts_with("/soak/pair/");
}

bool matches(const std::string& path, const std::optional<std::uint32_t>& depth,
             const std::string& changed) {
  if (changed == path) return true;
  if (!changed.starts_with(path + '/')) return false;
  const auto below = changed.begin() + static_cast<std::ptrdiff_t>(path.size());
  return !depth || std::count(below, changed.end(), '/') <= static_cast<std::ptrdiff_t>(*depth);
}

}  // namespace

ScriptedServer::ScriptedServer(Fault fault, std::uint64_t every)
    : fault_(fault), every_(every), store_("/soak", kPerms) {}

ScriptedServer::~ScriptedServer() {
  for (const auto& peer : peers_) close(*peer);
  peers_.clear();
  if (events_fd_ >= 0) ::close(events_fd_);
}

void ScriptedServer::serve_guests(fakexen::Machine& machine) {
  machine_ = &machine;
  const auto fd = machine.open_handle(true);
  if (!fd) throw std::runtime_error("open_handle");
  events_fd_ = *fd;
  events_ = machine.handle_of(events_fd_).value();
}

void ScriptedServer::close(Peer& peer) {
  if (peer.fd >= 0) ::close(std::exchange(peer.fd, -1));
}

std::unique_ptr<Link> ScriptedServer::connect() {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0) {
    throw std::runtime_error("socketpair");
  }
  peers_.push_back(std::make_unique<Peer>());
  peers_.back()->fd = ends[0];
  return make_socket_link(ends[1]);
}

bool ScriptedServer::breaks(Fault fault) {
  if (!began_ || fault != fault_ || ++opportunities_ % every_ != 0) return false;
  ++broken_;
  return true;
}

StoreDump ScriptedServer::dump(const std::string& root) const {
  StoreDump all = store_.dump();
  std::erase_if(all, [&root](const auto& node) {
    return node.first != root && !node.first.starts_with(root + '/');
  });
  return all;
}

void ScriptedServer::kill(bool closing) {
  for (const auto& peer : peers_) {
    if (closing && !peer->ring) close(*peer);
    if (breaks(Fault::kForgetWatches)) peer->watches.clear();
    if (breaks(Fault::kForgetTransactions)) peer->transactions.clear();
    if (breaks(Fault::kForgetDepths)) {
      for (auto& [token, watch] : peer->watches) watch.depth.reset();
    }
    if (breaks(Fault::kDoomTransactions)) {
      for (auto& [id, transaction] : peer->transactions) transaction.doomed = true;
    }
  }
}

void ScriptedServer::serve() {
  look_at_guests();
  for (const auto& peer : peers_) {
    if (peer->fd >= 0 || peer->ring) serve(*peer);
  }
  std::erase_if(peers_, [](const auto& peer) { return peer->fd < 0 && !peer->ring; });
  std::move(new_peers_.begin(), new_peers_.end(), std::back_inserter(peers_));
  new_peers_.clear();
}

void ScriptedServer::serve(Peer& peer) {
  if (peer.hangs) return;
  std::array<char, 16384> chunk;
  ssize_t got = -1;
  if (peer.ring) peer.ring->receive(peer.in, peer.silent);
  while (peer.fd >= 0 && (got = recv(peer.fd, chunk.data(), chunk.size(), 0)) > 0) {
    peer.in.append(chunk.data(), static_cast<std::size_t>(got));
  }
  while ((peer.fd >= 0 || peer.ring) && !peer.hangs && peer.in.size() >= 16) {
    std::array<std::uint32_t, 4> header{};
    std::memcpy(header.data(), peer.in.data(), 16);
    if (peer.in.size() < 16 + header[3]) break;
    const Frame asked{header[0], header[1], header[2], peer.in.substr(16, header[3])};
    peer.in.erase(0, 16 + header[3]);
    handle(peer, asked);
  }
  if (peer.ring) {
    if (!peer.silent && !peer.out.empty() && breaks(Fault::kNoSignal)) peer.silent = true;
    peer.out.erase(0, peer.ring->send(peer.out, peer.silent));
    if (breaks(Fault::kFreezeRing)) peer.ring->page().set(support::GuestPage::kError, 2);
    if (breaks(Fault::kBadIndices)) {
      peer.ring->page().set(support::GuestPage::kRspProd,
                            peer.ring->page().get(support::GuestPage::kRspCons) + 5000);
    }
    return;
  }
  if (peer.fd < 0) return;
  const ssize_t sent = send(peer.fd, peer.out.data(), peer.out.size(), MSG_NOSIGNAL);
  if (sent > 0) peer.out.erase(0, static_cast<std::size_t>(sent));
  if (got == 0) close(peer);
}

void ScriptedServer::handle(Peer& peer, const Frame& asked) {
  if (breaks(Fault::kHang)) peer.hangs = true;
  if (breaks(Fault::kClose)) return close(peer);
  first_event_.clear();
  Frame reply{asked.type, asked.req_id, asked.tx_id, std::string("OK\0", 3)};
  std::string error;
  try {
    error = outcome(peer, asked, reply);
  } catch (const std::logic_error&) {
    error = "EINVAL";  // what it misread is no request
  }
  if (!error.empty()) {
    reply.type = support::kError;
    reply.payload = zstrings({error});
  }
  put(peer, std::move(reply));
  if (!first_event_.empty() && !breaks(Fault::kDropFirstEvent)) {
    put_event(peer, peer.watches.at(first_event_).path, first_event_);
  }
}

std::string ScriptedServer::outcome(Peer& peer, const Frame& asked, Frame& reply) {
  const auto strings = strings_of(asked.payload);
  if (asked.tx_id != 0 && !peer.transactions.contains(asked.tx_id)) return "ENOENT";
  switch (asked.type) {
    case support::kGetDomainPath:
      reply.payload = zstrings({"/local/domain/" + strings.at(0)});
      return "";
    case support::kRead:
      return read(peer, asked, reply);
    case support::kTransactionStart:
      reply.payload = zstrings({std::to_string(peer.next_tx)});
      peer.transactions.emplace(peer.next_tx++, Transaction{store_, {}, {}, false});
      return "";
    case support::kTransactionEnd:
      return end(peer, asked);
    case support::kWatch:
      return watch(peer, asked);
    case support::kUnwatch:
      return unwatch(peer, asked);
    case support::kResetWatches:
      peer.watches.clear();
      return "";
    case support::kIntroduce:
      return introduce(asked);
    case support::kRelease:
      return release(asked);
    case support::kIsDomainIntroduced:
      reply.payload =
          zstrings({guest(static_cast<std::uint32_t>(std::stoul(strings.at(0)))) ? "T" : "F"});
      return "";
    case support::kDirectory:
      reply.payload.clear();
      if (const StoreDump all = store_.dump(); all.contains(strings.at(0))) {
        for (const auto& child : all.at(strings[0]).children) reply.payload += zstrings({child});
      }
      return "";
    default:
      return change(peer, asked);
  }
}

std::string ScriptedServer::read(Peer& peer, const Frame& asked, Frame& reply) {
  const std::string path = strings_of(asked.payload).at(0);
  const Model& view = asked.tx_id == 0 ? store_ : peer.transactions.at(asked.tx_id).view;
  const std::string* value = view.value(path);
  if (asked.tx_id != 0) {
    Transaction& transaction = peer.transactions.at(asked.tx_id);
    // Only pairs have several writers; each transaction reads them before it writes.
    if (value != nullptr && path.starts_with("/soak/pair/")) transaction.reads[path] = *value;
  }
  if (value == nullptr) return "ENOENT";
  reply.payload = *value;
  if (const auto number = number_of(*value); number > 0 && breaks(Fault::kStaleCounter)) {
    reply.payload = std::to_string(number - 1);
  }
  return "";
}

void ScriptedServer::apply(const ModelRequest& request, std::uint32_t creator) {
  if (store_.apply(request, creator).empty()) fire(request.path);
}

std::string ScriptedServer::change(Peer& peer, const Frame& asked) {
  const std::size_t nul = asked.payload.find('\0');
  const ModelRequest request{.type = static_cast<support::Type>(asked.type),
                             .path = asked.payload.substr(0, nul),
                             .argument = asked.payload.substr(nul + 1)};
  const std::uint32_t creator = peer.ring ? peer.ring->domid() : 0;
  if (asked.tx_id != 0) {
    Transaction& transaction = peer.transactions.at(asked.tx_id);
    transaction.changes.push_back(request);
    if (breaks(Fault::kDirtyRead)) apply(request, creator);
    return transaction.view.apply(request, creator);
  }
  if (request.type == support::kWrite && breaks(Fault::kLoseWrite)) return "";
  const std::string error = store_.apply(request, creator);
  if (error.empty()) fire(request.path);
  return error;
}

std::string ScriptedServer::end(Peer& peer, const Frame& asked) {
  Transaction transaction = std::move(peer.transactions.at(asked.tx_id));
  peer.transactions.erase(asked.tx_id);
  if (strings_of(asked.payload).at(0) != "T") return "";
  if (transaction.doomed) return "EAGAIN";
  const bool pairs = of_pairs(transaction.changes);
  bool conflict = false;
  for (const auto& [path, value] : transaction.reads) {
    const std::string* now = store_.value(path);
    if (now == nullptr || *now != value) conflict = true;
  }
  if (conflict && !(pairs && breaks(Fault::kNoConflicts))) return "EAGAIN";
  std::vector<ModelRequest>& changes = transaction.changes;
  if (pairs && breaks(Fault::kRepeatCommit)) again_ = changes;
  if (changes.size() > 1 && breaks(pairs ? Fault::kHalfPair : Fault::kHalfCommit)) {
    changes.resize(changes.size() / 2);
  }
  for (const ModelRequest& one : changes) apply(one, peer.ring ? peer.ring->domid() : 0);
  return pairs && breaks(Fault::kCommitAndRefuse) ? "EAGAIN" : "";
}

std::string ScriptedServer::watch(Peer& peer, const Frame& asked) {
  const auto strings = strings_of(asked.payload);
  Watch watch{.path = strings.at(0), .depth = std::nullopt};
  if (strings.size() > 2) watch.depth = static_cast<std::uint32_t>(std::stoul(strings[2]));
  if (!peer.watches.emplace(strings.at(1), std::move(watch)).second) return "EEXIST";
  first_event_ = strings[1];
  return "";
}

std::string ScriptedServer::unwatch(Peer& peer, const Frame& asked) {
  return peer.watches.erase(strings_of(asked.payload).at(1)) == 1 ? "" : "ENOENT";
}

// ------------------------------------------------------------------------------------- guests

ScriptedServer::Peer* ScriptedServer::guest(std::uint32_t domid) {
  for (const auto* peers : {&peers_, &new_peers_}) {
    for (const auto& peer : *peers) {
      if (peer->ring && peer->ring->domid() == domid) return peer.get();
    }
  }
  return nullptr;
}

std::string ScriptedServer::introduce(const Frame& asked) {
  const auto strings = strings_of(asked.payload);
  const auto domid = static_cast<std::uint32_t>(std::stoul(strings.at(0)));
  const auto port = static_cast<fakexen::Port>(std::stoul(strings.at(2)));
  Peer* known = guest(domid);
  if (known != nullptr && known->ring->is_of_another_life()) {
    bury(*known);
    known = nullptr;
  }
  if (known != nullptr) {
    known->ring->rebind(port);
    begin_anew(*known);
    return "";
  }
  new_peers_.push_back(std::make_unique<Peer>());
  new_peers_.back()->ring = std::make_unique<ScriptedRing>(*machine_, events_, domid, port);
  new_peers_.back()->ring->begin_anew();
  if (!breaks(Fault::kNoIntroduceEvent)) fire_special("@introduceDomain", domid);
  return "";
}

std::string ScriptedServer::release(const Frame& asked) {
  Peer* const known =
      guest(static_cast<std::uint32_t>(std::stoul(strings_of(asked.payload).at(0))));
  if (known == nullptr) return "ENOENT";
  bury(*known);
  return "";
}

void ScriptedServer::look_at_guests() {
  for (const auto& peer : peers_) {
    if (!peer->ring) continue;
    if (!peer->ring->lives()) {
      peer->kept = peer->kept || breaks(Fault::kKeepDomain);
      if (!peer->kept) bury(*peer);
    } else if (peer->ring->wants_anew() && !breaks(Fault::kIgnoreReconnect)) {
      begin_anew(*peer);
    }
  }
}

void ScriptedServer::begin_anew(Peer& peer) {
  if (!breaks(Fault::kKeepWatches)) peer.watches.clear();
  if (!breaks(Fault::kKeepInput)) peer.in.clear();
  peer.transactions.clear();
  peer.next_tx = 1;
  peer.out.clear();
  peer.held.clear();
  peer.ring->begin_anew();
}

void ScriptedServer::bury(Peer& peer) {
  const std::uint32_t domid = peer.ring->domid();
  const std::string owner = std::to_string(domid) + '\0';
  if (breaks(Fault::kKeepPage)) peer.ring->keep_mapped();
  peer.ring.reset();
  if (!breaks(Fault::kKeepNodes)) {
    for (const auto& [path, node] : store_.dump()) {
      if (node.perms.compare(1, owner.size(), owner) == 0) {
        apply({.type = support::kRm, .path = path, .argument = {}}, 0);
      }
    }
  }
  if (!breaks(Fault::kNoReleaseEvent)) fire_special("@releaseDomain", domid);
}

void ScriptedServer::fire_special(const std::string& name, std::uint32_t domid) {
  for (const auto& peer : peers_) {
    for (const auto& [token, watch] : peer->watches) {
      if (watch.path == name) put_event(*peer, name + '/' + std::to_string(domid), token);
    }
  }
}

void ScriptedServer::put_event(Peer& peer, const std::string& path, const std::string& token) {
  peer.out += support::encode({support::kWatchEvent, 0, 0, zstrings({path, token})});
}

void ScriptedServer::fire(const std::string& path) {
  for (const auto& peer : peers_) {
    for (const auto& [token, watch] : peer->watches) {
      if (!matches(watch.path, watch.depth, path)) continue;
      if (path.ends_with("/beat") && breaks(Fault::kDropEvent)) continue;
      put_event(*peer, path, breaks(Fault::kStrangeEvent) ? "nobody" : token);
      if (breaks(Fault::kDoubleEvents)) put_event(*peer, path, token);
    }
  }
  if (!again_.empty() && path == again_.front().path) {
    // Other commits came in between, which this one undoes.
    if (number_of(*store_.value(path)) > number_of(again_.front().argument) + 1) {
      for (const ModelRequest& one : std::exchange(again_, {})) (void)store_.apply(one);
    }
  }
}

void ScriptedServer::put(Peer& peer, Frame reply) {
  const bool last = !peer.held.empty();
  if (breaks(Fault::kWrongRequestId)) reply.req_id += 1;
  std::string bytes = support::encode(reply);
  if (breaks(Fault::kLoseByte)) bytes.pop_back();
  if (breaks(Fault::kLoseReply)) return;
  if (!last && reply.type == support::kGetDomainPath && breaks(Fault::kSwapReplies)) {
    peer.held = bytes;
    return;
  }
  peer.out += bytes;
  if (breaks(Fault::kDoubleReply)) peer.out += bytes;
  if (last) peer.out += std::exchange(peer.held, {});
}

}  // namespace vxs::test::kept
