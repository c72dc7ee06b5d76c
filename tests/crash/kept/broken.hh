// What both tests of the checkers do with a promise that is broken.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <ostream>
#include <string>

#include "tests/crash/kept/scripted_world.hh"

namespace vxs::test::kept {

struct Broken {
  const char* name;
  Fault fault;
  std::uint64_t every;
  const char* says = "";  // a regular expression
  bool kept = true;
};
inline std::ostream& operator<<(std::ostream& out, const Broken& broken) {
  return out << broken.name;
}
inline std::string name_of(const testing::TestParamInfo<Broken>& info) { return info.param.name; }

// It ends when the promise is seen broken; what comes of a wrong commit may take a while.
inline void expect_seen(const Broken& broken, std::uint64_t seed, std::size_t guests = 0) {
  ScriptedWorld world(broken.fault, broken.every, broken.kept, seed, guests);
  const std::string violation = world.run(std::chrono::milliseconds(40'000));
  EXPECT_GT(world.server().broken(), 0U) << "no opportunity";
  ASSERT_NE(violation, "");
  EXPECT_THAT(violation, testing::ContainsRegex(broken.says));
  const std::string first = violation.substr(0, violation.find('\n'));
  testing::Test::RecordProperty("seed" + std::to_string(seed), first);
  if (seed == 1) std::printf("%s: %s\n", broken.name, first.c_str());
}

}  // namespace vxs::test::kept
