#include "tests/bench/workload.hh"

#include "tests/bench/closed_loop.hh"
#include "tests/bench/simple_scripts.hh"
#include "tests/bench/vm_sessions.hh"

namespace vxs::bench {

namespace {

constexpr unsigned kParallelVms = 300;

std::string clients_text(unsigned clients) {
  return std::to_string(clients) + (clients == 1 ? " client" : " clients");
}

Workload closed_loop(std::string name, std::string title, bool quick, const ClosedLoop& what) {
  return {std::move(name), std::move(title), quick, true,
          [what] { return make_closed_loop(what); }};
}

}  // namespace

std::vector<Workload> all_workloads() {
  std::vector<Workload> all;
  for (const unsigned n : {1U, 8U, 16U}) {
    all.push_back(closed_loop("read-" + std::to_string(n), "READ, " + clients_text(n), n != 8,
                              {make_read_script, n, 0}));
  }
  for (const unsigned n : {1U, 8U, 16U}) {
    all.push_back(closed_loop("write-" + std::to_string(n), "WRITE, " + clients_text(n), n != 8,
                              {make_write_script, n, 0}));
  }
  for (const unsigned n : {1U, 8U, 16U}) {
    all.push_back(closed_loop("tx-" + std::to_string(n), "transactions, " + clients_text(n), n == 8,
                              {make_disjoint_transaction_script, n, 0}));
  }
  all.push_back(closed_loop("siblings-8", "transactions on siblings, 8 clients", true,
                            {make_sibling_transaction_script, 8, 0}));
  for (const unsigned n : {0U, 1'000U, 10'000U}) {
    all.push_back(closed_loop("watches-" + std::to_string(n),
                              "WRITE beside " + std::to_string(n) + " watches", n != 1'000,
                              {make_write_script, 1, n}));
  }
  for (const unsigned n : {10U, 100U, 1'000U}) {
    all.push_back({"vm-" + std::to_string(n), "VM start beside " + std::to_string(n) + " domains",
                   n == 10, true, [n] { return make_vm_start(n); }});
  }
  all.push_back({"parallel-start", std::to_string(kParallelVms) + " VMs at once, start and stop",
                 false, false, [] { return make_parallel_start(kParallelVms); }});
  return all;
}

}  // namespace vxs::bench
