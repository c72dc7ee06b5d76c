#include "store/journal/record_codec.hh"

#include <gtest/gtest.h>

#include <random>

#include "record.pb.h"
#include "tests/store/journal/workload.hh"

namespace vxs::store::test {
namespace {

std::string encode(const Record& record) {
  RecordEncoder encoder;
  std::size_t size = 0;
  EXPECT_TRUE(encoder.measure(record, size));
  std::string out(size + 8, '\x5a');
  encoder.write(record, out.data());
  EXPECT_EQ(out.substr(size), std::string(8, '\x5a')) << "wrote beyond what it measured";
  out.resize(size);
  return out;
}

std::vector<protocol::PermEntry> entries_of(const PermRef& ref) {
  return {ref->entries().begin(), ref->entries().end()};
}

void expect_same(const pb::Origin& a, const Origin& b) {
  EXPECT_EQ(a.domid(), b.domid);
  EXPECT_EQ(a.incarnation(), b.incarnation);
  EXPECT_EQ(a.connection(), b.connection);
  EXPECT_EQ(a.pid(), b.pid);
  EXPECT_EQ(a.uid(), b.uid);
  EXPECT_EQ(a.command(), b.command);
  EXPECT_EQ(a.ordinal(), b.ordinal);
}

template <typename Message>
void expect_same_changes(const Message& message, std::span<const Change> changes) {
  ASSERT_EQ(static_cast<std::size_t>(message.changes_size()), changes.size());
  for (int i = 0; i < message.changes_size(); ++i) {
    const pb::Change& a = message.changes(i);
    const Change& b = changes[static_cast<std::size_t>(i)];
    EXPECT_EQ(a.kind(), static_cast<unsigned>(b.kind));
    EXPECT_EQ(a.implicit(), b.implicit);
    EXPECT_EQ(a.path(), b.path);
    EXPECT_EQ(a.value(), b.value);
    if (!b.perms) {
      EXPECT_EQ(a.perms(), 0U);
      continue;
    }
    ASSERT_GT(a.perms(), 0U);
    const pb::PermList& list = message.perm_lists(static_cast<int>(a.perms()) - 1);
    ASSERT_EQ(static_cast<std::size_t>(list.entries_size()), b.perms->entries().size());
    for (int e = 0; e < list.entries_size(); ++e) {
      const auto& entry = b.perms->entries()[static_cast<std::size_t>(e)];
      EXPECT_EQ(list.entries(e).domid(), entry.domid);
      EXPECT_EQ(list.entries(e).access(), static_cast<unsigned>(entry.access));
      EXPECT_EQ(list.entries(e).incarnation(), entry.incarnation);
    }
  }
}

void expect_same_changes(std::span<const Change> a, std::span<const Change> b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].kind, b[i].kind);
    EXPECT_EQ(a[i].implicit, b[i].implicit);
    EXPECT_EQ(a[i].path, b[i].path);
    EXPECT_EQ(a[i].value, b[i].value);
    ASSERT_EQ(static_cast<bool>(a[i].perms), static_cast<bool>(b[i].perms));
    if (a[i].perms) {
      EXPECT_EQ(entries_of(a[i].perms), entries_of(b[i].perms));
    }
  }
}

/// Random changes whose memory lives as long as this.
struct RandomChanges {
  RandomChanges(PermTable& table, std::mt19937_64& random) {
    const std::size_t count = random() % 40;
    strings.reserve(2 * count);
    for (std::size_t i = 0; i < count; ++i) {
      Change change;
      change.kind = static_cast<ChangeKind>(1 + random() % 4);
      change.implicit = random() % 2 == 0;
      strings.push_back("/" + std::string(1 + random() % 200, 'p'));
      change.path = strings.back();
      if (change.kind == ChangeKind::kCreate || change.kind == ChangeKind::kWrite) {
        strings.emplace_back(random() % 300, static_cast<char>(random()));
        change.value = strings.back();
      }
      if (change.kind == ChangeKind::kCreate || change.kind == ChangeKind::kSetPerms) {
        std::vector<protocol::PermEntry> entries;
        for (std::size_t e = 0; e <= random() % 5; ++e) {
          entries.push_back({static_cast<DomId>(random() % 40),
                             static_cast<protocol::Access>(random() % 4),
                             random() % 3 == 0 ? kIncarnationStale : random() % 3});
        }
        change.perms = table.intern(entries);
      }
      changes.push_back(std::move(change));
    }
  }
  std::vector<std::string> strings;
  std::vector<Change> changes;
};

Origin random_origin(std::mt19937_64& random) {
  return {.domid = static_cast<DomId>(random()),
          .incarnation = random(),
          .connection = random() % 1000,
          .pid = static_cast<std::int32_t>(random() % 100000) - 1,
          .uid = static_cast<std::uint32_t>(random()),
          .command = random() % 2 == 0 ? "oxenstored\x1b" : "",
          .ordinal = random() % 2 == 0 ? random() : 0};
}

TEST(RecordCodec, TheGeneratedParserReadsCommitsBackEqual) {
  std::mt19937_64 random(1);
  PermTable table;
  for (int round = 0; round < 300; ++round) {
    const RandomChanges made(table, random);
    const CommitRecord commit{.seq = 5,
                              .time_us = static_cast<std::int64_t>(random()),
                              .origin = random_origin(random),
                              .kind = static_cast<CommitKind>(1 + random() % 4),
                              .tx_id = static_cast<TxId>(random()),
                              .base_seq = random() % 2 == 0 ? random() : 0,
                              .changes = made.changes,
                              .note = random() % 2 == 0 ? "initial tree" : ""};
    const std::string bytes = encode(commit);
    pb::Commit parsed;
    ASSERT_TRUE(parsed.ParseFromString(bytes));
    EXPECT_EQ(parsed.SerializeAsString(), bytes) << "not the canonical encoding";
    EXPECT_EQ(parsed.time_us(), commit.time_us);
    expect_same(parsed.origin(), commit.origin);
    EXPECT_EQ(parsed.kind(), static_cast<unsigned>(commit.kind));
    EXPECT_EQ(parsed.tx_id(), commit.tx_id);
    EXPECT_EQ(parsed.base_seq(), commit.base_seq);
    EXPECT_EQ(parsed.note(), commit.note);
    expect_same_changes(parsed, made.changes);

    RecordDecoder decoder(table);
    const auto decoded = decoder.decode(5, 1, bytes);
    ASSERT_TRUE(decoded.has_value());
    const auto& back = std::get<CommitRecord>(**decoded);
    EXPECT_EQ(back.seq, 5U);
    EXPECT_EQ(back.time_us, commit.time_us);
    EXPECT_EQ(back.kind, commit.kind);
    EXPECT_EQ(back.origin.pid, commit.origin.pid);
    EXPECT_EQ(back.origin.command, commit.origin.command);
    EXPECT_EQ(back.origin.ordinal, commit.origin.ordinal);
    EXPECT_EQ(back.base_seq, commit.base_seq);
    EXPECT_EQ(back.note, commit.note);
    expect_same_changes(back.changes, made.changes);
  }
}

TEST(RecordCodec, TheGeneratedParserReadsConflictsAndStartsBackEqual) {
  std::mt19937_64 random(2);
  PermTable table;
  for (int round = 0; round < 100; ++round) {
    const RandomChanges made(table, random);
    const ConflictRecord conflict{.seq = 6,
                                  .time_us = static_cast<std::int64_t>(random()),
                                  .origin = random_origin(random),
                                  .tx_id = 3,
                                  .base_seq = 4,
                                  .changes = made.changes,
                                  .path = "/blocked",
                                  .blocking_seq = random(),
                                  .blocking_domid = 12,
                                  .request = "DIRECTORY"};
    const std::string bytes = encode(conflict);
    pb::Conflict parsed;
    ASSERT_TRUE(parsed.ParseFromString(bytes));
    EXPECT_EQ(parsed.SerializeAsString(), bytes);
    expect_same(parsed.origin(), conflict.origin);
    EXPECT_EQ(parsed.path(), conflict.path);
    EXPECT_EQ(parsed.blocking_seq(), conflict.blocking_seq);
    EXPECT_EQ(parsed.request(), conflict.request);
    expect_same_changes(parsed, made.changes);
    RecordDecoder decoder(table);
    const auto decoded = decoder.decode(6, 2, bytes);
    ASSERT_TRUE(decoded.has_value());
    const auto& back = std::get<ConflictRecord>(**decoded);
    EXPECT_EQ(back.blocking_domid, 12);
    EXPECT_EQ(back.path, "/blocked");
    EXPECT_EQ(back.tx_id, 3U);
    EXPECT_EQ(back.origin.ordinal, conflict.origin.ordinal);
    expect_same_changes(back.changes, made.changes);
  }
  const StartRecord start{.seq = 1,
                          .time_us = -1,
                          .boot_id = kBoot,
                          .incarnation = 77,
                          .version = "0.1",
                          .history = {.off = true, .seq = 900}};
  pb::Start parsed;
  ASSERT_TRUE(parsed.ParseFromString(encode(start)));
  EXPECT_EQ(parsed.time_us(), -1);
  EXPECT_EQ(parsed.boot_id(), kBoot);
  EXPECT_EQ(parsed.incarnation(), 77U);
  EXPECT_EQ(parsed.version(), "0.1");
  EXPECT_TRUE(parsed.history_off());
  EXPECT_EQ(parsed.history_seq(), 900U);
  const std::string bytes = encode(start);
  PermTable perms;
  RecordDecoder decoder(perms);
  const auto decoded = decoder.decode(1, 3, bytes);
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(std::get<StartRecord>(**decoded).history, start.history);
}

// The golden bytes of docs/journal.md: a format change breaks this test, not a user's journal.
TEST(RecordCodec, AWriteHasTheseBytes) {
  Change change;
  change.kind = ChangeKind::kWrite;
  change.path = "/a/b";
  change.value = "hi";
  const CommitRecord commit{.seq = 9,
                            .time_us = 1000,
                            .origin = {.connection = 3, .pid = 7, .command = "xl"},
                            .kind = CommitKind::kSingle,
                            .changes = {&change, 1}};
  EXPECT_EQ(encode(commit),
            std::string("\x08\xd0\x0f"                               // time_us, zigzag
                        "\x12\x08\x18\x03\x20\x07\x32\x02xl"         // origin
                        "\x18\x01"                                   // kind
                        "\x3a\x0c\x08\x02\x1a\x04/a/b\x22\x02hi"));  // the change
}

TEST(RecordCodec, ARequestsOrdinalIsTheLastFieldOfItsOrigin) {
  Change change;
  change.path = "/a";
  const CommitRecord commit{.seq = 9,
                            .origin = {.connection = 3, .ordinal = 300},
                            .kind = CommitKind::kSingle,
                            .changes = {&change, 1}};
  EXPECT_EQ(encode(commit), std::string("\x12\x05\x18\x03\x38\xac\x02"
                                        "\x18\x01"
                                        "\x3a\x06\x08\x02\x1a\x02/a"));
  PermTable table;
  RecordDecoder decoder(table);
  // As every journal before had it.
  const auto old = decoder.decode(9, 1, "\x12\x02\x18\x03\x18\x01\x3a\x06\x08\x02\x1a\x02/a");
  ASSERT_TRUE(old.has_value());
  EXPECT_EQ(std::get<CommitRecord>(**old).origin.connection, 3U);
  EXPECT_EQ(std::get<CommitRecord>(**old).origin.ordinal, 0U);
}

TEST(RecordCodec, RefusesToEncodeWhatItCouldNotReadBack) {
  RecordEncoder encoder;
  std::size_t size = 0;
  Change change;
  change.kind = ChangeKind::kCreate;
  change.path = "/a";
  EXPECT_FALSE(encoder.measure(CommitRecord{.seq = 1, .changes = {&change, 1}}, size));
  change.kind = ChangeKind::kWrite;
  EXPECT_TRUE(encoder.measure(CommitRecord{.seq = 1, .changes = {&change, 1}}, size));
  change.path = "";
  EXPECT_FALSE(encoder.measure(CommitRecord{.seq = 1, .changes = {&change, 1}}, size));
}

TEST(RecordCodec, SurvivesEveryCutAndEveryFlippedByte) {
  std::mt19937_64 random(3);
  PermTable table;
  const RandomChanges made(table, random);
  const std::string bytes = encode(CommitRecord{.seq = 1,
                                                .time_us = 5,
                                                .origin = random_origin(random),
                                                .kind = CommitKind::kMerge,
                                                .changes = made.changes});
  RecordDecoder decoder(table);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    (void)decoder.decode(1, 1, bytes.substr(0, i));
    std::string flipped = bytes;
    flipped[i] = static_cast<char>(flipped[i] ^ (1 << (random() % 8)));
    const auto decoded = decoder.decode(1, 1, flipped);
    if (!decoded) continue;
    for (const Change& change : std::get<CommitRecord>(**decoded).changes) {
      EXPECT_FALSE(change.path.empty());
      if (change.kind == ChangeKind::kCreate) {
        EXPECT_TRUE(change.perms);
      }
    }
  }
}

TEST(RecordCodec, SkipsUnknownFieldsAndNamesUnknownTypes) {
  PermTable table;
  RecordDecoder decoder(table);
  // field 100, varint; field 101, 32 bits; field 102, 64 bits; then kind = 1
  const std::string payload(
      "\xa0\x06\x05\xad\x06\x01\x02\x03\x04\xb1\x06\x01\x02\x03\x04\x05\x06"
      "\x07\x08\x18\x01",
      21);
  ASSERT_TRUE(decoder.decode(1, 1, payload).has_value());
  EXPECT_EQ(decoder.decode(1, 17, payload).error(), RecordDecoder::Failure::kUnknownType);
  EXPECT_EQ(decoder.decode(1, 1, "\x18").error(), RecordDecoder::Failure::kMalformed);
  EXPECT_EQ(decoder.decode(1, 1, "").error(), RecordDecoder::Failure::kMalformed) << "no kind";
}

}  // namespace
}  // namespace vxs::store::test
