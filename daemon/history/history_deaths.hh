// How often in a row the history thread ended the whole process at one place (design §5): so that
// one record that it cannot take does not end the daemon for ever.
#pragma once

#include <signal.h>

#include <cstdint>
#include <memory>
#include <string>

#include <tl/expected.hpp>

#include "protocol/ids.hh"

namespace vxs::daemon {

/// A file of a few words that outlives the process. Made, used and ended on the thread it is about;
/// one in a process at a time, since it handles SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT. It
/// counts those of its own thread's making and hands all on to whoever handled them before: a kill
/// from outside counts nothing.
class HistoryDeaths {
 public:
  /// While the repository is being opened nobody knows a Seq.
  static constexpr Seq kOpening = ~Seq{0};

  /// What is not a file of ours begins anew, as does one of another program's version, which may
  /// be mended. Errors: a sentence; nothing is counted then.
  [[nodiscard]] static tl::expected<std::unique_ptr<HistoryDeaths>, std::string> watch(
      const std::string& file, const std::string& version);
  ~HistoryDeaths();
  HistoryDeaths(const HistoryDeaths&) = delete;
  HistoryDeaths& operator=(const HistoryDeaths&) = delete;

  /// What the thread works at from now on: the first record that Git does not hold, or kOpening.
  void begin(Seq seq) noexcept;
  /// How often in a row it died at `seq`.
  [[nodiscard]] unsigned at(Seq seq) const noexcept;
  /// The next start tries again, however often it died.
  void forget() noexcept;

  struct Words;
  struct Kept;

 private:
  explicit HistoryDeaths(std::unique_ptr<Kept> kept);

  std::unique_ptr<Kept> kept_;
  std::unique_ptr<char[]> stack_;  ///< for the handler: the thread's own may be used up
  stack_t stack_before_{};
};

}  // namespace vxs::daemon
