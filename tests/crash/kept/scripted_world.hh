// The soak's clients and guests at the scripted server, with kills. Their time is this world's: it
// goes on by a step with each turn, so that nobody waits, and what they see does not depend on how
// busy the machine is.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "tests/crash/kept/crowd.hh"
#include "tests/crash/kept/scripted_server.hh"
#include "tests/crash/kept/toolstack.hh"
#include "tests/support/fake_machine.hh"

namespace vxs::test::kept {

class ScriptedWorld {
 public:
  // 8 clients at sockets, or 4 and guests.
  ScriptedWorld(Fault fault, std::uint64_t every, bool kept, std::uint64_t seed,
                std::size_t guests = 0);
  ~ScriptedWorld();
  ScriptedWorld(const ScriptedWorld&) = delete;
  ScriptedWorld& operator=(const ScriptedWorld&) = delete;

  // Ends with everything compared. "" or the violation.
  std::string run(std::chrono::milliseconds how_long);

  [[nodiscard]] ScriptedServer& server() { return server_; }
  [[nodiscard]] Crowd& crowd() { return *crowd_; }
  [[nodiscard]] Toolstack& toolstack() { return *toolstack_; }

 private:
  void make_nodes(std::size_t clients);
  void turn();
  void compare();

  support::FakeMachine machine_;
  ScriptedServer server_;
  bool kept_;
  std::unique_ptr<Toolstack> toolstack_;
  std::unique_ptr<Crowd> crowd_;
};

}  // namespace vxs::test::kept
