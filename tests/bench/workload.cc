#include "tests/bench/workload.hh"

#include "tests/bench/closed_loop.hh"
#include "tests/bench/ring_sessions.hh"
#include "tests/bench/simple_scripts.hh"
#include "tests/bench/vm_sessions.hh"

namespace vxs::bench {

namespace {

constexpr unsigned kParallelVms = 300;

std::string clients_text(unsigned clients) {
  return std::to_string(clients) + (clients == 1 ? " client" : " clients");
}

Workload closed_loop(std::string name, std::string title, bool quick, const ClosedLoop& what) {
  return {std::move(name), std::move(title),
          quick,           true,
          false,           [what] { return make_closed_loop(what); }};
}

Workload ring(std::string name, std::string title, std::function<std::unique_ptr<Session>()> make) {
  return {std::move(name), std::move(title), false, true, true, std::move(make)};
}

void add_ring_workloads(std::vector<Workload>& all) {
  struct Request {
    std::string name;
    std::string title;
    ScriptFactory script;
    ScriptFactory script_of_started;
  };
  const std::vector<Request> requests{
      {"read", "READ", make_read_script, make_guest_read_script},
      {"write", "WRITE", make_write_script, make_guest_write_script}};
  for (const Request& request : requests) {
    for (const unsigned n : {1U, 16U}) {
      all.push_back(
          ring("ring-" + request.name + "-" + std::to_string(n),
               "ring " + request.title + ", " + std::to_string(n) + (n == 1 ? " guest" : " guests"),
               [=] { return make_ring_loop(request.script, n); }));
    }
  }
  for (const unsigned n : {10U, 1'000U}) {
    all.push_back(ring("scale-start-" + std::to_string(n),
                       "VM start with its guest beside " + std::to_string(n) + " guests",
                       [n] { return make_ring_vm_start(n); }));
  }
  for (const unsigned n : {10U, 1'000U}) {
    all.push_back(ring("scale-stop-" + std::to_string(n),
                       "VM stop with its guest beside " + std::to_string(n) + " guests",
                       [n] { return make_ring_vm_stop(n); }));
  }
  for (const Request& request : requests) {
    for (const unsigned n : {10U, 1'000U}) {
      all.push_back(ring("scale-" + request.name + "-" + std::to_string(n),
                         "ring " + request.title + ", 1 of " + std::to_string(n) + " guests",
                         [=] { return make_ring_beside(request.script_of_started, n); }));
    }
  }
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
                   n == 10, true, false, [n] { return make_vm_start(n); }});
  }
  all.push_back({"parallel-start", std::to_string(kParallelVms) + " VMs at once, start and stop",
                 false, false, false, [] { return make_parallel_start(kParallelVms); }});
  add_ring_workloads(all);
  return all;
}

}  // namespace vxs::bench
