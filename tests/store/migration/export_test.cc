#include "store/migration/export_state.hh"

#include <gmock/gmock.h>

#include "protocol/migration/stream_reader.hh"
#include "tests/store/migration/states.hh"

namespace vxs::store::migration::test {
namespace {

using testing::ElementsAre;

/// The records' names, one after the other.
std::vector<std::string> names_in(const std::string& stream) {
  std::vector<std::string> names;
  auto reader = wire::StreamReader::open(stream);
  while (reader) {
    const auto record = reader->next();
    if (!record) break;
    if (const auto* node = std::get_if<wire::Node>(&*record)) names.emplace_back(node->path);
    if (std::holds_alternative<wire::Connection>(*record)) names.emplace_back("connection");
    if (const auto* watch = std::get_if<wire::Watch>(&*record)) names.emplace_back(watch->path);
    if (std::holds_alternative<wire::Global>(*record)) names.emplace_back("global");
    if (std::holds_alternative<wire::GlobalQuota>(*record)) names.emplace_back("quota");
    if (std::holds_alternative<wire::Domain>(*record)) names.emplace_back("domain");
    if (std::holds_alternative<wire::End>(*record)) return names;
  }
  ADD_FAILURE() << "no whole stream";
  return names;
}

void add_ring(State& state, DomId domid, ConnectionId id) {
  auto& domain = state.system.domains[domid];
  domain.incarnation = domid;
  domain.introduced = true;
  domain.connection = id;
}

TEST(ExportTest, H8_RecordsComeInTheOrderOfTheStockDaemon) {
  State state;
  add_ring(state, 5, 3);
  state.system.connections[3].watches[{"/local/domain/5/device", "t"}] = {
      .depth = {}, .relative = true, .number = 1};
  state.system.connections[3].watches[{"/z", "t"}] = {};
  state.system.global_quotas["nodes"] = 7;
  state.node("/b", "", {{.domid = 5, .incarnation = 5}});
  state.node("/b/c", "", {{.domid = 0}});
  state.node("/a", "", {{.domid = 0}});
  std::string stream;
  ASSERT_TRUE(export_to(stream, state, rings_of(state.system), wire::Version::k2));
  EXPECT_THAT(names_in(stream),
              ElementsAre("global", "quota", "connection", "connection", "/z", "device", "/", "/b",
                          "/b/c", "/a", "@releaseDomain", "@introduceDomain", "domain"));
}

TEST(ExportTest, H9_TheOwnRingIsThereOnceAndFirst) {
  State state;
  std::string without;
  ASSERT_TRUE(export_to(without, state, {}, wire::Version::k1));
  EXPECT_THAT(names_in(without),
              ElementsAre("global", "connection", "/", "@releaseDomain", "@introduceDomain"));
  add_ring(state, 0, 1);
  state.system.domains[0].incarnation = 0;
  std::string with;
  ASSERT_TRUE(export_to(with, state, rings_of(state.system), wire::Version::k1));
  EXPECT_THAT(names_in(with), ElementsAre("global", "connection", "/", "@releaseDomain",
                                          "@introduceDomain", "domain"));
}

TEST(ExportTest, H10_PermissionsOfFormerLivesAreStale) {
  State state;
  state.system.domains[5].incarnation = 8;
  state.node("/a", "",
             {{.domid = 5, .access = Access::kRead, .incarnation = 8},
              {.domid = 5, .access = Access::kRead, .incarnation = 7},
              {.domid = 6, .access = Access::kRead, .incarnation = 3},
              {.domid = 7, .access = Access::kRead, .incarnation = kIncarnationStale},
              {.domid = 9, .access = Access::kRead, .incarnation = 0},
              {.domid = kDomIdAny, .access = Access::kRead}});
  std::string stream;
  ASSERT_TRUE(export_to(stream, state, {}, wire::Version::k2));
  std::vector<bool> stale;
  auto reader = wire::StreamReader::open(stream);
  ASSERT_TRUE(reader);
  for (;;) {
    const auto record = reader->next();
    ASSERT_TRUE(record);
    if (std::holds_alternative<wire::End>(*record)) break;
    const auto* node = std::get_if<wire::Node>(&*record);
    if (node == nullptr || node->path != "/a") continue;
    for (const auto& perm : node->perms) stale.push_back(perm.stale);
  }
  EXPECT_THAT(stale, ElementsAre(false, true, true, true, false, false));
}

// The C daemon ends itself over such a record.
TEST(ExportTest, H10_ADomainThatNothingNamesIsLostAndSaidSo) {
  State state;
  state.system.domains[5].quotas["nodes"] = 7;
  state.system.domains[6];
  std::string stream;
  const auto exported = export_to(stream, state, {}, wire::Version::k2);
  ASSERT_TRUE(exported);
  ASSERT_EQ(exported->losses.size(), 1U);
  EXPECT_EQ(
      describe(exported->losses[0]),
      "domain 5: it has no ring and owns no node: features and quotas that were set are lost");
  EXPECT_EQ(exported->domains, 0U);
}

TEST(ExportTest, WatchesOfConnectionsThatDoNotGoAreLostAndSaidSo) {
  State state;
  state.system.connections[9].watches[{"/a\n", "t"}] = {};
  std::string stream;
  const auto exported = export_to(stream, state, {}, wire::Version::k2);
  ASSERT_TRUE(exported);
  ASSERT_EQ(exported->losses.size(), 1U);
  EXPECT_EQ(describe(exported->losses[0]),
            "connection 9: the watch on /a\\n (token t) is lost with its connection");
}

TEST(ExportTest, H10_AValueThatNoRecordHoldsEndsTheExport) {
  State state;
  state.node("/a", std::string(65536, 'x'), {{.domid = 0}});
  std::string stream;
  const auto exported = export_to(stream, state, {}, wire::Version::k2);
  ASSERT_FALSE(exported);
  EXPECT_FALSE(exported.error().sink_failed);
  EXPECT_EQ(exported.error().message, "/a does not fit a record of a state stream");
}

TEST(ExportTest, ASinkThatFailsEndsTheExportAndIsNotAskedAgain) {
  State state;
  for (int i = 0; i < 100; ++i) {
    state.node("/" + std::to_string(i), std::string(4096, 'x'), {{.domid = 0}});
  }
  int asked = 0;
  std::size_t largest = 0;
  const auto exported = export_state(state.tree, state.system, {}, {}, [&](std::string_view piece) {
    largest = std::max(largest, piece.size());
    return ++asked < 3;
  });
  ASSERT_FALSE(exported);
  EXPECT_TRUE(exported.error().sink_failed);
  EXPECT_EQ(asked, 3);
  EXPECT_LT(largest, std::size_t{80} << 10);
}

}  // namespace
}  // namespace vxs::store::migration::test
