// A repository in a private directory, its writer and a scenario of records for it.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "store/history/history_writer.hh"
#include "tests/store/history/git_tool.hh"
#include "tests/store/history/scenario.hh"
#include "tests/store/history/tree_image.hh"
#include "tests/support/temp_dir.hh"

namespace vxs::history_test {

class HistoryFixture : public ::testing::Test {
 protected:
  HistoryFixture() : repository(scratch.path() + "/history.git") { reopen(); }

  void reopen() {
    writer.reset();
    store::HistoryOptions options;
    options.repository = repository;
    options.host = "testhost";
    options.boot_id = "boot-0";
    options.version = "0.1";
    options.sync = false;
    adjust(options);
    auto opened = store::open_history_writer(*env, options);
    ASSERT_TRUE(opened) << opened.error().message;
    writer = *std::move(opened);
  }
  std::function<void(store::HistoryOptions&)> adjust = [](store::HistoryOptions&) {};
  void add(const OwnedRecord& record) {
    std::vector<store::Change> changes;
    const auto done = writer->add(record.view(changes));
    ASSERT_TRUE(done) << done.error().message;
  }
  void publish() {
    const auto done = writer->publish();
    ASSERT_TRUE(done) << done.error().message;
  }
  // Adds what the scenario made since the last call and publishes it.
  void flush() {
    for (; added < scenario.records().size(); ++added) add(scenario.records()[added]);
    publish();
  }
  std::string log(const std::string& arguments) { return git_ok(repository, "log " + arguments); }

  support::TempDir scratch{"/dev/shm"};
  std::string repository;
  std::unique_ptr<store::Env> env = store::make_posix_env();
  Scenario scenario;
  std::size_t added = 0;
  std::unique_ptr<store::HistoryWriter> writer;
};

}  // namespace vxs::history_test
