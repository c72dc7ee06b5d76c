// B9..B11: asking for events.
#include "tests/conformance/fixture.hh"

namespace vxs::conformance {
namespace {

using namespace std::string_literals;

class Watch : public Conformance {
 protected:
  Client client_ = connect();
};

TEST_F(Watch, B9_WrongNumbersOfStringsAreEinval) {
  for (const auto& payload : {""s, "/a\0"s, "/a\0t"s, "/a\0t\0001\0x\0"s}) {
    EXPECT_EQ(client_.ask(kWatch, payload), "!EINVAL");
  }
}

TEST_F(Watch, B9_A19_DepthIsOfferedToSocketsAndNegativeIsEinval) {
  EXPECT_EQ(client_.watch(at(), "a", "0"), kOk);
  EXPECT_EQ(client_.watch(at(), "b", "7"), kOk);
  EXPECT_EQ(client_.ask(kWatch, {at(), "c", "-1"}), "!EINVAL");
  EXPECT_EQ(client_.ask(kWatch, {"/bad//path", "c", "-1"}), "!EINVAL");
}

TEST_F(Watch, B9_DuplicateIsTheSamePathAndTokenWhateverSpellingOrDepth) {
  ASSERT_EQ(client_.watch("dup", "t"), kOk);
  EXPECT_EQ(client_.ask(kWatch, {"dup", "t"}), "!EEXIST");
  EXPECT_EQ(client_.ask(kWatch, {"/local/domain/0/dup", "t"}), "!EEXIST");
  EXPECT_EQ(client_.ask(kWatch, {"dup", "t", "1"}), "!EEXIST");
  EXPECT_EQ(client_.watch("dup", "other"), kOk);
  Client other = connect();
  EXPECT_EQ(other.watch("dup", "t"), kOk) << "watches belong to their connection";
}

TEST_F(Watch, B9_ADuplicateFiresNoSecondInitialEvent) {
  ASSERT_EQ(client_.watch(at(), "t"), kOk);
  EXPECT_EQ(client_.ask(kWatch, {at(), "t"}), "!EEXIST");
  EXPECT_THAT(client_.heard(), IsEmpty());
}

TEST_F(Watch, B9_InitialEventSaysThePathAsTheClientDid) {
  for (const char* path : {"relative/path", "/absolute/path", "@releaseDomain", "@foo", "/"}) {
    EXPECT_EQ(client_.ask(kWatch, {path, "token"}), kOk);
    EXPECT_THAT(client_.drain(), ElementsAre(Event{path, "token"}));
  }
}

TEST_F(Watch, B9_NeitherNodeNorRightIsNeeded) {
  EXPECT_EQ(client_.watch(at("/does/not/exist"), "t"), kOk);
  EXPECT_EQ(client_.watch("@doesNotExist", "t"), kOk);
}

TEST_F(Watch, B9_K5_TokenIsAnyBytesAndComesBackExactly) {
  std::string all;
  for (int byte = 1; byte < 256; ++byte) all.push_back(static_cast<char>(byte));
  for (const auto& token : {all, ""s, "TOK|0xffff|0001"s}) {
    EXPECT_EQ(client_.ask(kWatch, {at(), token}), kOk);
    EXPECT_THAT(client_.drain(), ElementsAre(Event{at(), token}));
  }
}

TEST_F(Watch, B9_J9_EventsOver4096AreDroppedAndNothingElseHappens) {
  const std::string token(4096 - 2 - at().size(), 't');
  EXPECT_EQ(client_.ask(kWatch, {at(), token}), kOk);
  EXPECT_THAT(client_.drain(), ElementsAre(Event{at(), token})) << "exactly 4096 bytes";
  // One byte more below it: 4096 for the request, more for the event.
  EXPECT_EQ(client_.write(at("/x"), "v"), kOk);
  EXPECT_THAT(client_.drain(), IsEmpty());
  EXPECT_EQ(client_.write(at(), "v"), kOk);
  EXPECT_EQ(client_.drain().size(), 1U) << "the watch still works";
}

TEST_F(Watch, B10_NeedsTwoStringsAGoodPathAndTheWatch) {
  ASSERT_EQ(client_.watch(at(), "t"), kOk);
  for (const auto& payload : {""s, at() + "\0"s, at() + "\0t"s, at() + "\0t\0001\0"s}) {
    EXPECT_EQ(client_.ask(kUnwatch, payload), "!EINVAL");
  }
  EXPECT_EQ(client_.unwatch("/bad//path", "t"), "!EINVAL");
  EXPECT_EQ(client_.unwatch(at(), "other"), "!ENOENT");
  EXPECT_EQ(client_.unwatch(at("/below"), "t"), "!ENOENT");
  EXPECT_EQ(client_.unwatch(at(), "t"), kOk);
  EXPECT_EQ(client_.unwatch(at(), "t"), "!ENOENT");
  EXPECT_EQ(client_.write(at(), "v"), kOk);
  EXPECT_THAT(client_.heard(), IsEmpty());
}

TEST_F(Watch, B10_RelativeAndAbsoluteSpellingsAreEqual) {
  ASSERT_EQ(client_.watch("spelling", "t"), kOk);
  EXPECT_EQ(client_.unwatch("/local/domain/0/spelling", "t"), kOk);
}

TEST_F(Watch, B10_K2_QueuedEventsStayQueued) {
  ASSERT_EQ(client_.watch(at(), "t"), kOk);
  client_.send_bytes(encode({kWrite, 1, 0, zstrings({at()}) + "v"}) +
                     encode({kUnwatch, 2, 0, zstrings({at(), "t"})}));
  EXPECT_EQ(client_.receive(), (Frame{kWatchEvent, 0, 0, zstrings({at(), "t"})}));
  EXPECT_EQ(client_.receive(), (Frame{kWrite, 1, 0, kOk}));
  EXPECT_EQ(client_.receive(), (Frame{kUnwatch, 2, 0, kOk}));
}

TEST_F(Watch, B11_K4_DropsWatchesAndTransactionsWhateverThePayload) {
  for (const auto& payload : {""s, "\0"s, "anything"s}) {
    ASSERT_EQ(client_.watch(at(), "t"), kOk);
    const std::uint32_t tx = client_.start();
    EXPECT_EQ(client_.ask(kResetWatches, payload), kOk);
    EXPECT_EQ(client_.read("/", tx), "!ENOENT");
    EXPECT_EQ(client_.unwatch(at(), "t"), "!ENOENT");
    EXPECT_EQ(client_.write(at(), "v"), kOk);
    EXPECT_THAT(client_.heard(), IsEmpty());
  }
}

TEST_F(Watch, B11_J25_XSA484_ResetInsideATransactionDoesNotCrash) {
  const std::uint32_t tx = client_.start();
  ASSERT_EQ(client_.write(at(), "v", tx), kOk);
  ASSERT_EQ(client_.watch(at(), "t"), kOk);
  EXPECT_EQ(client_.ask(kResetWatches, "\0"s, tx), kOk);
  EXPECT_EQ(client_.commit(tx), "!ENOENT");
  EXPECT_EQ(client_.read(at()), "!ENOENT");
  EXPECT_EQ(client_.commit(client_.start()), kOk);
}

TEST_F(Watch, B11_J11_ResetLeavesNoIndexEntries) {
  Client other = connect();
  const std::string before = status(other, "watches");
  for (int i = 0; i < 500; ++i) {
    ASSERT_EQ(client_.ask(kWatch, {at("/") + std::to_string(i % 50), std::to_string(i)}), kOk);
  }
  EXPECT_EQ(client_.ask(kResetWatches, ""), kOk);
  EXPECT_EQ(status(other, "watches"), before);
  (void)client_.drain();
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(client_.write(at("/") + std::to_string(i), ""), kOk);
  }
  EXPECT_THAT(client_.heard(), IsEmpty());
}

TEST_F(Watch, B11_OthersKeepTheirs) {
  Client other = connect();
  ASSERT_EQ(other.watch(at(), "t"), kOk);
  const std::uint32_t tx = other.start();
  EXPECT_EQ(client_.ask(kResetWatches, ""), kOk);
  EXPECT_EQ(client_.write(at(), "v"), kOk);
  EXPECT_THAT(other.heard(), ElementsAre(at()));
  EXPECT_EQ(other.commit(tx), kOk);
}

TEST_F(Watch, G1_L20_SocketsHaveNoLimitOfWatches) {
  for (int i = 0; i < 400; ++i) {
    ASSERT_EQ(client_.ask(kWatch, {at(), std::to_string(i)}), kOk) << i;
  }
  (void)client_.drain();
  ASSERT_EQ(client_.write(at(), "v"), kOk);
  EXPECT_EQ(client_.drain().size(), 400U);
}

}  // namespace
}  // namespace vxs::conformance
