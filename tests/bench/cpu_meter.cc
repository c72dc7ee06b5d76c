#include "tests/bench/cpu_meter.hh"

#include <chrono>
#include <ctime>
#include <fstream>
#include <string>
#include <thread>

#include "tests/bench/error.hh"

namespace vxs::bench {

namespace {

std::uint64_t process_clock_ns(pid_t pid) {
  clockid_t clock{};
  timespec now{};
  if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &now) != 0) {
    throw BenchError("the daemon (pid " + std::to_string(pid) + ") is gone");
  }
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
         static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

CpuTimes read_cpu_times(pid_t pid) {
  const std::string id = std::to_string(pid);
  std::ifstream file("/proc/" + id + "/task/" + id + "/schedstat");
  CpuTimes times;
  if (!(file >> times.main_ns)) {
    throw BenchError("cannot read the schedstat of pid " + id + ": is the daemon gone?");
  }
  times.all_ns = process_clock_ns(pid);
  return times;
}

bool wait_until_quiet(pid_t pid, int settle_ms, int limit_ms) {
  constexpr int kStepMs = 50;
  constexpr std::uint64_t kQuietNs = kStepMs * 1'000'000ULL / 50;
  int quiet_ms = 0;
  std::uint64_t before = process_clock_ns(pid);
  for (int waited = 0; waited < limit_ms; waited += kStepMs) {
    std::this_thread::sleep_for(std::chrono::milliseconds(kStepMs));
    const std::uint64_t now = process_clock_ns(pid);
    quiet_ms = now - before < kQuietNs ? quiet_ms + kStepMs : 0;
    if (quiet_ms >= settle_ms) return true;
    before = now;
  }
  return false;
}

std::uint64_t read_rss_bytes(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  std::string word;
  while (file >> word) {
    if (word != "VmRSS:") continue;
    std::uint64_t kib = 0;
    file >> kib;
    return kib * 1024;
  }
  throw BenchError("cannot read the resident size of pid " + std::to_string(pid));
}

}  // namespace vxs::bench
