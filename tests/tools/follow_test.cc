#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <fstream>
#include <thread>

#include "tests/support/child_process.hh"
#include "tests/tools/fixture.hh"

namespace vxs::test {
namespace {

class FollowTest : public SampleTest {
 protected:
  [[nodiscard]] std::string printed() const {
    std::ifstream file(dir_.path() + "/out");
    return {std::istreambuf_iterator<char>(file), {}};
  }
  /// Waits until `text` was printed; the time that took.
  std::chrono::milliseconds wait_for(const std::string& text) const {
    const auto begin = std::chrono::steady_clock::now();
    while (printed().find(text) == std::string::npos) {
      if (std::chrono::steady_clock::now() - begin > std::chrono::seconds(20)) {
        ADD_FAILURE() << "not printed: " << text << "\n" << printed();
        break;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                                 begin);
  }
  support::ChildProcess follow(std::vector<std::string> more) const {
    support::Command command;
    command.argv = {vxs_binary(), "--state-dir", dir_.path(), "log", "--follow"};
    command.argv.insert(command.argv.end(), more.begin(), more.end());
    command.env = environment();
    command.output = dir_.path() + "/out";
    return support::ChildProcess(command);
  }
  store::ObjectId add_commit(int seq, const std::string& subject, const store::ObjectId& parent) {
    Model model;
    model["/"] = {"", "n0", "1.0", true, false, false};
    model["/n" + std::to_string(seq)] = {"v",   "n0",  std::to_string(seq) + ".0",
                                         false, false, false};
    const auto commit = repository_.write_commit(
        repository_.write_tree(model), {parent}, "dom0", kFirstTime + 10 * seq,
        subject + "\n\nSeq: " + std::to_string(seq) + "\nDomain: 0\n");
    repository_.set_ref("refs/heads/main", commit);
    return commit;
  }
};

TEST_F(FollowTest, PrintsNewCommitsWithinASecondOldestFirst) {
  support::ChildProcess child = follow({});
  wait_for("dom0 rm /tool/example");
  EXPECT_LT(printed().find("dom0 create /tool/other x"), printed().find("dom0 rm /tool/example"));
  const auto first = add_commit(12, "dom0 create /n12 v", history_.remove);
  // Bounded by a second in the product; a busy test machine gets some more.
  EXPECT_LT(wait_for("dom0 create /n12 v").count(), 3000);
  add_commit(13, "dom0 create /n13 v", first);
  wait_for("dom0 create /n13 v");
  EXPECT_EQ(seqs(printed()).back(), "13");
  EXPECT_EQ(lines(printed()).size(), 12u);
  child.kill9();
}

TEST_F(FollowTest, FollowsOnePathFromASeqOnAsJson) {
  support::ChildProcess child = follow({"/n13", "--since", "11", "--json"});
  const auto first = add_commit(12, "dom0 create /n12 v", history_.remove);
  add_commit(13, "dom0 create /n13 v", first);
  wait_for("dom0 create /n13 v");
  const auto all = objects(printed());
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0]["seq"], 13);
  child.kill9();
}

}  // namespace
}  // namespace vxs::test
