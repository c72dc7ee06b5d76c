#include "tests/differential/servers.hh"

#include <fstream>
#include <iterator>

#include "tests/support/stock_daemon.hh"
#include "tests/support/temp_dir.hh"
#include "tests/support/vxenstored_process.hh"

namespace vxs::differential {
namespace {

using StartStock = support::StockDaemon (*)(const std::string&, const std::string&,
                                            const std::string&);

class StockServer : public Server {
 public:
  explicit StockServer(StartStock start) : daemon_(start(dir_.path(), "1-32751", "")) {}
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

}  // namespace

StartServer stock_c() {
  return [] { return std::make_unique<StockServer>(support::StockDaemon::start_c); };
}

StartServer stock_ocaml() {
  return [] { return std::make_unique<StockServer>(support::StockDaemon::start_oxenstored); };
}

StartServer vxenstored() {
  return [] { return std::make_unique<OurServer>(); };
}

}  // namespace vxs::differential
