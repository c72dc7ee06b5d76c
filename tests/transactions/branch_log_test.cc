// The bytes of a branch's log: what is written comes back, and nothing else is believed.
#include "transactions/branch_log.hh"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "protocol/wire.hh"
#include "transactions/answer_hash.hh"

namespace vxs::transactions {
namespace {

using Kind = BranchLogEntry::Kind;
using protocol::PermEntry;

std::string encoded(const BranchLogEntry& entry) {
  const std::size_t size = encoded_size(entry);
  std::string out(size + 8, '\x5a');
  encode(entry, out.data());
  EXPECT_EQ(out.substr(size), std::string(8, '\x5a')) << "wrote beyond what it measured";
  out.resize(size);
  return out;
}

bool same(const BranchLogEntry& a, const BranchLogEntry& b) {
  const Operation& x = a.operation;
  const Operation& y = b.operation;
  return a.tx_id == b.tx_id && a.kind == b.kind && a.poisoned == b.poisoned &&
         a.ancestor_length == b.ancestor_length && a.answer == b.answer && x.kind == y.kind &&
         x.path == y.path && x.value == y.value && x.perms == y.perms && x.offset == y.offset &&
         x.names_room == y.names_room;
}

class BranchLogTest : public testing::Test {
 protected:
  store::PermRef list(const std::vector<PermEntry>& entries) { return table_.intern(entries); }
  BranchLogEntry write(TxId id, std::string_view path, std::string_view value) {
    return {.tx_id = id,
            .kind = Kind::kExecuted,
            .operation = {.kind = OperationKind::kWrite, .path = path, .value = value, .perms = {}},
            .ancestor_length = 1,
            .answer = 0x1122334455667788};
  }
  std::string_view wrong(std::string bytes) {
    std::string_view rest = bytes;
    const auto entry = take_entry(rest, table_);
    if (entry) return "nothing";
    EXPECT_EQ(rest.size(), bytes.size());
    return entry.error().what;
  }

  store::PermTable table_;
};

/// Any entry that a branch can make; its strings live in `strings`.
BranchLogEntry random_entry(std::mt19937_64& random, store::PermTable& table,
                            std::vector<std::string>& strings) {
  BranchLogEntry entry;
  entry.tx_id = static_cast<TxId>(1 + random() % 5);
  entry.kind = static_cast<Kind>(2 + random() % 3);
  entry.poisoned = entry.kind == Kind::kNotRun || random() % 4 == 0;
  entry.answer = random();
  Operation& operation = entry.operation;
  operation.kind = static_cast<OperationKind>(random() % 8);
  strings.push_back("/" + std::string(random() % 30, 'p'));
  if (operation.kind == OperationKind::kSetPerms && random() % 4 == 0) {
    strings.back() = "@releaseDomain";
  }
  operation.path = strings.back();
  entry.ancestor_length = random() % (operation.path.size() + 1);
  if (operation.kind == OperationKind::kWrite) {
    strings.emplace_back(random() % 200, static_cast<char>(random()));
    operation.value = strings.back();
  }
  if (operation.kind == OperationKind::kSetPerms) {
    std::vector<PermEntry> entries;
    for (std::size_t i = 0; i <= random() % 4; ++i) {
      entries.push_back({static_cast<DomId>(random()), static_cast<protocol::Access>(random() % 4),
                         random() % 3 == 0 ? kIncarnationStale : random() % 3});
    }
    operation.perms = table.intern(entries);
  }
  if (operation.kind == OperationKind::kDirectoryPart) {
    operation.offset = random() % 2 == 0 ? random() : random() % 100;
    operation.names_room = random() % (kMaxReply + 1);
  }
  return entry;
}

TEST(AnswerHash, IsSipHash24) {
  // The vectors of its authors: the key 00 01 … 0f, and 00 01 … of each length.
  const HashKey key{.low = 0x0706050403020100, .high = 0x0f0e0d0c0b0a0908};
  const std::map<std::size_t, std::uint64_t> vectors{
      {1, 0x74f839c593dc67fd}, {7, 0xab0200f58b01d137},  {8, 0x93f5f5799a932462},
      {9, 0x9e0082df0ba9e4b0}, {15, 0xa129ca6149be45e5}, {16, 0x3f2acc7f57c29bdb}};
  for (const auto& [length, hash] : vectors) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < length; ++i) bytes.push_back(static_cast<char>(i));
    EXPECT_EQ(keyed_hash(key, bytes, static_cast<char>(length - 1)), hash) << length;
  }
}

TEST(AnswerHash, TellsAnswersApartButForTheGenerationOfAPart) {
  const HashKey key{1, 2};
  const auto hash = [&](OperationKind kind, const Answer& answer) {
    return hash_answer(key, kind, answer);
  };
  const auto read = OperationKind::kRead;
  const Answer value{.ok = true, .data = "ENOENT"};
  const Answer failure{.ok = false, .error = protocol::Error::kNoent, .data = {}};
  EXPECT_NE(hash(read, value), hash(read, failure));
  EXPECT_NE(hash(read, failure),
            hash(read, Answer{.ok = false, .error = protocol::Error::kAcces, .data = {}}));
  EXPECT_NE(hash(read, value),
            hash(read, Answer{.ok = true, .data = std::string_view("ENOENT\0", 7)}));
  EXPECT_NE(hash(read, value), hash_answer(HashKey{1, 3}, read, value));

  const auto part = OperationKind::kDirectoryPart;
  const Answer early{.ok = true, .data = std::string_view("9\0a\0", 4), .generation_length = 2};
  const Answer late{.ok = true, .data = std::string_view("10\0a\0", 5), .generation_length = 3};
  const Answer other{.ok = true, .data = std::string_view("9\0b\0", 4), .generation_length = 2};
  EXPECT_EQ(hash(part, early), hash(part, late));
  EXPECT_NE(hash(part, early), hash(part, other));
}

TEST_F(BranchLogTest, AWriteHasTheseBytes) {
  EXPECT_EQ(encoded(write(7, "/a/b", "hi")), std::string("\x2e\0\0\0"
                                                         "\x07\0\0\0"
                                                         "\x02\0\x04\0"
                                                         "\x01\0"
                                                         "\0\0"
                                                         "\x88\x77\x66\x55\x44\x33\x22\x11"
                                                         "\0\0\0\0\0\0\0\0"
                                                         "\x04\0"
                                                         "\x02\0"
                                                         "\0\0"
                                                         "\0\0"
                                                         "/a/bhi",
                                                         46));
  EXPECT_EQ(encoded({.tx_id = 7, .kind = Kind::kStarted}), std::string("\x0c\0\0\0"
                                                                       "\x07\0\0\0"
                                                                       "\x01\0\0\0",
                                                                       12));
}

TEST_F(BranchLogTest, EveryEntryComesBackEqual) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::string> strings;
    strings.reserve(2);
    const BranchLogEntry entry = random_entry(random, table_, strings);
    const std::string bytes = encoded(entry) + "more";
    std::string_view rest = bytes;
    const auto back = take_entry(rest, table_);
    ASSERT_TRUE(back.has_value()) << back.error().what;
    ASSERT_TRUE(same(*back, entry));
    ASSERT_EQ(rest, "more");
  }
}

TEST_F(BranchLogTest, TheOpenTransactionsAreThoseThatStartedAndDidNotEnd) {
  std::string bytes;
  const auto add = [&](const BranchLogEntry& entry) { bytes += encoded(entry); };
  add({.tx_id = 3, .kind = Kind::kStarted});
  add({.tx_id = 2, .kind = Kind::kStarted});
  add(write(2, "/of2", "x"));
  add(write(3, "/of3", "x"));
  add({.tx_id = 9, .kind = Kind::kStarted});
  add(write(2, "/of2/again", "x"));
  add({.tx_id = 3, .kind = Kind::kEnded});
  add({.tx_id = 3, .kind = Kind::kStarted});
  const auto open = read_branch_log(bytes, table_);
  ASSERT_TRUE(open.has_value());
  ASSERT_EQ(open->size(), 3U);
  EXPECT_EQ((*open)[0].id, 2U);
  ASSERT_EQ((*open)[0].entries.size(), 2U);
  EXPECT_EQ((*open)[0].entries[1].operation.path, "/of2/again");
  EXPECT_EQ((*open)[1].id, 9U);
  EXPECT_TRUE((*open)[1].entries.empty());
  EXPECT_EQ((*open)[2].id, 3U);
  EXPECT_TRUE((*open)[2].entries.empty()) << "those were of the one that ended";
  EXPECT_TRUE(read_branch_log("", table_)->empty());
}

TEST_F(BranchLogTest, EntriesThatDoNotFollowFromEachOtherAreDamageAndNamed) {
  const std::string started = encoded({.tx_id = 1, .kind = Kind::kStarted});
  const std::string ended = encoded({.tx_id = 1, .kind = Kind::kEnded});
  const std::string one = encoded(write(1, "/a", "x"));
  const std::string other = encoded(write(2, "/a", "x"));
  for (const std::string& tail : {started, other, ended + ended, ended + one, one.substr(1)}) {
    const auto open = read_branch_log(started + tail, table_);
    ASSERT_FALSE(open.has_value());
    EXPECT_GE(open.error().offset, started.size());
    EXPECT_FALSE(open.error().what.empty());
  }
}

TEST_F(BranchLogTest, WhatNoRequestCanSayIsNotBelieved) {
  const std::string good = encoded(write(1, "/a/b", "hi"));
  ASSERT_EQ(wrong(good), "nothing");
  const auto with = [&](std::size_t at, char byte) {
    std::string bytes = good;
    bytes[at] = byte;
    return wrong(bytes);
  };
  EXPECT_NE(with(0, 45), "nothing");
  EXPECT_NE(with(0, 0), "nothing");
  EXPECT_NE(with(3, 1), "nothing");
  EXPECT_NE(with(4, 0), "nothing") << "transaction 0";
  EXPECT_NE(with(8, 0), "nothing");
  EXPECT_NE(with(8, 6), "nothing");
  EXPECT_NE(with(8, 4), "nothing") << "not run, and not poisoned";
  EXPECT_NE(with(8, 1), "nothing") << "a start with an operation";
  EXPECT_NE(with(9, 2), "nothing");
  EXPECT_NE(with(10, 8), "nothing") << "no such operation";
  EXPECT_NE(with(10, 0), "nothing") << "a READ with a value";
  EXPECT_NE(with(10, 7), "nothing") << "SET_PERMS without permissions";
  EXPECT_NE(with(11, 1), "nothing");
  EXPECT_NE(with(12, 5), "nothing") << "an ancestor longer than the path";
  EXPECT_NE(with(14, 1), "nothing") << "room for names of a WRITE";
  EXPECT_NE(with(24, 1), "nothing");
  EXPECT_NE(with(32, 3), "nothing");
  EXPECT_NE(with(35, 17), "nothing");
  EXPECT_NE(with(36, 1), "nothing");
  EXPECT_NE(with(38, 1), "nothing");
  EXPECT_NE(with(40, 'a'), "nothing") << "a relative path";
  EXPECT_NE(with(40, '@'), "nothing") << "a special node is not written";
  EXPECT_NE(with(41, '/'), "nothing");
  EXPECT_NE(with(43, '/'), "nothing");
  EXPECT_NE(with(43, '\0'), "nothing");
  EXPECT_EQ(with(45, '\0'), "nothing") << "values may be anything";

  BranchLogEntry big = write(1, "/a", {});
  const std::string value(protocol::kMaxPayload + 1, 'v');
  big.operation.value = value;
  EXPECT_EQ(encoded_size(big), 0U);
}

TEST_F(BranchLogTest, SurvivesEveryCutAndEveryFlippedByte) {
  std::mt19937_64 random(2);
  std::string good;
  std::vector<std::string> strings;
  strings.reserve(40);
  for (TxId id = 1; id <= 5; ++id) good += encoded({.tx_id = id, .kind = Kind::kStarted});
  for (int i = 0; i < 20; ++i) good += encoded(random_entry(random, table_, strings));
  ASSERT_TRUE(read_branch_log(good, table_).has_value());
  std::size_t whole = 0;
  for (std::size_t i = 0; i < good.size(); ++i) {
    if (read_branch_log(good.substr(0, i), table_)) ++whole;
    std::string flipped = good;
    flipped[i] = static_cast<char>(flipped[i] ^ (1 << random() % 8));
    const auto open = read_branch_log(flipped, table_);
    if (!open) continue;
    for (const auto& transaction : *open) {
      for (const auto& entry : transaction.entries) {
        ASSERT_NE(flipped.find(encoded(entry)), std::string::npos)
            << "what is believed is what is there";
      }
    }
  }
  EXPECT_EQ(whole, 25U) << "cut between entries only";
}

}  // namespace
}  // namespace vxs::transactions
