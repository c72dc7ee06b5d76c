#include "tests/bench/ring_guests.hh"

#include <poll.h>

#include <cstring>
#include <thread>
#include <utility>

#include "tests/bench/bulk.hh"
#include "tests/bench/error.hh"
#include "tests/bench/vm_life.hh"

namespace vxs::bench {

namespace {

constexpr int kSilenceMs = 60'000;
constexpr std::chrono::seconds kEndLimit{20};

// One operation: the blocks.
class BlocksOnce final : public BlockScript {
 public:
  explicit BlocksOnce(std::vector<Block> blocks) : blocks_(std::move(blocks)) {}

 protected:
  std::vector<Block> refill() override { return std::exchange(blocks_, {}); }

 private:
  std::vector<Block> blocks_;
};

struct FrontEnd {
  const char* kind;
  const char* id;
};
// As vm_start_blocks() makes them.
constexpr FrontEnd kFrontEnds[] = {
    {"vbd", "51712"}, {"vbd", "51728"}, {"vbd", "51744"}, {"vif", "0"}};

void ask(RingConnection& guest, LoadResult& load, MessageType type, const std::string& body) {
  append_request(guest.output(), type, 0, {body});
  ++load.requests;
  const Reply reply = guest.exchange();
  if (reply.type != type) {
    throw BenchError("a guest was refused a request of type " +
                     std::to_string(static_cast<std::uint32_t>(type)) + ": " +
                     std::string(reply.body));
  }
}

}  // namespace

RingGuests::RingGuests(Server& server)
    : machine_(server.machine_directory()), toolstack_(server.socket_path()) {}

Reply RingGuests::reply() {
  for (;;) {
    toolstack_.flush();
    while (const auto reply = toolstack_.next()) {
      if (reply->type != MessageType::kWatchEvent) return *reply;
    }
    pollfd poller{toolstack_.descriptor(), POLLIN, 0};
    if (toolstack_.output_pending()) poller.events |= POLLOUT;
    if (::poll(&poller, 1, kSilenceMs) == 0) throw BenchError("the daemon does not answer");
    if ((poller.revents & (POLLIN | POLLHUP | POLLERR)) != 0) toolstack_.fill();
  }
}

void RingGuests::call(MessageType type, const std::string& body) {
  append_request(toolstack_.output(), type, 0, {body});
  require_harmless(reply());
}

void RingGuests::play(const std::vector<Block>& blocks, LoadResult& load) {
  BlocksOnce script(blocks);
  while (script.next_request(toolstack_.output())) {
    ++load.requests;
    if (script.on_reply(reply()) == Step::kRetry) ++load.retries;
  }
}

void RingGuests::boot(RingConnection& guest, std::uint32_t domid, LoadResult& load) {
  const std::string backends = "/local/domain/0/backend/";
  unsigned watches = 0;
  const auto watch = [&](const std::string& path) {
    ask(guest, load, MessageType::kWatch,
        path_body(path) + path_body("token-" + std::to_string(++watches)));
  };
  for (const char* path :
       {"control/shutdown", "memory/target", "device", "data", "drivers", "messages"}) {
    watch(path);
  }
  for (const FrontEnd& device : kFrontEnds) {
    const std::string front =
        std::string("device/") + device.kind + "/" + std::string(device.id) + "/";
    ask(guest, load, MessageType::kRead, path_body(front + "backend"));
    ask(guest, load, MessageType::kRead, path_body(front + "backend-id"));
    const std::string back = backends + device.kind + "/" + std::to_string(domid) + "/" + device.id;
    watch(back);
    ask(guest, load, MessageType::kRead, path_body(back + "/online"));
    for (const char* name : {"ring-ref", "event-channel", "state"}) {
      ask(guest, load, MessageType::kWrite, write_body(front + name, "4"));
    }
  }
  if (watches != kGuestWatches) throw BenchError("a guest has another number of watches");
}

void RingGuests::start(std::uint32_t domid, LoadResult& load) {
  fakexen::Uuid handle{};
  ++lives_;
  std::memcpy(handle.data(), &lives_, sizeof(lives_));
  if (!machine_.create_domain(domid, handle)) {
    throw BenchError("domain " + std::to_string(domid) + " cannot be made");
  }
  play(vm_start_blocks(domid), load);
  RingConnection& guest = guests_.try_emplace(domid, machine_, domid).first->second;
  call(MessageType::kIntroduce, guest.introduction());
  ++load.requests;
  boot(guest, domid, load);
  guest.drop_events();
  ++load.operations;
}

void RingGuests::stop(std::uint32_t domid, LoadResult& load) {
  play(vm_stop_blocks(domid), load);
  call(MessageType::kRelease, path_body(std::to_string(domid)));
  guests_.erase(domid);
  const std::uint32_t domids[] = {domid};
  if (!machine_.destroy(domids)) throw BenchError("a domain is gone too early");
  const auto limit = std::chrono::steady_clock::now() + kEndLimit;
  while (machine_.domain(domid)) {
    if (std::chrono::steady_clock::now() > limit) throw BenchError("a domain does not go");
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    machine_.reap();
  }
  ++load.requests;
  ++load.operations;
}

RingConnection& RingGuests::guest(std::uint32_t domid) {
  const auto found = guests_.find(domid);
  if (found == guests_.end()) throw BenchError("no such guest");
  return found->second;
}

}  // namespace vxs::bench
