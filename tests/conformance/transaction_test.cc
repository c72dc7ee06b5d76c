// B12, B13 and chapter E: transactions as clients see them.
#include "tests/conformance/fixture.hh"

namespace vxs::conformance {
namespace {

using namespace std::string_literals;

class Transaction : public Conformance {
 protected:
  Client client_ = connect();
  Client other_ = connect();
};

TEST_F(Transaction, B12_IdsCountFromOneForEachConnection) {
  EXPECT_EQ(client_.ask(kTransactionStart, "\0"s), "1\0"s);
  EXPECT_EQ(client_.ask(kTransactionStart, ""), "2\0"s);
  EXPECT_EQ(client_.ask(kTransactionStart, "anything"), "3\0"s);
  EXPECT_EQ(other_.ask(kTransactionStart, "\0"s), "1\0"s);
}

TEST_F(Transaction, B12_StartInsideATransactionIsEbusyAndInAnUnknownOneEnoent) {
  const std::uint32_t tx = client_.start();
  EXPECT_EQ(client_.ask(kTransactionStart, "\0"s, tx), "!EBUSY");
  EXPECT_EQ(client_.ask(kTransactionStart, "\0"s, tx + 1), "!ENOENT");
  EXPECT_EQ(client_.commit(tx), kOk);
}

TEST_F(Transaction, B12_E10_SocketsHaveNoLimitOfTransactions) {
  for (int i = 0; i < 100; ++i) ASSERT_NE(client_.start(), 0U);
}

TEST_F(Transaction, B13_BadArgumentIsEinvalAndTheTransactionSurvives) {
  const std::uint32_t tx = client_.start();
  ASSERT_EQ(client_.write(at(), "v", tx), kOk);
  for (const auto& payload : {""s, "T"s, "\0"s, "X\0"s, "TT\0"s, "T\0T\0"s, "t\0"s}) {
    EXPECT_EQ(client_.ask(kTransactionEnd, payload, tx), "!EINVAL");
  }
  EXPECT_EQ(client_.commit(tx), kOk);
  EXPECT_EQ(client_.read(at()), "v");
}

TEST_F(Transaction, B13_OutsideATransactionIsEnoentAfterTheArgument) {
  EXPECT_EQ(client_.ask(kTransactionEnd, {"X"}), "!EINVAL");
  EXPECT_EQ(client_.ask(kTransactionEnd, {"T"}), "!ENOENT");
  EXPECT_EQ(client_.ask(kTransactionEnd, {"F"}), "!ENOENT");
}

TEST_F(Transaction, B13_K3_AfterItsEndTheTransactionIsGone) {
  const std::uint32_t tx = client_.start();
  ASSERT_EQ(client_.commit(tx), kOk);
  EXPECT_EQ(client_.commit(tx), "!ENOENT");
  EXPECT_EQ(client_.abort(tx), "!ENOENT");
  EXPECT_EQ(client_.read("/", tx), "!ENOENT");
}

TEST_F(Transaction, E1_SeesTheTreeAsItWasAtTheStart) {
  ASSERT_EQ(client_.write(at("/a"), "before"), kOk);
  const std::uint32_t tx = client_.start();
  ASSERT_EQ(other_.write(at("/a"), "after"), kOk);
  ASSERT_EQ(other_.write(at("/new"), "v"), kOk);
  EXPECT_EQ(client_.read(at("/a"), tx), "before");
  EXPECT_EQ(client_.read(at("/new"), tx), "!ENOENT");
  EXPECT_EQ(client_.list(at(), tx), "a");
  EXPECT_EQ(client_.commit(tx), kOk) << "wrote nothing: commits at its base";
}

TEST_F(Transaction, E5_SeesItsOwnWritesAndOthersOnlyAfterTheCommit) {
  const std::uint32_t tx = client_.start();
  ASSERT_EQ(client_.write(at("/a/b"), "v", tx), kOk);
  EXPECT_EQ(client_.read(at("/a/b"), tx), "v");
  EXPECT_EQ(client_.list(at("/a"), tx), "b");
  EXPECT_EQ(client_.perms(at("/a"), tx), "n0");
  EXPECT_EQ(client_.read(at("/a/b")), "!ENOENT") << "nor does it outside";
  EXPECT_EQ(other_.read(at("/a/b")), "!ENOENT");
  ASSERT_EQ(client_.commit(tx), kOk);
  EXPECT_EQ(other_.read(at("/a/b")), "v");
}

TEST_F(Transaction, E5_AbortLeavesNoTrace) {
  ASSERT_EQ(client_.write(at("/a"), "v"), kOk);
  const std::string before = client_.ask(kDirectoryPart, {at(), "0"});
  const std::uint32_t tx = client_.start();
  ASSERT_EQ(client_.rm(at("/a"), tx), kOk);
  ASSERT_EQ(client_.write(at("/b"), "w", tx), kOk);
  ASSERT_EQ(client_.set_perms(at(), "n5", tx), kOk);
  EXPECT_EQ(client_.abort(tx), kOk);
  EXPECT_EQ(client_.ask(kDirectoryPart, {at(), "0"}), before);
  EXPECT_EQ(client_.perms(at()), "n0");
}

TEST_F(Transaction, E5_E6_ReadOutsideWriteWriteIsEagainAndEndsIt) {
  ASSERT_EQ(client_.write(at("/a"), "0"), kOk);
  const std::uint32_t tx = client_.start();
  ASSERT_EQ(client_.read(at("/a"), tx), "0");
  ASSERT_EQ(other_.write(at("/a"), "1"), kOk);
  ASSERT_EQ(client_.write(at("/b"), "x", tx), kOk);
  EXPECT_EQ(client_.commit(tx), "!EAGAIN");
  EXPECT_EQ(client_.commit(tx), "!ENOENT");
  EXPECT_EQ(client_.read(at("/b")), "!ENOENT");
  const std::uint32_t again = client_.start();
  ASSERT_EQ(client_.read(at("/a"), again), "1");
  ASSERT_EQ(client_.write(at("/b"), "x", again), kOk);
  EXPECT_EQ(client_.commit(again), kOk);
}

TEST_F(Transaction, E2_E4_SiblingsCreatedSideBySideMerge) {
  ASSERT_EQ(client_.mkdir(at()), kOk);
  const std::uint32_t mine = client_.start();
  const std::uint32_t theirs = other_.start();
  ASSERT_EQ(client_.write(at("/a"), "1", mine), kOk);
  ASSERT_EQ(other_.write(at("/b"), "2", theirs), kOk);
  EXPECT_EQ(client_.commit(mine), kOk);
  EXPECT_EQ(other_.commit(theirs), kOk);
  EXPECT_EQ(client_.list(at()), "a b");
}

TEST_F(Transaction, E3_E4_OnlyADifferentAnswerIsAConflict) {
  ASSERT_EQ(client_.write(at("/a"), "same"), kOk);
  const std::uint32_t tx = client_.start();
  ASSERT_EQ(client_.read(at("/a"), tx), "same");
  ASSERT_EQ(client_.write(at("/b"), "x", tx), kOk);
  ASSERT_EQ(other_.write(at("/a"), "different"), kOk);
  ASSERT_EQ(other_.write(at("/a"), "same"), kOk);
  EXPECT_EQ(client_.commit(tx), kOk);
}

TEST_F(Transaction, E4_BlindWritesToOneNodeBothCommitAndTheLastWins) {
  ASSERT_EQ(client_.write(at("/a"), "0"), kOk);
  const std::uint32_t mine = client_.start();
  const std::uint32_t theirs = other_.start();
  ASSERT_EQ(client_.write(at("/a"), "mine", mine), kOk);
  ASSERT_EQ(other_.write(at("/a"), "theirs", theirs), kOk);
  EXPECT_EQ(other_.commit(theirs), kOk);
  EXPECT_EQ(client_.commit(mine), kOk);
  EXPECT_EQ(client_.read(at("/a")), "mine");
}

TEST_F(Transaction, E4_ANewChildConflictsOnlyWithWhoListedTheDirectory) {
  ASSERT_EQ(client_.mkdir(at()), kOk);
  const std::uint32_t lists = client_.start();
  ASSERT_EQ(client_.list(at(), lists), "");
  ASSERT_EQ(client_.write(at("/x"), "", lists), kOk);
  ASSERT_EQ(other_.write(at("/y"), ""), kOk);
  EXPECT_EQ(client_.commit(lists), "!EAGAIN");
}

TEST_F(Transaction, E3_AFailedReadIsAnAnswer) {
  ASSERT_EQ(client_.mkdir(at()), kOk);
  const std::uint32_t tx = client_.start();
  ASSERT_EQ(client_.read(at("/maybe"), tx), "!ENOENT");
  ASSERT_EQ(client_.write(at("/b"), "x", tx), kOk);
  ASSERT_EQ(other_.write(at("/maybe"), "now"), kOk);
  EXPECT_EQ(client_.commit(tx), "!EAGAIN");
}

TEST_F(Transaction, E7_WatchesAndOtherTransactionsOutliveAnEnd) {
  ASSERT_EQ(client_.watch(at(), "t"), kOk);
  const std::uint32_t one = client_.start();
  const std::uint32_t two = client_.start();
  ASSERT_EQ(client_.abort(one), kOk);
  EXPECT_EQ(client_.write(at(), "v", two), kOk);
  EXPECT_EQ(client_.commit(two), kOk);
  EXPECT_THAT(client_.heard(), ElementsAre(at()));
}

TEST_F(Transaction, E8_J21_XSA421_RemovalOfWhatTheTransactionCreatedCommitsWhole) {
  ASSERT_EQ(client_.mkdir(at("/keep")), kOk);
  const std::uint32_t tx = client_.start();
  ASSERT_EQ(client_.write(at("/new/a/b"), "v", tx), kOk);
  ASSERT_EQ(client_.write(at("/first"), "1", tx), kOk);
  ASSERT_EQ(client_.rm(at("/new/a"), tx), kOk);
  ASSERT_EQ(client_.rm(at("/new"), tx), kOk);
  ASSERT_EQ(client_.write(at("/last"), "2", tx), kOk);
  EXPECT_EQ(client_.commit(tx), kOk);
  EXPECT_EQ(client_.list(at()), "keep first last");
  EXPECT_EQ(client_.control({"check"}), "OK");
}

TEST_F(Transaction, E9_E10_SocketsHaveNoNodeLimitInATransaction) {
  const std::uint32_t tx = client_.start();
  for (int i = 0; i < 3000; ++i) {
    ASSERT_EQ(client_.write(at("/") + std::to_string(i), "v", tx), kOk) << i;
  }
  EXPECT_EQ(client_.commit(tx), kOk);
  EXPECT_EQ(client_.read(at("/2999")), "v");
}

TEST_F(Transaction, E11_J15_AFailedRequestDoesNotPoison) {
  const std::uint32_t tx = client_.start();
  EXPECT_EQ(client_.write("/bad//path", "v", tx), "!EINVAL");
  EXPECT_EQ(client_.rm("/", tx), "!EINVAL");
  EXPECT_EQ(client_.set_perms(at("/missing"), "n0", tx), "!ENOENT");
  EXPECT_EQ(client_.write(at("/ok"), "v", tx), kOk);
  EXPECT_EQ(client_.commit(tx), kOk);
  EXPECT_EQ(client_.read(at("/ok")), "v");
}

TEST_F(Transaction, B23_DomainRequestsInATransactionActAtOnce) {
  const std::uint32_t tx = client_.start();
  EXPECT_EQ(client_.ask(kSetQuota, std::string_view(zstrings({"77", "nodes", "5"})), tx), kOk);
  EXPECT_EQ(client_.ask(kGetDomainPath, std::string_view(zstrings({"5"})), tx),
            "/local/domain/5\0"s);
  ASSERT_EQ(client_.abort(tx), kOk);
  EXPECT_EQ(client_.ask(kGetQuota, {"77", "nodes"}), "5\0"s);
}

TEST_F(Transaction, B6_DirectoryPartInATransactionSeesItsOwnChildren) {
  ASSERT_EQ(client_.mkdir(at("/old")), kOk);
  const std::uint32_t tx = client_.start();
  ASSERT_EQ(client_.mkdir(at("/new"), tx), kOk);
  const std::string reply =
      client_.ask(kDirectoryPart, std::string_view(zstrings({at(), "0"})), tx);
  EXPECT_TRUE(reply.ends_with("\0old\0new\0\0"s));
  EXPECT_EQ(client_.commit(tx), kOk);
}

TEST_F(Transaction, K7_L5_ADomainIsBuiltInOneTransactionBesideOtherWork) {
  for (const char* path : {"/local/domain", "/vm", "/libxl"}) ASSERT_EQ(client_.mkdir(path), kOk);
  const std::uint32_t tx = client_.start();
  for (const char* path : {"/local/domain/21", "/vm/u21", "/libxl/21"}) {
    ASSERT_EQ(client_.rm(path, tx), kOk) << "missing, but its parent is there";
    ASSERT_EQ(client_.write(path, "", tx), kOk);
    ASSERT_EQ(client_.set_perms(path, "n0 r21", tx), kOk);
  }
  ASSERT_EQ(other_.write("/local/domain/22/name", "busy"), kOk);
  ASSERT_EQ(client_.write("/local/domain/21/name", "guest", tx), kOk);
  EXPECT_EQ(client_.commit(tx), kOk);
  EXPECT_EQ(client_.read("/local/domain/21/name"), "guest");
  EXPECT_EQ(client_.perms("/local/domain/21/name"), "n0 r21");
}

TEST_F(Transaction, K11_ManyTransactionsInterleavedOnOneConnection) {
  ASSERT_EQ(client_.mkdir(at()), kOk);
  std::vector<std::uint32_t> open;
  for (int i = 0; i < 64; ++i) open.push_back(client_.start());
  for (const std::uint32_t tx : open) {
    ASSERT_EQ(client_.write(at("/") + std::to_string(tx), "v", tx), kOk);
  }
  for (const std::uint32_t tx : open) EXPECT_EQ(client_.commit(tx), kOk);
  for (const std::uint32_t tx : open) EXPECT_EQ(client_.read(at("/") + std::to_string(tx)), "v");
}

}  // namespace
}  // namespace vxs::conformance
