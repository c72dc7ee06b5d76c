#include "tests/differential/servers.hh"

#include <fstream>
#include <iterator>

#include "tests/support/stock_daemon.hh"
#include "tests/support/temp_dir.hh"
#include "tests/support/vxenstored_process.hh"

namespace vxs::differential {
namespace {

// rundir, bare domids, machine
using StartStock =
    std::function<support::StockDaemon(const std::string&, const std::string&, const std::string&)>;

// 4.17 counts 24 bytes for what heads a node where later ones count 16, and refuses the limit
// itself (G1, G2): with these the same nodes fit.
support::StockDaemon start_c(const std::string& rundir, const std::string& domains,
                             const std::string& machine) {
  return support::StockDaemon::start_c(rundir, domains, machine, {"--entry-size", "2057"});
}

support::StockDaemon start_keeping_orphans(const std::string& rundir, const std::string& domains,
                                           const std::string& machine) {
  return support::StockDaemon::start_c(rundir, domains, machine,
                                       {"--entry-size", "2057", "--keep-orphans"});
}

// 4.17 allows one watch and one transaction more than it is told (G2).
support::StockDaemon start_limited(const std::string& rundir, const std::string& domains,
                                   const std::string& machine) {
  return support::StockDaemon::start_c(rundir, domains, machine,
                                       {"--entry-nb", "60", "--entry-size", "409", "--watch-nb",
                                        "7", "--transaction", "0", "--perm-nb", "3"});
}

const std::vector<std::string> kOurLimits{"--entry-nb", "60", "--entry-size",  "400",
                                          "--watch-nb", "8",  "--transaction", "1",
                                          "--perm-nb",  "3"};

class StockServer : public Server {
 public:
  explicit StockServer(const StartStock& start) : daemon_(start(dir_.path(), "1-32751", "")) {}
  [[nodiscard]] std::string socket_path() const override { return daemon_.socket_path(); }
  [[nodiscard]] std::string output() const override {
    std::ifstream file(dir_.path() + "/output");
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  support::TempDir dir_;
  support::StockDaemon daemon_;
};

class OurServer : public Server {
 public:
  [[nodiscard]] std::string socket_path() const override { return process_.socket_path(); }
  [[nodiscard]] std::string output() const override { return process_.output(); }

 private:
  support::VxenstoredProcess process_{{.parent_dir = "/dev/shm"}};
};

class StockOnMachine : public Server {
 public:
  explicit StockOnMachine(const StartStock& start)
      : daemon_(start(dir_.path(), "", machine_.dir())) {}
  [[nodiscard]] std::string socket_path() const override { return daemon_.socket_path(); }
  [[nodiscard]] std::string output() const override {
    std::ifstream file(dir_.path() + "/output");
    return {std::istreambuf_iterator<char>(file), {}};
  }
  [[nodiscard]] support::FakeMachine* machine() override { return &machine_; }

 private:
  support::FakeMachine machine_;
  support::TempDir dir_;
  support::StockDaemon daemon_;
};

class OursOnMachine : public Server {
 public:
  explicit OursOnMachine(std::vector<std::string> args = {})
      : process_({.args = std::move(args), .parent_dir = "/dev/shm", .machine = machine_.dir()}) {}
  [[nodiscard]] std::string socket_path() const override { return process_.socket_path(); }
  [[nodiscard]] std::string output() const override { return process_.output(); }
  [[nodiscard]] support::FakeMachine* machine() override { return &machine_; }

 private:
  support::FakeMachine machine_;
  support::VxenstoredProcess process_;
};

}  // namespace

StartServer stock_c_on_machine() {
  return [] { return std::make_unique<StockOnMachine>(start_c); };
}

StartServer stock_c_keeping_orphans_on_machine() {
  return [] { return std::make_unique<StockOnMachine>(start_keeping_orphans); };
}

StartServer vxenstored_on_machine() {
  return [] { return std::make_unique<OursOnMachine>(); };
}

StartServer stock_c_with_small_quotas() {
  return [] { return std::make_unique<StockOnMachine>(start_limited); };
}

StartServer vxenstored_with_small_quotas() {
  return [] { return std::make_unique<OursOnMachine>(kOurLimits); };
}

StartServer stock_c() {
  return [] { return std::make_unique<StockServer>(start_c); };
}

StartServer stock_ocaml() {
  return [] { return std::make_unique<StockServer>(support::StockDaemon::start_oxenstored); };
}

StartServer vxenstored() {
  return [] { return std::make_unique<OurServer>(); };
}

}  // namespace vxs::differential
