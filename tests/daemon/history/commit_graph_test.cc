#include "daemon/history/commit_graph.hh"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/store/history/history_fixture.hh"

namespace vxs::history_test {
namespace {

using daemon::CommitGraph;
using State = CommitGraph::State;

class CommitGraphTest : public HistoryFixture {
 protected:
  CommitGraphTest() : git_program(daemon::find_git(std::getenv("PATH"))) {
    for (int i = 0; i < 30; ++i) {
      scenario.write("/tool/key" + std::to_string(i % 3), std::to_string(i));
    }
    flush();
  }
  State wait(CommitGraph& graph) {
    State state = graph.poll();
    for (int i = 0; i < 3000 && state == State::kRunning; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      state = graph.poll();
    }
    return state;
  }
  // A program in the place of git.
  std::string script(const std::string& text) {
    const std::string path = scratch.path() + "/git";
    std::ofstream(path) << "#!/bin/sh\n" << text << "\n";
    chmod(path.c_str(), 0700);
    return path;
  }

  std::string git_program;
};

TEST_F(CommitGraphTest, StockGitWritesFiltersAndLogUsesThem) {
  ASSERT_NE(git_program, "");
  CommitGraph graph(repository, git_program);
  ASSERT_TRUE(graph.start());
  EXPECT_EQ(wait(graph), State::kIdle);
  EXPECT_EQ(git(repository, "commit-graph verify").status, 0);
  const std::string trace = scratch.path() + "/trace";
  const Output log = shell("GIT_TRACE2_PERF='" + trace + "' git -C '" + repository +
                           "' log --format=%H main -- tool/key1");
  EXPECT_EQ(log.status, 0);
  EXPECT_EQ(lines(log.text).size(), 10U);
  const std::string used = shell("grep -o 'statistics:.*' '" + trace + "'").text;
  EXPECT_NE(used.find("\"filter_not_present\":0"), std::string::npos) << used;
  EXPECT_EQ(used.find("\"definitely_not\":0"), std::string::npos) << used;
  EXPECT_EQ(complaints(repository), "");
  // A second layer, with more commits.
  scenario.write("/tool/key1", "more");
  flush();
  ASSERT_TRUE(graph.start());
  EXPECT_EQ(wait(graph), State::kIdle);
  EXPECT_EQ(git(repository, "commit-graph verify").status, 0);
}

TEST_F(CommitGraphTest, WithoutGitNothingHappensAndNothingFails) {
  EXPECT_EQ(daemon::find_git(nullptr), "");
  EXPECT_EQ(daemon::find_git(""), "");
  EXPECT_EQ(daemon::find_git((scratch.path() + ":relative").c_str()), "");
  CommitGraph graph(repository, "");
  EXPECT_FALSE(graph.start());
  EXPECT_EQ(graph.poll(), State::kIdle);
  graph.stop();
}

TEST_F(CommitGraphTest, TheChildHasTheLowestPriorityACleanEnvironmentAndNoDescriptors) {
  const std::string out = scratch.path() + "/seen";
  setenv("VXS_SECRET", "1", 1);
  const int leak = dup2(0, 77);
  CommitGraph graph(repository, script("{ nice; env; ls /proc/$$/fd; } > '" + out + "' 2>&1"));
  ASSERT_TRUE(graph.start());
  EXPECT_EQ(wait(graph), State::kIdle);
  close(leak);
  unsetenv("VXS_SECRET");
  const auto seen = lines(shell("cat '" + out + "'").text);
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen.front(), "19");
  for (const std::string& line : seen) {
    EXPECT_FALSE(line.starts_with("VXS_SECRET")) << line;
    EXPECT_NE(line, "77");
  }
}

TEST_F(CommitGraphTest, AStopKillsTheChildAtOnceAndTheNextRunRemovesItsLock) {
  namespace fs = std::filesystem;
  CommitGraph hanging(repository, script("exec sleep 600"));
  ASSERT_TRUE(hanging.start());
  const pid_t child = hanging.child();
  EXPECT_EQ(hanging.poll(), State::kRunning);
  const auto began = std::chrono::steady_clock::now();
  hanging.stop();
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(1));
  EXPECT_NE(wait(hanging), State::kRunning);  // a loaded machine may take longer to kill
  EXPECT_NE(kill(child, 0), 0);
  const std::string directory = repository + "/objects/info/commit-graphs";
  fs::create_directories(directory);
  std::ofstream(directory + "/commit-graph-chain.lock") << "";
  std::ofstream(directory + "/tmp_graph_abc") << "";
  CommitGraph graph(repository, git_program);
  ASSERT_TRUE(graph.start());
  EXPECT_EQ(wait(graph), State::kIdle);
  EXPECT_FALSE(fs::exists(directory + "/commit-graph-chain.lock"));
  EXPECT_FALSE(fs::exists(directory + "/tmp_graph_abc"));
  EXPECT_EQ(git(repository, "commit-graph verify").status, 0);
}

TEST_F(CommitGraphTest, TheChildDiesWithTheThreadThatStartedIt) {
  pid_t child = 0;
  const std::string running = repository + "/running";
  auto graph =
      std::make_unique<CommitGraph>(repository, script("echo >" + running + "; exec sleep 600"));
  std::thread([&] {
    ASSERT_TRUE(graph->start());
    child = graph->child();
    // TSan makes a fork of a vfork: the child has to have asked for the signal before we go.
    for (int i = 0; i < 1000 && !std::filesystem::exists(running); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }).join();
  for (int i = 0; i < 1000 && graph->poll() == State::kRunning; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(graph->poll(), State::kIdle);
  EXPECT_NE(kill(child, 0), 0);
}

TEST_F(CommitGraphTest, AFailureIsSaidOnce) {
  CommitGraph graph(repository, script("exit 3"));
  ASSERT_TRUE(graph.start());
  EXPECT_EQ(wait(graph), State::kFailed);
  EXPECT_EQ(graph.poll(), State::kIdle);
}

}  // namespace
}  // namespace vxs::history_test
