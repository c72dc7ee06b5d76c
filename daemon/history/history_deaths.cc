#include "daemon/history/history_deaths.hh"

#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <functional>
#include <iterator>

namespace vxs::daemon {

struct HistoryDeaths::Words {
  std::uint64_t magic;
  std::uint64_t version;  ///< of the program, hashed
  std::uint64_t working_at;
  std::uint64_t died_at;
  std::uint64_t deaths;
};

namespace {

constexpr std::uint64_t kMagic = 0x3173687461656468;  // "hdeaths1", as bytes
constexpr std::size_t kStackBytes = 64 << 10;
constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

// A signal handler is given nothing else to find them by.
thread_local HistoryDeaths::Words* words_of_thread = nullptr;
struct sigaction handled_before[std::size(kSignals)];

void restore(int number) {
  for (std::size_t i = 0; i < std::size(kSignals); ++i) {
    if (kSignals[i] == number) ::sigaction(number, &handled_before[i], nullptr);
  }
}

/// By the kernel for what the thread did, or by its own abort().
bool is_own_doing(int number, const siginfo_t& info) {
  return number == SIGABRT ? info.si_code == SI_TKILL : info.si_code > 0;
}

/// On its return the instruction, or abort(), does what it did once more, to whoever handled it
/// before.
void note_death(int number, siginfo_t* info, void* /*context*/) {
  if (HistoryDeaths::Words* words = words_of_thread; words != nullptr) {
    if (is_own_doing(number, *info)) {
      words_of_thread = nullptr;
      words->deaths = words->died_at == words->working_at ? words->deaths + 1 : 1;
      words->died_at = words->working_at;
    }
  }
  restore(number);
  // What was sent is not sent again by itself. It comes when this returns.
  if (info->si_code <= 0) (void)::raise(number);
}

void let_through() {
  sigset_t own;
  ::sigemptyset(&own);
  for (const int number : kSignals) ::sigaddset(&own, number);
  ::pthread_sigmask(SIG_UNBLOCK, &own, nullptr);
}

}  // namespace

tl::expected<std::unique_ptr<HistoryDeaths>, std::string> HistoryDeaths::watch(
    const std::string& file, const std::string& version) {
  const auto failed = [&] {
    return tl::unexpected(fmt::format("{}: {}", file, std::strerror(errno)));
  };
  const process::Descriptor fd(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return failed();
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return failed();
  if (status.st_size != sizeof(Words)) {
    if (::ftruncate(fd.get(), 0) != 0) return failed();
    // Written, not only made longer: a full disk is to be met here, not by a store to the mapping.
    const Words fresh{};
    if (::pwrite(fd.get(), &fresh, sizeof fresh, 0) != sizeof fresh) return failed();
  }
  void* const base =
      ::mmap(nullptr, sizeof(Words), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (base == MAP_FAILED) return failed();
  return std::unique_ptr<HistoryDeaths>(
      new HistoryDeaths(static_cast<Words*>(base), std::hash<std::string>{}(version)));
}

HistoryDeaths::HistoryDeaths(Words* words, std::uint64_t version)
    : words_(words), stack_(std::make_unique<char[]>(kStackBytes)) {
  if (words_->magic != kMagic || words_->version != version) *words_ = {kMagic, version, 0, 0, 0};
  stack_t stack{};
  stack.ss_sp = stack_.get();
  stack.ss_size = kStackBytes;
  ::sigaltstack(&stack, &stack_before_);
  words_of_thread = words_;
  struct sigaction action {};
  action.sa_sigaction = note_death;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  ::sigfillset(&action.sa_mask);
  for (std::size_t i = 0; i < std::size(kSignals); ++i) {
    ::sigaction(kSignals[i], &action, &handled_before[i]);
  }
  let_through();
}

HistoryDeaths::~HistoryDeaths() {
  words_of_thread = nullptr;
  for (const int number : kSignals) restore(number);
  ::sigaltstack(&stack_before_, nullptr);
  ::munmap(words_, sizeof(Words));
}

void HistoryDeaths::begin(Seq seq) noexcept { words_->working_at = seq; }

unsigned HistoryDeaths::at(Seq seq) const noexcept {
  return words_->died_at == seq ? static_cast<unsigned>(words_->deaths) : 0;
}

void HistoryDeaths::forget() noexcept { words_->deaths = 0; }

}  // namespace vxs::daemon
