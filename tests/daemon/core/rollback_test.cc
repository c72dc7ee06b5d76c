// Design §5: what becomes of requests, replies and transactions when the journal loses records.
#include <gmock/gmock.h>

#include "tests/daemon/core/late_fixture.hh"

namespace vxs::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST_F(Later, Rollback_WaitingWriteGetsTheErrorAndReadTheOlderHead) {
  auto& writer = connect();
  auto& reader = connect();
  auto& late = connect();
  put(writer, "/a", "old");
  begin(writer, wire::kWrite, zstrings({"/a"}) + "new");
  begin(reader, wire::kRead, zstrings({"/a"}));
  begin(late, wire::kRead, zstrings({"/b"}));
  lose(ENOSPC);
  EXPECT_THAT(take(writer), ElementsAre("ENOSPC"));
  EXPECT_THAT(take(reader), ElementsAre("old"));
  EXPECT_THAT(take(late), ElementsAre("ENOENT"));
  EXPECT_EQ(read(reader, "/a"), "old");
  EXPECT_TRUE(server.ready_for(writer));
  EXPECT_EQ(server.counters().rollbacks, 1U);
  EXPECT_EQ(observer.errors.size(), 1U);
  mend();
  put(writer, "/a", "newer");
  EXPECT_EQ(read(reader, "/a"), "newer");
  EXPECT_EQ(head.seq(), journal.last_seq());
}

TEST_F(Later, Rollback_EioIsEio) {
  auto& writer = connect();
  begin(writer, wire::kWrite, zstrings({"/a"}) + "1");
  lose(EIO);
  EXPECT_THAT(take(writer), ElementsAre("EIO"));
}

TEST_F(Later, Rollback_KeepsWhatBecameSafeBefore) {
  auto& first = connect();
  auto& second = connect();
  begin(first, wire::kWrite, zstrings({"/a"}) + "1");
  server.end_of_pass();
  journal.make_safe(journal.last_seq());  // nobody has told the server yet
  begin(second, wire::kWrite, zstrings({"/b"}) + "1");
  lose(EIO);
  EXPECT_THAT(take(first), ElementsAre("OK"));
  EXPECT_THAT(take(second), ElementsAre("EIO"));
  EXPECT_EQ(read(first, "/a"), "1");
  EXPECT_EQ(read(first, "/b"), "ENOENT");
}

// The head went back below what was safe, in silence, and what came after it was damage at the next
// start; then the daemon ended itself there. A journal goes back to ends of passes only; one that
// does not is not written any more.
TEST_F(Later, Bug_RollbackIntoTheMiddleOfAPassRefusesWritesAndReadsGoOn) {
  auto& first = connect();
  auto& second = connect();
  auto& watcher = connect();
  put(first, "/a", "old");
  EXPECT_EQ(call(watcher, wire::kWatch, zstrings({"/", "t"})), "OK");
  const auto id = safe_start(second);
  begin(first, wire::kWrite, zstrings({"/a"}) + "1");
  begin(second, wire::kWrite, zstrings({"/b"}) + "1");
  auto& reader = connect();
  begin(reader, wire::kRead, zstrings({"/a"}));
  server.end_of_pass();
  const Seq last = journal.last_seq();
  journal.make_safe(last - 1);
  journal.late_errno = EIO;
  server.journal_progressed();
  EXPECT_THAT(take(first), ElementsAre("EIO"));
  EXPECT_THAT(take(second), ElementsAre("EIO"));
  EXPECT_THAT(take(reader), ElementsAre("old"));
  EXPECT_THAT(take(watcher), Not(Contains(HasSubstr("/"))));
  ASSERT_EQ(observer.errors.size(), 1U);
  EXPECT_THAT(observer.errors[0], HasSubstr("refusing writes with EIO for as long as"));
  EXPECT_TRUE(server.astray());

  // The journal takes records again; it gets none.
  for (int pass = 0; pass < 3; ++pass) {
    EXPECT_EQ(write(first, "/a", "2"), "EIO");
    EXPECT_EQ(write(second, "/b", "2", id), "OK");
    EXPECT_EQ(read(reader, "/a"), "old");
    EXPECT_EQ(read(second, "/b", id), "2");
    (void)server.tick();
    server.end_of_pass();
    server.journal_progressed();
  }
  EXPECT_EQ(end(second, id), "EIO");
  EXPECT_EQ(journal.last_seq(), last - 1);
  EXPECT_EQ(server.safe_version().record_seq, last - 2);
  EXPECT_EQ(observer.errors.size(), 1U);
  EXPECT_THAT(observer.infos, IsEmpty());
  EXPECT_EQ(call(watcher, wire::kWatch, zstrings({"/c", "u"})), "OK");  // no record: not kept
}

// Never seen: a journal that takes back what it called safe.
TEST_F(Later, RollbackBelowWhatWasSafeRefusesWritesAndReadsGoOn) {
  auto& client = connect();
  put(client, "/a", "1");
  put(client, "/a", "2");
  journal.make_safe(journal.last_seq() - 1);
  journal.late_errno = EIO;
  server.journal_progressed();
  EXPECT_TRUE(server.astray());
  EXPECT_EQ(read(client, "/a"), "2") << "somebody saw it";
  EXPECT_EQ(write(client, "/a", "3"), "EIO");
  EXPECT_EQ(read(client, "/a"), "2");
  EXPECT_TRUE(server.ready_for(client));
}

TEST_F(Later, Rollback_EventsOfWhatWasLostNeverLeave) {
  auto& watcher = connect();
  auto& writer = connect();
  EXPECT_EQ(call(watcher, wire::kWatch, zstrings({"/", "t"})), "OK");
  put(writer, "/a", "1");
  EXPECT_THAT(take(watcher), ElementsAre("event /a t"));
  begin(writer, wire::kWrite, zstrings({"/b"}) + "1");
  lose(EIO);
  EXPECT_THAT(take(watcher), IsEmpty());
  mend();
  put(writer, "/b", "1");
  EXPECT_THAT(take(watcher), ElementsAre("event /b t"));
}

// Bug: a reply that waited for nothing itself went with the event before it, and the client waited
// for ever.
TEST_F(Later, Rollback_ReplyBehindALostEventIsStillAnswered) {
  auto& client = connect();
  auto& writer = connect();
  EXPECT_EQ(call(client, wire::kWatch, zstrings({"/a", "t"})), "OK");
  begin(writer, wire::kWrite, zstrings({"/a"}) + "1");
  begin(client, wire::kGetDomainPath, zstrings({"5"}));
  begin(client, wire::kWatch, zstrings({"/b", "t"}));
  begin(client, wire::kUnwatch, zstrings({"/b", "none"}));
  lose(EIO);
  EXPECT_THAT(take(client), ElementsAre("/local/domain/5", "OK", "event /b t", "ENOENT"));
  EXPECT_THAT(take(writer), ElementsAre("EIO"));
}

TEST_F(Later, Rollback_TransactionStartedAboveBeginsAgainFromTheOlderHead) {
  auto& client = connect();
  auto& writer = connect();
  put(writer, "/a", "old");
  begin(writer, wire::kWrite, zstrings({"/a"}) + "new");
  begin(client, wire::kTransactionStart, zstrings({""}));
  lose(ENOSPC);
  const auto answers = take(client);
  ASSERT_EQ(answers.size(), 1U);
  const auto id = static_cast<std::uint32_t>(std::stoul(answers.front()));
  EXPECT_EQ(read(client, "/a", id), "old");
  mend();
  EXPECT_EQ(write(client, "/b", "1", id), "OK");
  begin(client, wire::kTransactionEnd, zstrings({"T"}), id);
  safe();
  EXPECT_THAT(take(client), ElementsAre("OK"));
  EXPECT_EQ(read(client, "/b"), "1");
}

TEST_F(Later, Rollback_CommittedTransactionGetsTheErrorAndIsGone) {
  auto& client = connect();
  const auto id = safe_start(client);
  EXPECT_EQ(write(client, "/a", "1", id), "OK");
  EXPECT_EQ(write(client, "/b", "1", id), "OK");
  begin(client, wire::kTransactionEnd, zstrings({"T"}), id);
  lose(ENOSPC);
  EXPECT_THAT(take(client), ElementsAre("ENOSPC"));
  EXPECT_EQ(read(client, "/a"), "ENOENT");
  EXPECT_EQ(read(client, "/b"), "ENOENT");
  EXPECT_EQ(end(client, id), "ENOENT");
}

TEST_F(Later, Rollback_ConflictThatWaitedStaysAConflict) {
  auto& client = connect();
  auto& writer = connect();
  put(writer, "/a", "1");
  const auto id = safe_start(client);
  EXPECT_EQ(read(client, "/a", id), "1");
  EXPECT_EQ(write(client, "/b", "1", id), "OK");
  begin(writer, wire::kWrite, zstrings({"/a"}) + "2");
  begin(client, wire::kTransactionEnd, zstrings({"T"}), id);
  lose(EIO);
  EXPECT_THAT(take(client), ElementsAre("EAGAIN"));
  EXPECT_THAT(take(writer), ElementsAre("EIO"));
}

TEST_F(Later, Rollback_OpenTransactionOnASafeBaseGoesOn) {
  auto& client = connect();
  auto& writer = connect();
  put(writer, "/a", "old");
  const auto id = safe_start(client);
  EXPECT_EQ(write(client, "/b", "1", id), "OK");
  begin(writer, wire::kWrite, zstrings({"/a"}) + "new");
  lose(EIO);
  (void)take(writer);
  EXPECT_EQ(read(client, "/a", id), "old");
  EXPECT_EQ(read(client, "/b", id), "1");
  mend();
  begin(client, wire::kTransactionEnd, zstrings({"T"}), id);
  safe();
  EXPECT_THAT(take(client), ElementsAre("OK"));
  EXPECT_EQ(read(client, "/b"), "1");
}

TEST_F(OnFlush, FailedFlushRollsBackAndTheNextPassSucceeds) {
  auto& client = connect();
  begin(client, wire::kWrite, zstrings({"/a"}) + "1");
  journal.flush_errno = ENOSPC;
  server.end_of_pass();
  EXPECT_THAT(take(client), ElementsAre("ENOSPC"));
  EXPECT_EQ(journal.last_seq(), 0U);
  journal.flush_errno = 0;
  begin(client, wire::kRead, zstrings({"/a"}));
  EXPECT_THAT(take(client), ElementsAre("ENOENT"));
  begin(client, wire::kWrite, zstrings({"/a"}) + "2");
  server.end_of_pass();
  EXPECT_THAT(take(client), ElementsAre("OK"));
}

TEST_F(OnFlush, FailedWriteThatWaitedIsEvaluatedAgainOnTheOlderHead) {
  auto& remover = connect();
  auto& client = connect();
  begin(remover, wire::kWrite, zstrings({"/a"}) + "1");
  server.end_of_pass();
  (void)take(remover);
  begin(remover, wire::kRm, zstrings({"/a"}));
  begin(client, wire::kSetPerms, zstrings({"/a", "n5"}));  // ENOENT on the head with the removal
  journal.flush_errno = EIO;
  server.end_of_pass();
  journal.flush_errno = 0;
  EXPECT_THAT(take(remover), ElementsAre("EIO"));
  server.end_of_pass();
  EXPECT_THAT(take(client), ElementsAre("OK"));
  begin(client, wire::kGetPerms, zstrings({"/a"}));
  EXPECT_THAT(take(client), ElementsAre("n5"));
}

}  // namespace
}  // namespace vxs::test
