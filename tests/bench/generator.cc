#include "tests/bench/generator.hh"

#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "tests/bench/error.hh"

namespace vxs::bench {

namespace {

using Clock = std::chrono::steady_clock;

std::uint64_t latency_ns(Clock::duration taken) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(taken).count());
}

}  // namespace

Generator::Generator(const std::string& socket_path, std::vector<std::unique_ptr<Script>> scripts)
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (epoll_ < 0) throw BenchError("epoll_create1 failed");
  try {
    for (auto& script : scripts) {
      clients_.push_back(
          std::make_unique<Client>(Client{Connection(socket_path), std::move(script), {}}));
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.ptr = clients_.back().get();
      const int fd = clients_.back()->connection.descriptor();
      if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) throw BenchError("epoll_ctl failed");
    }
  } catch (...) {
    ::close(epoll_);
    throw;
  }
}

Generator::~Generator() { ::close(epoll_); }

void Generator::watch_output(Client& client) {
  const bool wanted = client.connection.output_pending();
  if (wanted == client.wants_output) return;
  client.wants_output = wanted;
  epoll_event event{};
  event.events = wanted ? (EPOLLIN | EPOLLOUT) : EPOLLIN;
  event.data.ptr = &client;
  if (::epoll_ctl(epoll_, EPOLL_CTL_MOD, client.connection.descriptor(), &event) != 0) {
    throw BenchError("epoll_ctl failed");
  }
}

bool Generator::advance(Client& client, LoadResult& result, Clock::time_point now, bool may_begin) {
  if (!client.in_operation && !may_begin) return false;
  if (!client.script->next_request(client.connection.output())) return false;
  ++result.requests;
  if (!client.in_operation) {
    client.in_operation = true;
    client.began = now;
  }
  client.connection.flush();
  watch_output(client);
  return true;
}

void Generator::serve(Client& client, LoadResult& result, Clock::time_point stop) {
  client.connection.fill();
  while (const auto reply = client.connection.next()) {
    if (reply->type == MessageType::kWatchEvent) continue;
    const Step step = client.script->on_reply(*reply);
    const Clock::time_point now = Clock::now();
    if (step == Step::kRetry) ++result.retries;
    if (step == Step::kDone) {
      ++result.operations;
      result.latencies_ns.push_back(latency_ns(now - client.began));
      client.in_operation = false;
    }
    if (!advance(client, result, now, now < stop)) --active_;
  }
}

LoadResult Generator::run(std::chrono::nanoseconds duration, std::chrono::nanoseconds grace) {
  LoadResult result;
  const Clock::time_point begin = Clock::now();
  const Clock::time_point stop = begin + duration;
  active_ = 0;
  for (auto& client : clients_) {
    if (advance(*client, result, Clock::now(), true)) ++active_;
  }
  std::array<epoll_event, 64> events;
  while (active_ > 0) {
    const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 1000);
    if (ready < 0 && errno != EINTR) throw BenchError("epoll_wait failed");
    for (int i = 0; i < ready; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      Client& client = *static_cast<Client*>(event.data.ptr);
      if ((event.events & EPOLLOUT) != 0) {
        client.connection.flush();
        watch_output(client);
      }
      if ((event.events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) {
        serve(client, result, stop);
      }
    }
    if (Clock::now() > stop + grace) {
      throw BenchError(std::to_string(active_) + " clients did not finish in time (" +
                       std::to_string(result.operations) + " operations, " +
                       std::to_string(result.retries) + " retries)");
    }
  }
  result.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  return result;
}

}  // namespace vxs::bench
