// Design §5: what leaves when, and what becomes of it when the journal loses records.
#include <gmock/gmock.h>

#include "tests/daemon/core/core_fixture.hh"

namespace vxs::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// Safe when the test says so.
class Later : public CoreTest {
 protected:
  Later() : CoreTest(FakeJournal::Mode::kLater) {}
  explicit Later(daemon::ServerOptions options) : CoreTest(FakeJournal::Mode::kLater, options) {}

  void safe() {
    server.end_of_pass();
    journal.make_safe(journal.last_seq());
    server.journal_progressed();
  }
  // The sync thread could not keep what is above safe_seq().
  void lose(int code) {
    server.end_of_pass();
    journal.late_errno = code;
    journal.append_errno = code;
    server.journal_progressed();
  }
  void mend() {
    journal.append_errno = 0;
    (void)server.tick();
  }
  // A write, safe and answered.
  void put(daemon::Connection& connection, const std::string& path, const std::string& value) {
    begin(connection, wire::kWrite, zstrings({path}) + value);
    safe();
    ASSERT_THAT(take(connection), Contains("OK"));
  }
  std::uint32_t safe_start(daemon::Connection& connection) {
    begin(connection, wire::kTransactionStart, zstrings({""}));
    safe();
    return static_cast<std::uint32_t>(std::stoul(take(connection).at(0)));
  }
};

// Found by killing daemons of policy disk: the sync thread made a reply's record safe between two
// looks of the dispatcher, and the connection waited for ever.
TEST_F(Later, AReplyIsNotForgottenWhenItsRecordBecomesSafeWhileItIsQueued) {
  auto& writer = connect();
  auto& reader = connect();
  begin(writer, wire::kWrite, zstrings({"/a"}) + "1");
  server.end_of_pass();
  journal.safe_after_next_look = true;
  begin(reader, wire::kRead, zstrings({"/a"}));
  (void)journal.safe_seq();  // now it is
  server.journal_progressed();
  EXPECT_THAT(take(writer), Contains("OK"));
  EXPECT_THAT(take(reader), ElementsAre("1"));
  EXPECT_TRUE(server.ready_for(reader));
}

TEST_F(CoreTest, ImmediateJournal_AnswersLeaveAtOnce) {
  auto& client = connect();
  EXPECT_EQ(write(client, "/a", "1"), "OK");
  EXPECT_EQ(read(client, "/a"), "1");
}

TEST_F(CoreTest, JournalFull_WriteGetsEnospcAndNothingChanges) {
  auto& client = connect();
  auto& watcher = connect();
  EXPECT_EQ(call(watcher, wire::kWatch, zstrings({"/a", "t"})), "OK");
  EXPECT_EQ(write(client, "/a", "1"), "OK");
  (void)take(watcher);
  journal.append_errno = ENOSPC;
  EXPECT_EQ(write(client, "/a", "2"), "ENOSPC");
  EXPECT_EQ(call(client, wire::kRm, zstrings({"/a"})), "ENOSPC");
  EXPECT_EQ(read(client, "/a"), "1");
  EXPECT_THAT(take(watcher), IsEmpty());
  EXPECT_EQ(observer.errors.size(), 1U);  // said loudly, and once
  journal.append_errno = EIO;
  EXPECT_EQ(write(client, "/a", "2"), "EIO");
  journal.append_errno = EROFS;
  EXPECT_EQ(write(client, "/a", "2"), "EIO");
  journal.append_errno = 0;
  EXPECT_EQ(write(client, "/a", "3"), "OK");
  EXPECT_THAT(observer.infos, ElementsAre(HasSubstr("accepted again")));
}

// It promised that writes would be accepted again by themselves.
TEST_F(CoreTest, Bug_ADamagedJournalIsSaidToStayReadOnlyAndWhatToDo) {
  auto& client = connect();
  journal.append_errno = EIO;
  journal.is_damaged = true;
  EXPECT_EQ(write(client, "/a", "1"), "EIO");
  EXPECT_EQ(write(client, "/a", "1"), "EIO");
  ASSERT_EQ(observer.errors.size(), 1U);
  EXPECT_THAT(observer.errors[0], HasSubstr("damaged"));
  EXPECT_THAT(observer.errors[0], HasSubstr("move the journal's directory away"));
  EXPECT_THAT(observer.errors[0], Not(HasSubstr("as soon as")));
  journal.is_damaged = false;
  journal.append_errno = 0;
  EXPECT_EQ(write(client, "/a", "1"), "OK");
  journal.append_errno = EIO;
  EXPECT_EQ(write(client, "/a", "2"), "EIO");
  ASSERT_EQ(observer.errors.size(), 2U);
  EXPECT_THAT(observer.errors[1], HasSubstr("as soon as"));
}

TEST_F(CoreTest, JournalFull_TransactionGetsEnospcAndIsGone) {
  auto& client = connect();
  const auto id = start(client);
  EXPECT_EQ(write(client, "/a", "1", id), "OK");
  journal.append_errno = ENOSPC;
  EXPECT_EQ(end(client, id), "ENOSPC");
  EXPECT_EQ(read(client, "/a"), "ENOENT");
  EXPECT_EQ(end(client, id), "ENOENT");
  EXPECT_EQ(server.branch_count(), 0U);
}

TEST_F(CoreTest, JournalFull_ConflictIsStillAnsweredEagain) {
  auto& client = connect();
  EXPECT_EQ(write(client, "/a", "1"), "OK");
  const auto id = start(client);
  EXPECT_EQ(read(client, "/a", id), "1");
  EXPECT_EQ(write(client, "/b", "1", id), "OK");
  EXPECT_EQ(write(client, "/a", "2"), "OK");
  journal.append_errno = ENOSPC;
  EXPECT_EQ(end(client, id), "EAGAIN");
}

TEST_F(Later, ReplyToAWriteLeavesWhenItIsSafe) {
  auto& client = connect();
  begin(client, wire::kWrite, zstrings({"/a"}) + "1");
  EXPECT_FALSE(server.ready_for(client));
  EXPECT_THAT(take(client), IsEmpty());
  server.end_of_pass();
  EXPECT_THAT(take(client), IsEmpty());
  safe();
  EXPECT_THAT(take(client), ElementsAre("OK"));
  EXPECT_TRUE(server.ready_for(client));
  std::vector<daemon::Connection*> dirty;
  server.take_dirty(dirty);
  EXPECT_THAT(dirty, Contains(&client));
}

TEST_F(Later, ReadWaitsForEverythingItsHeadContains) {
  auto& writer = connect();
  auto& reader = connect();
  begin(writer, wire::kWrite, zstrings({"/a"}) + "1");
  begin(reader, wire::kRead, zstrings({"/a"}));
  auto& other = connect();
  begin(other, wire::kGetPerms, zstrings({"/"}));  // untouched by the write, and yet
  EXPECT_THAT(take(reader), IsEmpty());
  EXPECT_THAT(take(other), IsEmpty());
  safe();
  EXPECT_THAT(take(reader), ElementsAre("1"));
  EXPECT_THAT(take(other), ElementsAre("n0"));
}

TEST_F(Later, EventWaitsForItsRecord) {
  auto& watcher = connect();
  auto& writer = connect();
  EXPECT_EQ(call(watcher, wire::kWatch, zstrings({"/a", "t"})), "OK");
  begin(writer, wire::kWrite, zstrings({"/a"}) + "1");
  EXPECT_THAT(take(watcher), IsEmpty());
  safe();
  EXPECT_THAT(take(watcher), ElementsAre("event /a t"));
}

TEST_F(Later, RequestThatAsksNothingOfTheStoreNeedNotWait) {
  auto& writer = connect();
  auto& other = connect();
  begin(writer, wire::kWrite, zstrings({"/a"}) + "1");
  EXPECT_EQ(call(other, wire::kGetDomainPath, zstrings({"5"})), "/local/domain/5");
}

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

// Bug: an old base moved to a head that was not safe, its transaction's reads told what could still
// be lost, and after the loss the transaction forgot what it had written.
TEST_F(Later, OldBasesMoveToSafeVersionsOnly) {
  auto& client = connect();
  auto& writer = connect();
  put(writer, "/a", "old");
  const auto id = safe_start(client);
  EXPECT_EQ(write(client, "/b", "mine", id), "OK");
  clock.now_us += 60'000'000;  // older than any base may become
  begin(writer, wire::kWrite, zstrings({"/a"}) + "new");
  (void)server.tick();
  EXPECT_EQ(read(client, "/a", id), "old");
  lose(EIO);
  EXPECT_EQ(read(client, "/b", id), "mine");
  (void)take(writer);
  mend();
  begin(client, wire::kTransactionEnd, zstrings({"T"}), id);
  safe();
  EXPECT_THAT(take(client), ElementsAre("OK"));
  EXPECT_EQ(read(client, "/b"), "mine");
}

TEST_F(Later, OldBasesMoveWithTheTickAfterTheHeadIsSafe) {
  auto& client = connect();
  auto& writer = connect();
  const auto id = safe_start(client);
  clock.now_us += 60'000'000;
  begin(writer, wire::kWrite, zstrings({"/a"}) + "new");
  (void)server.tick();
  EXPECT_EQ(read(client, "/none", id), "ENOENT");
  safe();
  (void)server.tick();
  EXPECT_EQ(read(client, "/a", id), "new");  // it had not looked: unobservable
}

// Two busy clients and a disk: the newest version is never safe.
TEST_F(Later, OldBasesMoveThoughTheNewestVersionIsNeverSafe) {
  auto& client = connect();
  auto& writer = connect();
  const auto id = safe_start(client);
  put(writer, "/a", "safe");
  begin(writer, wire::kWrite, zstrings({"/a"}) + "unsafe");
  server.end_of_pass();
  clock.now_us += 60'000'000;
  (void)server.tick();
  EXPECT_EQ(read(client, "/a", id), "safe");
  lose(EIO);
  EXPECT_EQ(read(client, "/a", id), "safe");
}

TEST_F(Later, SafeVersionIsTheNewestSafeOne) {
  auto& writer = connect();
  put(writer, "/a", "1");
  const auto before = server.safe_version();
  begin(writer, wire::kWrite, zstrings({"/a"}) + "2");
  server.end_of_pass();
  EXPECT_EQ(server.safe_version().record_seq, before.record_seq);
  EXPECT_EQ(server.safe_version().tree.find("/a")->value(), "1");
  journal.make_safe(journal.last_seq());
  server.journal_progressed();
  EXPECT_EQ(server.safe_version().record_seq, journal.last_seq());
  EXPECT_EQ(server.safe_version().tree.find("/a")->value(), "2");
}

TEST_F(Later, ConnectionThatGoesWhileItsReplyWaitsIsForgotten) {
  auto& writer = connect();
  auto& other = connect();
  begin(writer, wire::kWrite, zstrings({"/a"}) + "1");
  server.remove_connection(writer);
  safe();
  EXPECT_EQ(read(other, "/a"), "1");
  auto& again = connect();
  begin(again, wire::kWrite, zstrings({"/b"}) + "1");
  server.remove_connection(again);
  lose(EIO);
  EXPECT_EQ(read(other, "/b"), "ENOENT");
}

// pwrite segments: safe at the end of the pass.
class OnFlush : public CoreTest {
 protected:
  OnFlush() : CoreTest(FakeJournal::Mode::kOnFlush) {}
};

TEST_F(OnFlush, EndOfPassReleases) {
  auto& client = connect();
  auto& reader = connect();
  begin(client, wire::kWrite, zstrings({"/a"}) + "1");
  begin(reader, wire::kRead, zstrings({"/a"}));
  EXPECT_THAT(take(client), IsEmpty());
  server.end_of_pass();
  EXPECT_THAT(take(client), ElementsAre("OK"));
  EXPECT_THAT(take(reader), ElementsAre("1"));
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
