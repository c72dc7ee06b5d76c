#include "daemon/app/hash_ahead.hh"

#include <gtest/gtest.h>

#include <chrono>
#include <future>

#include "daemon/app/initial_tree.hh"
#include "store/perm_set.hh"

namespace vxs::daemon {
namespace {

using namespace std::chrono_literals;

class HashAheadTest : public ::testing::Test {
 protected:
  // Hashes when it is let, and says so.
  std::uint64_t hash_of(const store::Tree& of) {
    ++hashed_;
    (void)go_on_.get_future().wait_for(10s);
    return of.state_hash();
  }
  void let_go() { go_on_.set_value(); }
  bool told() { return told_.get_future().wait_for(30s) == std::future_status::ready; }

  store::PermTable perms_;
  store::TreeStats stats_;
  store::Tree tree_ = initial_tree(stats_, perms_, 0);
  int hashed_ = 0;
  std::promise<void> go_on_;
  std::promise<void> told_;
  HashAhead ahead_{[this] { told_.set_value(); },
                   [this](const store::Tree& of) { return hash_of(of); }};
};

// Bug: the loop slept on, up to 250 ms, before the update it was for went on.
TEST_F(HashAheadTest, Bug_ItsEndIsTold) {
  ahead_.begin(tree_);
  EXPECT_TRUE(ahead_.busy());
  let_go();
  ASSERT_TRUE(told());
  EXPECT_FALSE(ahead_.busy());
  EXPECT_EQ(ahead_.hash(tree_), tree_.state_hash());
}

// Bug: an update that was aborted kept everybody waiting for it.
TEST_F(HashAheadTest, Bug_ForgettingDoesNotWait) {
  ahead_.begin(tree_);
  ahead_.forget();
  EXPECT_TRUE(ahead_.busy()) << "it goes on, and nobody waited";
  ahead_.begin(tree_);  // the next update is content with it
  ahead_.tidy();
  let_go();
  ASSERT_TRUE(told());
  ahead_.tidy();
  EXPECT_EQ(ahead_.hash(tree_), tree_.state_hash());
  EXPECT_EQ(hashed_, 1);
}

TEST_F(HashAheadTest, WhatWasForgottenIsNotUsed) {
  ahead_.begin(tree_);
  ahead_.forget();
  let_go();
  ASSERT_TRUE(told());
  ahead_.tidy();
  told_ = {};
  go_on_ = {};
  let_go();
  ahead_.begin(tree_);
  ASSERT_TRUE(told());
  EXPECT_EQ(hashed_, 2);
}

}  // namespace
}  // namespace vxs::daemon
