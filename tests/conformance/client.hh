// The wire client with one call per message, for tests that read like transcripts.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/wire_client.hh"

namespace vxs::conformance {

using support::Event;
using support::Frame;
using support::zstrings;

/// The answer to a request that succeeds and has nothing to say (B0.5).
inline const std::string kOk("OK\0", 3);

/// What the daemon answered: the payload, or "!ENOENT" for an error.
std::string answer(const Frame& frame);

class Client : public support::WireClient {
 public:
  using support::WireClient::WireClient;

  /// Sends any payload and returns answer().
  std::string ask(std::uint32_t type, std::string_view payload, std::uint32_t tx = 0);
  /// The same with strings that each get a NUL.
  std::string ask(std::uint32_t type, std::initializer_list<std::string_view> strings,
                  std::uint32_t tx = 0);

  std::string read(std::string_view path, std::uint32_t tx = 0);
  std::string write(std::string_view path, std::string_view value, std::uint32_t tx = 0);
  std::string mkdir(std::string_view path, std::uint32_t tx = 0);
  std::string rm(std::string_view path, std::uint32_t tx = 0);
  /// The names separated by spaces, or an error.
  std::string list(std::string_view path, std::uint32_t tx = 0);
  /// The entries separated by spaces ("n0 r5"), or an error.
  std::string perms(std::string_view path, std::uint32_t tx = 0);
  /// `entries` as perms() has them.
  std::string set_perms(std::string_view path, std::string_view entries, std::uint32_t tx = 0);

  /// WATCH; the initial event is taken from the queue (and is checked to be there).
  std::string watch(std::string_view path, std::string_view token);
  std::string watch(std::string_view path, std::string_view token, std::string_view depth);
  std::string unwatch(std::string_view path, std::string_view token);

  /// A new transaction; throws WireError if there is none.
  std::uint32_t start();
  std::string commit(std::uint32_t tx) { return ask(support::kTransactionEnd, {"T"}, tx); }
  std::string abort(std::uint32_t tx) { return ask(support::kTransactionEnd, {"F"}, tx); }

  /// CONTROL with a command and its arguments.
  std::string control(std::initializer_list<std::string_view> words);

  /// The paths of all events queued by now, in order.
  std::vector<std::string> heard();

 private:
  std::string take_initial_event(std::string reply);
};

}  // namespace vxs::conformance
