#include "store/history_reader/perm_words.hh"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/history_reader/meta.hh"

namespace vxs::store::reader {
namespace {

std::vector<std::string> change(const char* from, const char* to) {
  return describe_perms_change(*parse_meta_perms(from), *parse_meta_perms(to));
}

using testing::ElementsAre;
using testing::IsEmpty;

TEST(PermWordsTest, DescribesOneList) {
  EXPECT_EQ(describe_perms(*parse_meta_perms("r5#2,b0,w7")),
            "owner dom5#2, everybody else: read, dom0: read+write, dom7: write");
}

TEST(PermWordsTest, C17_FirstEntryIsOwnerAndDefault) {
  EXPECT_THAT(change("n0", "n5"), ElementsAre("owner dom0→dom5"));
  EXPECT_THAT(change("n0", "r0"), ElementsAre("everybody else: none→read"));
}

TEST(PermWordsTest, NamesWhatEachDomainGainsAndLoses) {
  EXPECT_THAT(change("n0,r5,w7", "n0,b5"),
              ElementsAre("dom5: read→read+write", "dom7: write→none"));
}

TEST(PermWordsTest, C9_FirstMatchWinsAndOrderOfOthersDoesNotMatter) {
  const auto same = ElementsAre("the same rights, written as another list");
  EXPECT_THAT(change("n0,r5,w7", "n0,w7,r5"), same);
  EXPECT_THAT(change("n0,r5", "n0,r5,b5"), same);
  EXPECT_THAT(change("n0", "n0,n5"), same);
  EXPECT_THAT(change("n0", "n0,b5#stale"), same);
  EXPECT_THAT(change("n0", "n0,b0"), same);
  EXPECT_THAT(change("n0,r5", "n0,r5"), IsEmpty());
}

TEST(PermWordsTest, C9_AnEntryForEveryDomainIsTheDefaultFromThereOn) {
  EXPECT_THAT(change("n0", "n0,r32757"), ElementsAre("everybody else: none→read"));
}

TEST(PermWordsTest, ALifeOfADomainIsNotTheNext) {
  EXPECT_THAT(change("n0,r5#1", "n0,r5#2"), ElementsAre("dom5#1: read→none", "dom5#2: none→read"));
}

}  // namespace
}  // namespace vxs::store::reader
