// Servers whose journal makes records safe after the request: when the test says so, or when the
// pass ends.
#pragma once

#include <gmock/gmock.h>

#include <cstdint>
#include <string>

#include "tests/daemon/core/core_fixture.hh"

namespace vxs::test {

// Safe when the test says so.
class Later : public CoreTest {
 protected:
  Later() : CoreTest(FakeJournal::Mode::kLater) {}
  explicit Later(daemon::ServerOptions options) : CoreTest(FakeJournal::Mode::kLater, options) {}

  void safe() {
    server.end_of_pass();
    journal.make_safe(journal.last_seq());
    server.journal_progressed();
  }
  // The sync thread could not keep what is above safe_seq().
  void lose(int code) {
    server.end_of_pass();
    journal.late_errno = code;
    journal.append_errno = code;
    server.journal_progressed();
  }
  void mend() {
    journal.append_errno = 0;
    (void)server.tick();
  }
  // A write, safe and answered.
  void put(daemon::Connection& connection, const std::string& path, const std::string& value) {
    begin(connection, wire::kWrite, zstrings({path}) + value);
    safe();
    ASSERT_THAT(take(connection), testing::Contains("OK"));
  }
  std::uint32_t safe_start(daemon::Connection& connection) {
    begin(connection, wire::kTransactionStart, zstrings({""}));
    safe();
    return static_cast<std::uint32_t>(std::stoul(take(connection).at(0)));
  }
};

// pwrite segments: safe at the end of the pass.
class OnFlush : public CoreTest {
 protected:
  OnFlush() : CoreTest(FakeJournal::Mode::kOnFlush) {}
};

}  // namespace vxs::test
