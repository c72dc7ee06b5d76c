#include "tests/fakexen/guest_modes.hh"

#include <array>
#include <cstdlib>
#include <cstring>

namespace vxs::fakexen {
namespace {

using support::encode;
using support::FakeGuest;
using support::Frame;
using support::GuestPage;
using support::WireError;
using support::zstrings;

constexpr uint32_t kReconnectFeature = 1;

size_t any_indices(GuestPage& page, std::mt19937_64& random) {
  constexpr std::array kIndices{GuestPage::kReqCons, GuestPage::kReqProd, GuestPage::kRspCons,
                                GuestPage::kRspProd};
  const unsigned count = 1 + static_cast<unsigned>(random() % kIndices.size());
  for (unsigned i = 0; i < count; ++i) {
    // Often close to what is there, where off-by-one errors live.
    const GuestPage::Field field = kIndices[random() % kIndices.size()];
    const auto far = static_cast<uint32_t>(random());
    const auto near = page.get(field) + static_cast<uint32_t>(random() % 2051) - 1025;
    page.set(field, random() % 2 == 0 ? far : near);
  }
  return count * sizeof(uint32_t);
}

size_t noise(GuestPage& page, std::mt19937_64& random) {
  constexpr size_t kPage = 4096;
  const size_t count = 1 + random() % kPage;
  for (size_t i = 0; i < count; ++i) {
    page.bytes()[random() % kPage] = static_cast<char>(random());
  }
  return count;
}

Frame overlong(std::mt19937_64& random) {
  return {static_cast<uint32_t>(random() % 30), 1, 0, std::string(4097 + random() % 4096, 'x')};
}

size_t deaf(FakeGuest& guest, std::mt19937_64& random) {
  const std::string path = "deaf/" + std::to_string(random() % 16);
  std::string bytes = encode({support::kWrite, 1, 0, zstrings({path}) + std::string(1000, 'd')});
  bytes += encode({support::kRead, 2, 0, zstrings({path})});
  bytes += encode({support::kWatch, 3, 0, zstrings({"deaf", std::to_string(random() % 200)})});
  return guest.send_some(bytes);
}

}  // namespace

Frame BusyGuest::call(uint32_t type, const std::string& payload, uint32_t tx_id) {
  ++requests_;
  return guest_.call(type, payload, tx_id);
}

void BusyGuest::expect_ok(const Frame& reply, const char* what) {
  if (reply.is_error()) throw WireError(std::string(what) + " answered " + reply.error());
}

void BusyGuest::check(const std::string& key) {
  const Frame reply = call(support::kRead, zstrings({key}));
  const auto known = nodes_.find(key);
  const bool right = known == nodes_.end() ? reply.error() == "ENOENT"
                                           : !reply.is_error() && reply.payload == known->second;
  if (!right) throw WireError(key + " reads as " + reply.payload);
}

void BusyGuest::watch() {
  const std::string where = key();
  const std::string token = std::to_string(random_());
  expect_ok(call(support::kWatch, zstrings({where, token})), "WATCH");
  guest_.drain();
  nodes_[where] = value();
  expect_ok(call(support::kWrite, zstrings({where}) + nodes_[where]), "WRITE");
  bool came = false;
  for (const auto& event : guest_.drain()) {
    came = came || (event.path == where && event.token == token);
  }
  if (!came) throw WireError("no event for " + where);
  expect_ok(call(support::kUnwatch, zstrings({where, token})), "UNWATCH");
}

void BusyGuest::transaction() {
  const Frame start = call(support::kTransactionStart, zstrings({""}));
  expect_ok(start, "TRANSACTION_START");
  const auto id = static_cast<uint32_t>(std::strtoul(start.payload.c_str(), nullptr, 10));
  std::map<std::string, std::string> written;
  for (unsigned i = below(4); i > 0; --i) {
    const std::string where = key();
    written[where] = value();
    expect_ok(call(support::kWrite, zstrings({where}) + written[where], id), "WRITE");
  }
  const bool commit = below(4) != 0;
  const Frame end = call(support::kTransactionEnd, zstrings({commit ? "T" : "F"}), id);
  if (end.error() == "EAGAIN") return;  // somebody changed what lies above
  expect_ok(end, "TRANSACTION_END");
  if (commit) written.merge(nodes_);
  if (commit) nodes_ = std::move(written);
}

void BusyGuest::work() {
  const std::string where = key();
  switch (below(6)) {
    case 0:
      return check(where);
    case 1:
      expect_ok(call(support::kWrite, zstrings({"busy"})), "WRITE");
      call(support::kRm, zstrings({where}));
      nodes_.erase(where);
      return check(where);
    case 2:
      return watch();
    case 3:
      return transaction();
    default:
      nodes_[where] = value();
      expect_ok(call(support::kWrite, zstrings({where}) + nodes_[where]), "WRITE");
      return check(where);
  }
}

size_t abuse(FakeGuest& guest, Abuse kind, std::mt19937_64& random) {
  GuestPage& page = guest.page();
  if (kind == Abuse::kDeaf || kind == Abuse::kOverlong) {
    const uint32_t waiting = page.get(GuestPage::kReqProd) - page.get(GuestPage::kReqCons);
    if (waiting > support::kRingSize) return 0;  // an earlier act broke the ring
    return kind == Abuse::kDeaf ? deaf(guest, random) : guest.send_some(encode(overlong(random)));
  }
  const size_t bytes = kind == Abuse::kIndices ? any_indices(page, random) : noise(page, random);
  guest.notify();
  return bytes;
}

bool reconnect(FakeGuest& guest, std::chrono::milliseconds timeout) {
  if ((guest.page().get(GuestPage::kFeatures) & kReconnectFeature) == 0) return false;
  guest.page().set(GuestPage::kConnection, 1);
  guest.notify();
  if (!guest.becomes(GuestPage::kConnection, 0, timeout)) return false;
  guest.start_over();
  return true;
}

}  // namespace vxs::fakexen
