// The soak's clients against a server that keeps every promise but one: they have to notice.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>
#include <string>

#include "tests/crash/kept/crowd.hh"
#include "tests/crash/kept/scripted_server.hh"

namespace vxs::test::kept {
namespace {

using std::chrono::milliseconds;

struct World {
  World(Fault fault, std::uint64_t every, bool kept, std::uint64_t seed)
      : server(fault, every), kept_(kept) {
    CrowdSetting setting;
    setting.clients = 8;
    setting.kept = kept;
    setting.seed = seed;
    setting.patience = milliseconds(1500);
    setting.root_perms = std::string("n0\0", 3);
    // The nodes the soak makes.
    auto link = server.connect();
    Conversation talk(true, [](const support::Event&) {}, {});
    const auto write = [&talk](const std::string& path, const std::string& value) {
      talk.ask(support::kWrite, support::zstrings({path}) + value, 0,
               [](const support::Frame&) { return std::string(); });
    };
    for (std::size_t n = 0; n < setting.clients; ++n) {
      write(root_of(n), "");
      write(beat_path(n), "0");
      for (const char half : {'a', 'b'}) write(pair_path(n, half), "0");
    }
    const auto bytes = talk.leaving(Time{});
    EXPECT_EQ(link->send(bytes), static_cast<long>(bytes.size()));
    server.serve();
    server.begin();
    crowd = std::make_unique<Crowd>(
        setting, [this] { return server.connect(); },
        [this](const std::string& root) { return std::optional(server.dump(root)); });
  }

  // "" or the violation. Kills between.
  std::string run(milliseconds how_long) {
    try {
      const Time begin = Clock::now();
      Time kill = begin;
      while (Clock::now() - begin < how_long) {
        turn();
        if (Clock::now() - kill < milliseconds(25) || crowd->is_suspicious()) continue;
        kill = Clock::now();
        crowd->killed(kill);
        server.kill(!kept_);
        crowd->served(Clock::now());
      }
      compare();
    } catch (const Violation& violation) {
      return violation.what();
    }
    return "";
  }

  void turn() {
    server.serve();
    crowd->turn(milliseconds(0));
  }

  void compare() {
    crowd->set_quiet(true);
    const Time begin = Clock::now();
    while (!crowd->is_quiet()) {
      turn();
      if (Clock::now() - begin > milliseconds(5000)) {
        throw Violation("not quiet: " + crowd->who_is_not_quiet());
      }
    }
    for (const auto& client : crowd->clients()) {
      const auto text = client->tree().compare(server.dump(client->tree().root()));
      if (!text.empty()) throw Violation(text);
    }
    for (std::size_t n = 0; n < crowd->board().pairs.size(); ++n) {
      const auto a = server.dump(pair_path(n, 'a')), b = server.dump(pair_path(n, 'b'));
      const Pair& pair = crowd->board().pairs[n];
      const auto value = a.begin()->second.value;
      if (value != b.begin()->second.value) throw Violation("a pair is torn");
      if (const auto text = pair.judge(value, pair.acknowledged()); !text.empty()) {
        throw Violation(text);
      }
    }
  }

  ScriptedServer server;
  bool kept_;
  std::unique_ptr<Crowd> crowd;
};

struct Allowed {
  const char* name;
  Fault fault;
  bool kept;
};
std::ostream& operator<<(std::ostream& out, const Allowed& allowed) { return out << allowed.name; }

class KeptClientsAllow : public testing::TestWithParam<Allowed> {};

TEST_P(KeptClientsAllow, WhatIsNoViolation) {
  for (const std::uint64_t seed : {1U, 2U}) {
    World world(GetParam().fault, 3, GetParam().kept, seed);
    EXPECT_EQ(world.run(milliseconds(700)), "");
    Client::Counts sum;
    for (const auto& client : world.crowd->clients()) {
      const auto one = client->counts();
      sum.answers += one.answers;
      sum.events += one.events;
      sum.visits += one.visits;
      sum.lost += one.lost;
      sum.tree.changes += one.tree.changes;
      sum.tree.continued += one.tree.continued;
      sum.tree.doomed += one.tree.doomed;
      sum.pair.commits += one.pair.commits;
      sum.watches.survived += one.watches.survived;
    }
    // Nothing of this was left out.
    EXPECT_GT(sum.answers, 200U);
    EXPECT_GT(sum.events, 20U);
    EXPECT_GT(sum.visits, 8U);
    EXPECT_GT(sum.tree.changes, 20U);
    EXPECT_GT(sum.pair.commits, 0U);
    EXPECT_EQ(sum.tree.continued + sum.tree.doomed > 0, GetParam().kept);
    EXPECT_EQ(sum.tree.doomed > 0, GetParam().fault == Fault::kDoomTransactions);
    EXPECT_EQ(sum.lost > 0, !GetParam().kept);
  }
}

INSTANTIATE_TEST_SUITE_P(All, KeptClientsAllow,
                         testing::Values(Allowed{"NothingWrong", Fault::kNone, true},
                                         Allowed{"ClosesIfVolatile", Fault::kNone, false},
                                         Allowed{"DoubleEvents", Fault::kDoubleEvents, true},
                                         Allowed{"RefusedTransactionsAfterAKill",
                                                 Fault::kDoomTransactions, true}),
                         [](const auto& info) { return std::string(info.param.name); });

struct Broken {
  const char* name;
  Fault fault;
  std::uint64_t every;
  bool kept = true;
  const char* says = "";  // a regular expression
};
std::ostream& operator<<(std::ostream& out, const Broken& broken) { return out << broken.name; }

class KeptClientsSee : public testing::TestWithParam<Broken> {};

TEST_P(KeptClientsSee, ABrokenPromise) {
  for (const std::uint64_t seed : {1U, 2U, 3U}) {
    World world(GetParam().fault, GetParam().every, GetParam().kept, seed);
    // It ends when the promise is seen broken; what comes of a wrong commit may take a while.
    const std::string violation = world.run(milliseconds(40'000));
    EXPECT_GT(world.server.broken(), 0U) << "no opportunity";
    ASSERT_NE(violation, "");
    EXPECT_THAT(violation, testing::ContainsRegex(GetParam().says));
    RecordProperty("seed" + std::to_string(seed), violation.substr(0, violation.find('\n')));
    if (seed == 1) {
      std::printf("%s: %s\n", GetParam().name, violation.substr(0, violation.find('\n')).c_str());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, KeptClientsSee,
    testing::Values(Broken{"LostReply", Fault::kLoseReply, 150},
                    Broken{"DoubleReply", Fault::kDoubleReply, 150},
                    Broken{"SwappedReplies", Fault::kSwapReplies, 20},
                    Broken{"WrongRequestId", Fault::kWrongRequestId, 150},
                    Broken{"LostByte", Fault::kLoseByte, 150},
                    Broken{"Hang", Fault::kHang, 150, true, "no answer for"},
                    Broken{"Close", Fault::kClose, 150, true, "closed the connection"},
                    Broken{"CloseWithoutAKill", Fault::kClose, 50, false},
                    Broken{"LostFirstEvent", Fault::kDropFirstEvent, 10, true,
                           "first event did not come|no event of it came"},
                    Broken{"LostEvent", Fault::kDropEvent, 20, true, "never of change"},
                    Broken{"StrangeEvent", Fault::kStrangeEvent, 30, true, "never set"},
                    Broken{"LostWrite", Fault::kLoseWrite, 10},
                    Broken{"LostWriteIfVolatile", Fault::kLoseWrite, 10, false},
                    Broken{"StaleCounter", Fault::kStaleCounter, 10},
                    Broken{"DirtyRead", Fault::kDirtyRead, 10},
                    Broken{"HalfCommit", Fault::kHalfCommit, 2},
                    Broken{"HalfCommitIfVolatile", Fault::kHalfCommit, 2, false},
                    Broken{"HalfPair", Fault::kHalfPair, 5},
                    Broken{"CommitAndRefuse", Fault::kCommitAndRefuse, 5},
                    Broken{"TwoCommitsOfOneNumber", Fault::kNoConflicts, 1, true, "two commits"},
                    Broken{"CommitDoneAgain", Fault::kRepeatCommit, 3},
                    Broken{"ForgottenWatches", Fault::kForgetWatches, 3},
                    Broken{"ForgottenDepths", Fault::kForgetDepths, 1, true, "watch.s depth is"},
                    Broken{"ForgottenTransactions", Fault::kForgetTransactions, 3, true, "ENOENT"}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace vxs::test::kept
