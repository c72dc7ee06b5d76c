// Design §5: what leaves when. What becomes of it when the journal loses records: rollback_test.cc.
#include <gmock/gmock.h>

#include "tests/daemon/core/late_fixture.hh"

namespace vxs::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

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

}  // namespace
}  // namespace vxs::test
