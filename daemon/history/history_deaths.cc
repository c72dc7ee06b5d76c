#include "daemon/history/history_deaths.hh"

#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <functional>
#include <iterator>
#include <utility>

#include "daemon/process/descriptor.hh"

namespace vxs::daemon {

struct HistoryDeaths::Words {
  std::uint64_t magic;
  std::uint64_t version;  ///< of the program, hashed
  std::uint64_t unused;
  std::uint64_t died_at;
  std::uint64_t deaths;
};

/// Written, not mapped: who shortens the file under us, or fills the disk, must not end the daemon
/// by a store to a page that is not there.
struct HistoryDeaths::Kept {
  Words words{};
  Seq working_at = kOpening;
  process::Descriptor file{};

  /// In a signal handler, too. What cannot be written is not counted.
  void write() const noexcept { (void)!::pwrite(file.get(), &words, sizeof words, 0); }
};

namespace {

constexpr std::uint64_t kMagic = 0x3173687461656468;  // "hdeaths1", as bytes
constexpr std::size_t kStackBytes = 64 << 10;
constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

// A signal handler is given nothing else to find them by.
thread_local HistoryDeaths::Kept* kept_of_thread = nullptr;
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
  if (HistoryDeaths::Kept* kept = kept_of_thread; kept != nullptr) {
    if (is_own_doing(number, *info)) {
      kept_of_thread = nullptr;
      auto& words = kept->words;
      words.deaths = words.died_at == kept->working_at ? words.deaths + 1 : 1;
      words.died_at = kept->working_at;
      kept->write();
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
  auto kept = std::make_unique<Kept>();
  kept->file.reset(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!kept->file) return failed();
  Words& words = kept->words;
  const ssize_t size = ::pread(kept->file.get(), &words, sizeof words, 0);
  if (size < 0) return failed();
  const std::uint64_t hashed = std::hash<std::string>{}(version);
  if (size != sizeof words || words.magic != kMagic || words.version != hashed) {
    words = {kMagic, hashed, 0, 0, 0};
    // Now, so that a full disk is met here: there is room for it then.
    if (::pwrite(kept->file.get(), &words, sizeof words, 0) != sizeof words) return failed();
  }
  return std::unique_ptr<HistoryDeaths>(new HistoryDeaths(std::move(kept)));
}

HistoryDeaths::HistoryDeaths(std::unique_ptr<Kept> kept)
    : kept_(std::move(kept)), stack_(std::make_unique<char[]>(kStackBytes)) {
  stack_t stack{};
  stack.ss_sp = stack_.get();
  stack.ss_size = kStackBytes;
  ::sigaltstack(&stack, &stack_before_);
  kept_of_thread = kept_.get();
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
  kept_of_thread = nullptr;
  for (const int number : kSignals) restore(number);
  ::sigaltstack(&stack_before_, nullptr);
}

void HistoryDeaths::begin(Seq seq) noexcept { kept_->working_at = seq; }

unsigned HistoryDeaths::at(Seq seq) const noexcept {
  return kept_->words.died_at == seq ? static_cast<unsigned>(kept_->words.deaths) : 0;
}

void HistoryDeaths::forget() noexcept {
  kept_->words.deaths = 0;
  kept_->write();
}

}  // namespace vxs::daemon
