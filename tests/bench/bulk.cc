#include "tests/bench/bulk.hh"

#include <poll.h>

#include <cerrno>

#include "tests/bench/error.hh"

namespace vxs::bench {

namespace {
// A daemon that answers nothing for so long is counted as hung.
constexpr int kSilenceMs = 60'000;
constexpr char kNul = 0;
}  // namespace

void require_harmless(const Reply& reply) {
  if (reply.type != MessageType::kError || reply.is_error("ENOENT") || reply.is_error("EEXIST")) {
    return;
  }
  throw BenchError("the daemon refused a request with " +
                   std::string(reply.body.substr(0, reply.body.find(kNul))));
}

std::uint64_t run_pipelined(Connection& connection, const std::function<bool(std::string&)>& next,
                            const std::function<void(const Reply&)>& on_reply,
                            std::uint64_t window) {
  std::uint64_t issued = 0;
  std::uint64_t answered = 0;
  bool more = true;
  while (more || answered < issued) {
    // Refilled by halves, so that requests travel in batches.
    if (more && issued - answered <= window / 2) {
      while (more && issued - answered < window) {
        more = next(connection.output());
        if (more) ++issued;
      }
    }
    connection.flush();
    if (answered == issued) continue;
    pollfd poller{connection.descriptor(), POLLIN, 0};
    if (connection.output_pending()) poller.events |= POLLOUT;
    const int ready = ::poll(&poller, 1, kSilenceMs);
    if (ready == 0) throw BenchError("the daemon did not answer for a minute");
    if (ready < 0 && errno != EINTR) throw BenchError("poll failed");
    if ((poller.revents & (POLLIN | POLLHUP | POLLERR)) == 0) continue;
    connection.fill();
    while (const auto reply = connection.next()) {
      if (reply->type == MessageType::kWatchEvent) continue;
      ++answered;
      if (on_reply) {
        on_reply(*reply);
      } else {
        require_harmless(*reply);
      }
    }
  }
  return issued;
}

}  // namespace vxs::bench
