// Calls parse_config() as main() would, with an environment of the test's choice.
#pragma once

#include <fstream>
#include <string>
#include <vector>

#include "daemon/config/options.hh"
#include "tests/support/temp_dir.hh"

#include <gtest/gtest.h>

namespace vxs::config {

class ConfigTest : public ::testing::Test {
 protected:
  ConfigTest() {
    environment_.working_directory = "/somewhere";
    environment_.default_config_file = dir_.path() + "/absent.toml";
  }

  tl::expected<Config, EarlyExit> parse(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "vxenstored");
    std::vector<const char*> argv;
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    return parse_config(static_cast<int>(argv.size()), argv.data(), environment_);
  }

  /// Parses what must be right.
  Config good(const std::vector<std::string>& arguments) {
    auto config = parse(arguments);
    if (!config) {
      ADD_FAILURE() << config.error().text;
      return {};
    }
    return *config;
  }

  /// The error text of what must be wrong; "" (and a failure) if it is not.
  std::string bad(const std::vector<std::string>& arguments) {
    const auto config = parse(arguments);
    if (config) {
      ADD_FAILURE() << "accepted";
      return "";
    }
    EXPECT_EQ(config.error().exit_code, 1);
    return config.error().text;
  }

  std::string write_file(const std::string& text, const std::string& name = "test.toml") {
    const std::string path = dir_.path() + "/" + name;
    std::ofstream(path) << text;
    return path;
  }

  support::TempDir dir_;
  Environment environment_;
};

}  // namespace vxs::config
