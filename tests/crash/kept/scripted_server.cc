#include "tests/crash/kept/scripted_server.hh"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "tests/crash/kept/board.hh"

namespace vxs::test::kept {
namespace {

using support::Frame;
using support::zstrings;

const std::string kPerms("n0\0", 3);

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
    if (closing) close(*peer);
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
  for (const auto& peer : peers_) {
    if (peer->fd >= 0) serve(*peer);
  }
  std::erase_if(peers_, [](const auto& peer) { return peer->fd < 0; });
}

void ScriptedServer::serve(Peer& peer) {
  if (peer.hangs) return;
  std::array<char, 16384> chunk;
  ssize_t got = 0;
  while ((got = recv(peer.fd, chunk.data(), chunk.size(), 0)) > 0) {
    peer.in.append(chunk.data(), static_cast<std::size_t>(got));
  }
  while (peer.fd >= 0 && !peer.hangs && peer.in.size() >= 16) {
    std::array<std::uint32_t, 4> header{};
    std::memcpy(header.data(), peer.in.data(), 16);
    if (peer.in.size() < 16 + header[3]) break;
    const Frame asked{header[0], header[1], header[2], peer.in.substr(16, header[3])};
    peer.in.erase(0, 16 + header[3]);
    handle(peer, asked);
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
  if (const std::string error = outcome(peer, asked, reply); !error.empty()) {
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

void ScriptedServer::apply(const ModelRequest& request) {
  if (store_.apply(request).empty()) fire(request.path);
}

std::string ScriptedServer::change(Peer& peer, const Frame& asked) {
  const std::size_t nul = asked.payload.find('\0');
  const ModelRequest request{.type = static_cast<support::Type>(asked.type),
                             .path = asked.payload.substr(0, nul),
                             .argument = asked.payload.substr(nul + 1)};
  if (asked.tx_id != 0) {
    Transaction& transaction = peer.transactions.at(asked.tx_id);
    transaction.changes.push_back(request);
    if (breaks(Fault::kDirtyRead)) apply(request);
    return transaction.view.apply(request);
  }
  if (request.type == support::kWrite && breaks(Fault::kLoseWrite)) return "";
  const std::string error = store_.apply(request);
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
  for (const ModelRequest& one : changes) apply(one);
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
