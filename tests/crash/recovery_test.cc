// Issue 2, point 8: what comes back, from what is left.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/crash/repository.hh"
#include "tests/crash/store_dump.hh"
#include "tests/support/vxenstored_process.hh"
#include "tests/support/wire_client.hh"

namespace vxs::test {
namespace {

namespace fs = std::filesystem;
using support::VxenstoredOptions;
using support::VxenstoredProcess;
using support::WireClient;
using support::zstrings;

struct Kind {
  std::string name;
  std::string parent_dir;
  std::string durability;
};

std::string write(WireClient& client, const std::string& path, const std::string& value,
                  std::uint32_t tx_id = 0) {
  return client.call(support::kWrite, zstrings({path}) + value, tx_id).error();
}
void must(const support::Frame& reply) { ASSERT_EQ(reply.error(), ""); }

std::uint64_t highest_generation(const StoreDump& dump) {
  std::uint64_t highest = 0;
  for (const auto& [path, node] : dump) highest = std::max(highest, node.generation);
  return highest;
}

void flip_byte(const fs::path& file, std::uint64_t at) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(static_cast<std::streamoff>(at));
  const int byte = stream.get();
  stream.seekp(static_cast<std::streamoff>(at));
  stream.put(static_cast<char>(byte ^ 0x10));
  ASSERT_TRUE(stream.good()) << file;
}

std::vector<fs::path> files_named(const std::string& directory, const std::string& start) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().filename().string().starts_with(start)) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string content(const fs::path& file) {
  std::string bytes(fs::file_size(file), '\0');
  std::ifstream stream(file, std::ios::binary);
  stream.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

// The last byte that is not zero: the end of a segment's data, whatever its form.
std::uint64_t end_of_data(const fs::path& file) {
  const std::string bytes = content(file);
  return bytes.find_last_not_of('\0');
}

class Recovery : public testing::TestWithParam<Kind> {
 protected:
  Recovery() : daemon_(options()) {}

  static VxenstoredOptions options() {
    VxenstoredOptions options;
    options.args = {"--durability", GetParam().durability};
    options.parent_dir = GetParam().parent_dir;
    return options;
  }

  WireClient client() { return WireClient(daemon_.socket_path()); }
  StoreDump dump() {
    auto one = client();
    return dump_store(one);
  }
  std::string said_since(std::size_t mark) { return daemon_.output().substr(mark); }

  // Some of everything: values, orders, removals, permissions, a merge, a conflict, special nodes.
  void fill(const std::string& below) {
    auto one = client();
    auto other = client();
    for (int i = 0; i < 40; ++i) {
      ASSERT_EQ(write(one, below + "/dir" + std::to_string(i % 5) + "/k" + std::to_string(40 - i),
                      std::string(static_cast<std::size_t>(i * 7), static_cast<char>(i))),
                "");
    }
    must(one.call(support::kRm, zstrings({below + "/dir3"})));
    must(one.call(support::kRm, zstrings({below + "/dir1/k39"})));
    must(one.call(support::kSetPerms, zstrings({below + "/dir2", "n5", "r7", "b9"})));
    must(one.call(support::kSetPerms, zstrings({"@introduceDomain", "n0", "r3"})));
    must(one.call(support::kMkdir, zstrings({below + "/dir2/made"})));
    for (const bool conflict : {false, true}) {
      const auto id = static_cast<std::uint32_t>(
          std::stoul(one.call(support::kTransactionStart, zstrings({""})).payload));
      must(one.call(support::kRead, zstrings({below + "/dir4/k1"}), id));
      ASSERT_EQ(write(one, below + "/tx/a", "from the transaction", id), "");
      ASSERT_EQ(write(other, below + (conflict ? "/dir4/k1" : "/beside"), "meanwhile"), "");
      const auto ended = one.call(support::kTransactionEnd, zstrings({"T"}), id);
      ASSERT_EQ(ended.error(), conflict ? "EAGAIN" : "");
    }
  }

  void catch_up() {
    auto one = client();
    for (int i = 0; i < 500; ++i) {
      if (status_number(one, "history-seq") >= status_number(one, "seq")) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    FAIL() << "history stays behind:\n" << daemon_.output();
  }

  void expect_history_is_the_tree() {
    catch_up();
    EXPECT_EQ(fsck(daemon_.history_dir()), "");
    EXPECT_EQ(compare_with_history(daemon_.history_dir(), dump(), "/a/beside"), "");
  }

  void expect_still_on_main(const std::string& commit) {
    EXPECT_TRUE(main_commits(daemon_.history_dir()).contains(commit)) << commit;
  }

  // Writes go on, with Seqs above all earlier ones, and history with them.
  void expect_it_goes_on(std::uint64_t above) {
    {
      auto one = client();
      ASSERT_EQ(write(one, "/a/beside", "later"), "");
      EXPECT_GT(dump_store(one, "/a/beside").begin()->second.generation, above);
    }
    expect_history_is_the_tree();
  }

  void stop_cleanly() {
    const auto status = daemon_.terminate();
    ASSERT_TRUE(status.has_value()) << daemon_.output();
    ASSERT_EQ(*status, 0) << daemon_.output();
  }

  VxenstoredProcess daemon_;
};

TEST_P(Recovery, AfterKill9_SameTreeAndGenerations) {
  fill("/a");
  catch_up();
  const auto head = main_head(daemon_.history_dir());
  fill("/b");
  const auto before = dump();
  daemon_.restart();
  EXPECT_EQ(difference(before, dump()), "");
  expect_it_goes_on(highest_generation(before));
  expect_still_on_main(head);
}

TEST_P(Recovery, AfterCleanStop_SameTreeAndGenerations) {
  fill("/a");
  const auto before = dump();
  stop_cleanly();
  const auto head = main_head(daemon_.history_dir());
  daemon_.restart();
  EXPECT_EQ(difference(before, dump()), "");
  expect_it_goes_on(highest_generation(before));
  expect_still_on_main(head);
}

// Bug: with --durability disk the batch under way at SIGTERM was kept and not answered.
TEST_P(Recovery, AfterCleanStop_WhatWasDoneWasAnswered) {
  for (int i = 0; i < 6; ++i) {
    const std::string path = "/a/stop" + std::to_string(i);
    auto one = client();
    one.send({.type = support::kWrite, .req_id = 1, .tx_id = 0, .payload = zstrings({path}) + "v"});
    std::this_thread::sleep_for(std::chrono::microseconds(300 * i));
    stop_cleanly();
    bool answered = false;
    try {
      answered = one.receive().has_value();
    } catch (const support::WireError&) {  // closed without a word
    }
    daemon_.restart();
    EXPECT_EQ(dump().contains(path), answered) << path;
  }
}

TEST_P(Recovery, AfterManyStartsOfEachKind_SameTreeAndGenerations) {
  fill("/a");
  const auto before = dump();
  for (int i = 0; i < 4; ++i) {
    if (i % 2 == 0) stop_cleanly();
    daemon_.restart();
    EXPECT_EQ(difference(before, dump()), "") << "start " << i;
  }
  expect_it_goes_on(highest_generation(before));
}

TEST_P(Recovery, AfterLossOfHistory_TheJournalHasEverything_HistoryIsWrittenAgain) {
  fill("/a");
  catch_up();
  const auto before = dump();
  daemon_.kill9();
  fs::remove_all(daemon_.history_dir());
  daemon_.restart();
  EXPECT_EQ(difference(before, dump()), "");
  expect_it_goes_on(highest_generation(before));
  EXPECT_NE(git(daemon_.history_dir(), "log --format=%s main").out.find("initial tree"),
            std::string::npos);
}

TEST_P(Recovery, AfterLossOfHistory_TheJournalHasNotEverything_NewRootAndSaysWhatIsGone) {
  fill("/a");
  stop_cleanly();
  daemon_.restart();
  catch_up();  // checkpoint and history have the first run: its segments may go
  stop_cleanly();
  daemon_.restart();
  catch_up();
  fill("/b");
  const auto before = dump();
  daemon_.kill9();
  fs::remove_all(daemon_.history_dir());
  for (const auto& file : files_named(daemon_.journal_dir(), "segment-")) {
    // Certainly gone, if not yet removed: those that the checkpoint covers.
    if (file == files_named(daemon_.journal_dir(), "segment-").back()) break;
    if (content(file).find("initial tree") != std::string::npos) fs::remove(file);
  }
  const auto mark = daemon_.output().size();
  daemon_.restart();
  EXPECT_EQ(difference(before, dump()), "");
  expect_it_goes_on(highest_generation(before));
  EXPECT_EQ(git(daemon_.history_dir(), "rev-list --max-parents=0 --count main").out, "1\n");
  EXPECT_NE(said_since(mark).find("history: Seq 1 to "), std::string::npos) << said_since(mark);
}

TEST_P(Recovery, AfterLossOfJournalAndCheckpoints_TreeFromGit_GenerationsAboveAllEarlier) {
  fill("/a");
  catch_up();
  const auto before = dump();
  const auto head = main_head(daemon_.history_dir());
  daemon_.kill9();
  fs::remove_all(daemon_.journal_dir());
  const auto mark = daemon_.output().size();
  daemon_.restart();
  const auto after = dump();
  EXPECT_EQ(difference(before, after, false), "");
  for (const auto& [path, node] : after) {
    if (path.starts_with('/')) {
      EXPECT_GT(node.generation, highest_generation(before)) << path;
    }
  }
  EXPECT_NE(said_since(mark).find("newest commit"), std::string::npos) << said_since(mark);
  expect_it_goes_on(highest_generation(after));
  expect_still_on_main(head);
  // Numbers were left out, no records lost: the commit says so.
  const auto log = git(daemon_.history_dir(), "log --format=%B main").out;
  EXPECT_NE(log.find("Reason: journal and checkpoints were lost"), std::string::npos);
  EXPECT_NE(log.find("Changes: 0\n"), std::string::npos);
  // And once more from what it has now.
  const auto again = dump();
  daemon_.restart();
  EXPECT_EQ(difference(again, dump()), "");
}

TEST_P(Recovery, AfterLossOfBoth_TheInitialTree) {
  fill("/a");
  daemon_.kill9();
  fs::remove_all(daemon_.journal_dir());
  fs::remove_all(daemon_.state_dir());
  daemon_.restart();
  const auto after = dump();
  EXPECT_EQ(after.at("/").children, std::vector<std::string>{"tool"});
  EXPECT_EQ(after.size(), 5U);  // "/", "/tool", "/tool/xenstored" and the special nodes
  expect_it_goes_on(0);
}

// The state was replaced by that of the older history, since that had the higher numbers.
TEST_P(Recovery, Bug_AStoreThatWasKeptWithoutHistoryIsNotReplacedByAnOlderOne) {
  fill("/a");
  fill("/old");
  catch_up();
  const auto head = main_head(daemon_.history_dir());
  daemon_.kill9();
  fs::remove_all(daemon_.journal_dir());
  const auto args = daemon_.options().args;
  daemon_.options().args.insert(daemon_.options().args.end(), {"--history", "off"});
  daemon_.restart();
  {
    auto one = client();
    ASSERT_EQ(write(one, "/a/beside", "of the run without history"), "");
  }
  const auto before = dump();
  ASSERT_FALSE(before.contains("/old"));
  daemon_.options().args = args;
  // Killed at once, before history could take note of anything, or not.
  for (const bool at_once : {true, true, false}) {
    const auto mark = daemon_.output().size();
    daemon_.restart();
    EXPECT_EQ(difference(before, dump()), "") << said_since(mark);
    if (!at_once) expect_history_is_the_tree();
  }
  expect_still_on_main(head);
  const auto log = git(daemon_.history_dir(), "log --format=%B main").out;
  EXPECT_NE(log.find("Reason: history was off"), std::string::npos);
  expect_it_goes_on(highest_generation(before));
  stop_cleanly();
  daemon_.restart();
  const auto after = dump();
  expect_it_goes_on(highest_generation(after));
}

// With the same numbers and records of its own, the history would have been fed what does not fit.
TEST_P(Recovery, AHistoryOfAnotherTimeWithLowerNumbersGoesOnFromTheState) {
  {
    auto one = client();
    ASSERT_EQ(write(one, "/old", "1"), "");
  }
  catch_up();
  daemon_.kill9();
  fs::remove_all(daemon_.journal_dir());
  const auto args = daemon_.options().args;
  daemon_.options().args.insert(daemon_.options().args.end(), {"--history", "off"});
  daemon_.restart();
  fill("/a");
  const auto before = dump();
  daemon_.options().args = args;
  daemon_.restart();
  EXPECT_EQ(difference(before, dump()), "");
  expect_it_goes_on(highest_generation(before));
  const auto log = git(daemon_.history_dir(), "log --format=%B main").out;
  EXPECT_NE(log.find("Reason: history was off"), std::string::npos);
}

TEST_P(Recovery, AHistoryThatWasOffForAWhileHasWhatHappenedMeanwhile) {
  fill("/a");
  catch_up();
  const auto args = daemon_.options().args;
  daemon_.options().args.insert(daemon_.options().args.end(), {"--history", "off"});
  daemon_.restart();
  {
    auto one = client();
    ASSERT_EQ(write(one, "/a/meanwhile", "1"), "");
  }
  const auto before = dump();
  daemon_.options().args = args;
  daemon_.restart();
  EXPECT_EQ(difference(before, dump()), "");
  expect_it_goes_on(highest_generation(before));
  const auto log = git(daemon_.history_dir(), "log --format=%s main").out;
  EXPECT_NE(log.find("dom0 create /a/meanwhile"), std::string::npos) << log;
}

TEST_P(Recovery, DamagedMiddleOfTheJournal_ServesReadsRefusesWritesTouchesNothing) {
  fill("/a");
  catch_up();
  daemon_.kill9();
  const auto segment = files_named(daemon_.journal_dir(), "segment-").front();
  const auto end = end_of_data(segment);
  ASSERT_GT(end, 6000U);
  flip_byte(segment, 4096 + (end - 4096) / 2);
  const auto damaged = content(segment);
  const auto names = files_named(daemon_.journal_dir(), "");

  const auto mark = daemon_.output().size();
  daemon_.restart();
  {
    auto one = client();
    const auto after = dump_store(one);
    EXPECT_TRUE(after.contains("/a/dir0/k40"));  // written at the beginning
    EXPECT_EQ(write(one, "/a/refused", "x"), "EIO");
    EXPECT_EQ(one.call(support::kRm, zstrings({"/a"})).error(), "EIO");
    const auto id = static_cast<std::uint32_t>(
        std::stoul(one.call(support::kTransactionStart, zstrings({""})).payload));
    EXPECT_EQ(write(one, "/a/refused", "x", id), "");
    EXPECT_EQ(one.call(support::kTransactionEnd, zstrings({"T"}), id).error(), "EIO");
    EXPECT_EQ(difference(after, dump_store(one)), "");
    EXPECT_EQ(status_value(one, "journal"), "failing");
    EXPECT_NE(said_since(mark).find("error"), std::string::npos);
    EXPECT_NE(said_since(mark).find(segment.filename().string()), std::string::npos)
        << said_since(mark);
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(600));  // housekeeping has run twice
  stop_cleanly();
  EXPECT_EQ(files_named(daemon_.journal_dir(), ""), names);
  EXPECT_EQ(content(segment), damaged);
}

TEST_P(Recovery, DamagedJournal_SaysWhatAStartWithoutItWouldHave) {
  fill("/a");
  catch_up();
  daemon_.kill9();
  const auto segment = files_named(daemon_.journal_dir(), "segment-").front();
  flip_byte(segment, 4096 + (end_of_data(segment) - 4096) / 2);
  const auto says = [this, args = daemon_.options().args](std::vector<std::string> more,
                                                          const std::string& sentence) {
    daemon_.options().args = args;
    daemon_.options().args.insert(daemon_.options().args.end(), more.begin(), more.end());
    const auto mark = daemon_.output().size();
    daemon_.restart();
    // It is written by a thread of its own.
    const auto is_said = [&] {
      return said_since(mark).find("start again: " + sentence) != std::string::npos;
    };
    for (int i = 0; i < 500 && !is_said(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    EXPECT_TRUE(is_said()) << said_since(mark);
  };
  says({}, "the state then comes from the history");
  says({"--after-reboot", "empty"},
       "the store then begins empty, or with --after-reboot keep as the history has it");
  says({"--history", "off"},
       "the store then begins empty, for there is no history to take it from");
  // And so it is.
  daemon_.kill9();
  fs::remove_all(daemon_.journal_dir());
  daemon_.restart();
  EXPECT_FALSE(dump().contains("/a"));
}

TEST_P(Recovery, DamagedNewestCheckpoint_TheOlderOneAndTheSegments) {
  fill("/a");
  stop_cleanly();
  daemon_.restart();
  fill("/b");
  const auto before = dump();
  stop_cleanly();
  const auto checkpoints = files_named(daemon_.journal_dir(), "checkpoint-");
  ASSERT_EQ(checkpoints.size(), 2U);
  flip_byte(checkpoints.back(), fs::file_size(checkpoints.back()) / 2);
  const auto mark = daemon_.output().size();
  daemon_.restart();
  EXPECT_EQ(difference(before, dump()), "");
  EXPECT_NE(said_since(mark).find(checkpoints.back().filename().string()), std::string::npos)
      << said_since(mark);
  expect_it_goes_on(highest_generation(before));
}

INSTANTIATE_TEST_SUITE_P(Kinds, Recovery,
                         testing::Values(Kind{"Mapped", "/dev/shm", "process"},
                                         Kind{"Written", "/tmp", "process"},
                                         Kind{"Disk", "/tmp", "disk"}),
                         [](const auto& info) { return info.param.name; });

// --durability memory: what history has is what survives.
class MemoryRecovery : public Recovery {};

TEST_P(MemoryRecovery, AfterEachKill9_TheNewestCommitNotAnOlderCheckpoint) {
  fill("/a");
  std::uint64_t highest = 0;
  for (int i = 0; i < 3; ++i) {
    {
      auto one = client();
      ASSERT_EQ(write(one, "/a/beside", "life " + std::to_string(i)), "");
    }
    catch_up();
    const auto before = dump();
    const auto head = main_head(daemon_.history_dir());
    daemon_.restart();
    const auto after = dump();
    EXPECT_EQ(difference(before, after, false), "") << "kill " << i;
    EXPECT_GT(highest_generation(after), highest_generation(before));
    highest = highest_generation(after);
    expect_still_on_main(head);
  }
  expect_it_goes_on(highest);
}

TEST_P(MemoryRecovery, AfterCleanStop_SameTreeAndGenerations) {
  fill("/a");
  const auto before = dump();
  stop_cleanly();
  daemon_.restart();
  EXPECT_EQ(difference(before, dump()), "");
  expect_it_goes_on(highest_generation(before));
}

INSTANTIATE_TEST_SUITE_P(Kinds, MemoryRecovery,
                         testing::Values(Kind{"Memory", "/dev/shm", "memory"}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace vxs::test
