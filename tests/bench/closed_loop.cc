#include "tests/bench/closed_loop.hh"

#include <string>
#include <utility>
#include <vector>

#include "tests/bench/bulk.hh"
#include "tests/bench/generator.hh"
#include "tests/bench/meter.hh"
#include "tests/bench/simple_scripts.hh"

namespace vxs::bench {

namespace {

constexpr unsigned kParts = 3;
constexpr unsigned kWatchers = 10;

// The nodes every simple script expects to exist.
void make_nodes(Server& server, unsigned clients) {
  std::vector<std::string> paths;
  for (unsigned i = 0; i < clients; ++i) {
    for (unsigned part = 0; part < kParts; ++part) paths.push_back(client_path(i, part));
    paths.push_back(sibling_path(i));
  }
  Connection connection(server.socket_path());
  std::size_t at = 0;
  run_pipelined(connection, [&](std::string& out) {
    if (at == paths.size()) return false;
    append_request(out, MessageType::kWrite, 0, {write_body(paths[at++], "10000000")});
    return true;
  });
}

class ClosedLoopSession final : public Session {
 public:
  explicit ClosedLoopSession(const ClosedLoop& what) : what_(what) {}

  void prepare(Server& server) override {
    make_nodes(server, what_.clients);
    watch(server);
    std::vector<std::unique_ptr<Script>> scripts;
    for (unsigned i = 0; i < what_.clients; ++i) scripts.push_back(what_.script(i));
    generator_ = std::make_unique<Generator>(server.socket_path(), std::move(scripts));
  }

  Measurement measure(Server& server, const MeasureOptions& options) override {
    generator_->run(options.warm_up);
    Meter meter(server, options);
    meter.begin();
    meter.finish(generator_->run(options.duration));
    server.require_alive();
    return meter.result();
  }

 private:
  // Spread evenly over ten connections that stay open, each watch on a path of
  // its own that nobody writes.
  void watch(Server& server) {
    if (what_.watches == 0) return;
    for (unsigned w = 0; w < kWatchers; ++w) {
      Connection& connection = watchers_.emplace_back(server.socket_path());
      unsigned at = w;
      run_pipelined(connection, [&](std::string& out) {
        if (at >= what_.watches) return false;
        const std::string number = std::to_string(at);
        append_request(out, MessageType::kWatch, 0,
                       {path_body("/local/domain/0/backend/vbd/" + number + "/state"),
                        path_body("token-" + number)});
        at += kWatchers;
        return true;
      });
    }
  }

  ClosedLoop what_;
  std::vector<Connection> watchers_;
  std::unique_ptr<Generator> generator_;
};

}  // namespace

std::unique_ptr<Session> make_closed_loop(const ClosedLoop& what) {
  return std::make_unique<ClosedLoopSession>(what);
}

}  // namespace vxs::bench
