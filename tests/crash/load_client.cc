#include "tests/crash/load_client.hh"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace vxs::test {
namespace {

using support::Frame;
using support::WireClient;
using support::WireError;
using support::zstrings;

constexpr std::size_t kMostNodes = 60;
const std::string kPerms("n0\0", 3);

[[noreturn]] void wrong(const std::string& what, const std::string& got,
                        const std::string& expected) {
  throw std::runtime_error(what + " answered " + shown(got) + ", not " + shown(expected));
}

void expect_ok(const Frame& reply, const std::string& what) {
  if (reply.is_error()) wrong(what, reply.error(), "OK");
}

}  // namespace

LoadClient::LoadClient(std::size_t number, std::uint64_t seed, bool lossy, SharedLoad& shared)
    : number_(number),
      lossy_(lossy),
      shared_(shared),
      random_(seed),
      model_("/soak/c" + std::to_string(number), kPerms),
      past_{model_} {}

void LoadClient::run(const std::string& socket_path) {
  try {
    WireClient client(socket_path);
    while (true) one_request(client);
  } catch (const WireError& error) {
    if (!shared_.killing)
      failure_ = std::string("connection lost before the kill: ") + error.what();
  } catch (const std::exception& error) {
    failure_ = error.what();
  }
}

void LoadClient::one_request(WireClient& client) {
  const auto dice = below(100);
  if (dice < 45) return change(client);
  if (dice < 60) return transaction(client);
  if (dice < 65) return increment_shared(client);
  if (dice < 90) return read_own(client);
  read_others(client);
}

std::string LoadClient::random_path() {
  // Often one that exists, so that values are replaced and subtrees go.
  if (below(2) == 0) {
    if (std::string path = model_.nth(below(1000)); !path.empty()) return path;
  }
  std::string path = model_.root();
  for (auto depth = 1 + below(4); depth > 0; --depth) {
    path += "/n";
    path.push_back(static_cast<char>('a' + below(5)));
  }
  return path;
}

ModelRequest LoadClient::random_request() {
  const auto dice = below(100);
  if (dice < 15) {
    return {.type = support::kWrite,
            .path = model_.root() + "/counter",
            .argument = std::to_string(++counter_)};
  }
  std::string path = random_path();
  if (path.ends_with("/counter")) path = model_.root() + "/other";
  if (dice < 30 || model_.size() > kMostNodes) {
    return {.type = support::kRm, .path = path, .argument = {}};
  }
  if (dice < 40) {
    std::string perms("n0\0", 3);
    for (auto n = below(3); n > 0; --n) {
      perms += "rwb"[below(3)] + std::to_string(1 + below(9)) + std::string(1, '\0');
    }
    return {.type = support::kSetPerms, .path = path, .argument = perms};
  }
  if (dice < 48) return {.type = support::kMkdir, .path = path, .argument = {}};
  std::string value(below(12) == 0 ? below(3500) : below(40), '\0');
  for (char& byte : value) byte = static_cast<char>(below(256));
  return {.type = support::kWrite, .path = path, .argument = value};
}

void LoadClient::send(WireClient& client, Model& model, const ModelRequest& request,
                      std::uint32_t tx_id) {
  const std::string expected = model.apply(request);
  const Frame reply = client.call(request.type, request.payload(), tx_id);
  if (reply.error() != expected) {
    wrong(support::type_name(request.type) + " " + request.path, reply.error(), expected);
  }
}

void LoadClient::acknowledge() {
  model_ = std::move(*after_);
  after_.reset();
  ++acknowledged_;
  if (lossy_) past_.push_back(model_);
}

void LoadClient::change(WireClient& client) {
  const ModelRequest request = random_request();
  after_ = model_;
  send(client, *after_, request, 0);
  acknowledge();
}

void LoadClient::transaction(WireClient& client) {
  const Frame started = client.call(support::kTransactionStart, zstrings({""}));
  expect_ok(started, "TRANSACTION_START");
  const auto id = static_cast<std::uint32_t>(std::stoul(started.payload));
  Model inside = model_;
  for (auto n = 1 + below(6); n > 0; --n) send(client, inside, random_request(), id);
  if (below(5) == 0) {
    expect_ok(client.call(support::kTransactionEnd, zstrings({"F"}), id), "TRANSACTION_END F");
    return;
  }
  after_ = std::move(inside);
  // Nobody else touches this subtree: no answer can have become another one.
  expect_ok(client.call(support::kTransactionEnd, zstrings({"T"}), id), "TRANSACTION_END T");
  acknowledge();
}

void LoadClient::increment_shared(WireClient& client) {
  const Frame started = client.call(support::kTransactionStart, zstrings({""}));
  expect_ok(started, "TRANSACTION_START");
  const auto id = static_cast<std::uint32_t>(std::stoul(started.payload));
  const Frame value = client.call(support::kRead, zstrings({"/soak/shared"}), id);
  expect_ok(value, "READ /soak/shared");
  const std::string next = std::to_string(std::stoull(value.payload) + 1);
  std::string payload = zstrings({"/soak/shared"}) + next;
  expect_ok(client.call(support::kWrite, payload, id), "WRITE /soak/shared");
  ++shared_.increments_open;
  const Frame ended = client.call(support::kTransactionEnd, zstrings({"T"}), id);
  if (ended.error() == "EAGAIN") {
    ++shared_.conflicts;
  } else {
    expect_ok(ended, "TRANSACTION_END T");
    ++shared_.increments;
  }
  --shared_.increments_open;
}

void LoadClient::read_own(WireClient& client) {
  const std::string path = model_.nth(below(1000));
  if (path.empty()) return;
  const Frame value = client.call(support::kRead, zstrings({path}));
  if (value.is_error() || value.payload != *model_.value(path)) {
    wrong("READ " + path, value.payload, *model_.value(path));
  }
  const Frame part = client.call(support::kDirectoryPart, zstrings({path, "0"}));
  expect_ok(part, "DIRECTORY_PART " + path);
  if (!model_.note_generation(path, std::stoull(part.payload))) {
    throw std::runtime_error(path + ": its generation changed and nobody changed the node");
  }
}

void LoadClient::read_others(WireClient& client) {
  const auto other = below(shared_.counters_seen.size());
  const Frame value =
      client.call(support::kRead, zstrings({"/soak/c" + std::to_string(other) + "/counter"}));
  if (value.is_error() || other == number_) return;
  const std::uint64_t seen = std::stoull(value.payload);
  auto& highest = shared_.counters_seen[other];
  auto before = highest.load();
  while (before < seen && !highest.compare_exchange_weak(before, seen)) {
  }
}

std::string LoadClient::verify(const StoreDump& dump) {
  const auto adopt = [&](Model found) {
    model_ = std::move(found);
    model_.adopt_generations(dump);
    after_.reset();
    past_.assign(1, model_);
    return std::string();
  };
  if (lossy_) {
    if (after_) past_.push_back(*after_);
    const auto found = std::find_if(past_.rbegin(), past_.rend(), [&](const Model& model) {
      return model.compare(dump, true).empty();
    });
    if (found != past_.rend()) return adopt(*found);
    return "none of the " + std::to_string(past_.size()) +
           " states it had; compared with the last, " + past_.back().compare(dump, true);
  }
  const std::string text = model_.compare(dump);
  if (after_ && after_->compare(dump).empty()) {
    adopt(*after_);
  } else if (text.empty()) {
    adopt(Model(model_));
  } else if (after_) {
    return "neither with the request under way (" + after_->compare(dump) + ") nor without (" +
           text + ")";
  } else {
    return text;
  }
  const std::string* counter = model_.value(model_.root() + "/counter");
  const std::uint64_t value = counter == nullptr ? 0 : std::stoull(*counter);
  const std::uint64_t seen = shared_.counters_seen[number_];
  if (value < seen) {
    return "another client read counter " + std::to_string(seen) + ", and it is " +
           std::to_string(value);
  }
  return "";
}

std::uint64_t LoadClient::take_acknowledged() { return std::exchange(acknowledged_, 0); }

}  // namespace vxs::test
