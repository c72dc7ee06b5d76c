// What keeping a connection costs per request: a request and a reply of 64 bytes through a socket
// pair, received and sent plainly, and through a slot of a wire area.
#include <benchmark/benchmark.h>
#include <sys/socket.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "daemon/process/descriptor.hh"
#include "daemon/wire_area/wire_area.hh"

namespace {

using namespace vxs::daemon;

constexpr std::size_t kMessage = 64;

struct Pair {
  Pair() {
    int fds[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) != 0) std::abort();
    ours.reset(fds[0]);
    peer.reset(fds[1]);
  }
  void ask() const { check(::send(peer.get(), request.data(), kMessage, MSG_NOSIGNAL)); }
  void hear() {
    char buffer[8192];
    check(::recv(peer.get(), buffer, sizeof buffer, 0));
  }
  static void check(ssize_t count) {
    if (count != kMessage) std::abort();
  }
  vxs::process::Descriptor ours;
  vxs::process::Descriptor peer;
  const std::string request = std::string(kMessage, 'x');
};

void volatile_connection(benchmark::State& state) {
  Pair pair;
  std::string buffer(8192, '\0');
  std::string output;
  for (auto _ : state) {
    pair.ask();
    const ssize_t count = ::recv(pair.ours.get(), buffer.data(), buffer.size(), 0);
    output.append(buffer.data(), static_cast<std::size_t>(count));
    Pair::check(::send(pair.ours.get(), output.data(), output.size(), MSG_NOSIGNAL));
    output.clear();
    pair.hear();
  }
}
BENCHMARK(volatile_connection);

std::unique_ptr<WireArea> make_area() {
  auto area = WireArea::create({.slots = 1024});
  if (!area) std::abort();
  return std::move(*area);
}

WireSlot& open(WireArea& area, vxs::ConnectionId id) {
  const auto slot = area.open_slot({.connection = id, .peer = {}});
  if (!slot) std::abort();
  return **slot;
}

void kept_connection(benchmark::State& state) {
  Pair pair;
  const auto area = make_area();
  WireSlot& slot = open(*area, 1);
  WireSlot::Progress progress;
  for (auto _ : state) {
    pair.ask();
    if (!slot.receive(pair.ours.get()).has_value()) std::abort();
    area->begin_request(slot, progress.handled + 1);
    if (!slot.output().append(slot.input(progress.in_begin))) std::abort();
    area->end_request();
    progress = {.in_begin = slot.in_end(),
                .handled = progress.handled + 1,
                .out_begin = slot.sent(),
                .out_end = slot.output().end()};
    slot.publish(progress);
    if (slot.send(pair.ours.get()) != kMessage) std::abort();
    pair.hear();
  }
}
BENCHMARK(kept_connection);

/// Without the system calls.
void publish_a_reply(benchmark::State& state) {
  const auto area = make_area();
  WireSlot& slot = open(*area, 1);
  const std::string reply(kMessage, 'x');
  WireSlot::Progress progress;
  for (auto _ : state) {
    area->begin_request(slot, progress.handled + 1);
    if (!slot.output().append(reply)) std::abort();
    area->end_request();
    progress.handled += 1;
    progress.out_begin = slot.sent();
    progress.out_end = slot.output().end();
    slot.publish(progress);
    slot.discard_sendable();
  }
}
BENCHMARK(publish_a_reply);

void open_and_close(benchmark::State& state) {
  const auto area = make_area();
  for (auto _ : state) area->close_slot(open(*area, 1));
}
BENCHMARK(open_and_close);

/// What a successor spends on the slots of `range` idle connections.
void adopt(benchmark::State& state) {
  auto area = make_area();
  for (std::int64_t id = 1; id <= state.range(0); ++id) {
    if (!open(*area, static_cast<vxs::ConnectionId>(id)).output().append("x")) std::abort();
  }
  const vxs::process::Descriptor fd(::dup(area->fd()));
  area.reset();
  for (auto _ : state) {
    auto adopted = WireArea::adopt(vxs::process::Descriptor(::dup(fd.get())));
    if (!adopted || (*adopted)->open_count() != state.range(0)) std::abort();
  }
}
BENCHMARK(adopt)->Arg(1000)->Unit(benchmark::kMicrosecond);

}  // namespace
