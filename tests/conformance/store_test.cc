// Chapters B1..B7: reading and changing nodes.
#include "tests/conformance/fixture.hh"

namespace vxs::conformance {
namespace {

using namespace std::string_literals;

class Store : public Conformance {};

/// The children by DIRECTORY_PART as a client reads them, each reply checked.
std::vector<std::string> list_in_parts(Client& client, const std::string& path) {
  std::string names;
  for (;;) {
    const std::string reply = client.ask(kDirectoryPart, {path, std::to_string(names.size())});
    EXPECT_LE(reply.size(), 4096U);
    const auto start = reply.find('\0');
    if (start == std::string::npos) return {"no generation in " + reply};
    std::string part = reply.substr(start + 1);
    const bool last = part == "\0"s || part.ends_with("\0\0"s);
    if (last) part.pop_back();
    if (part.empty() && !last) return {"neither names nor an end"};
    names += part;
    if (last) break;
  }
  std::vector<std::string> result;
  for (std::size_t at = 0; at < names.size();) {
    const auto end = names.find('\0', at);
    result.push_back(names.substr(at, end - at));
    at = end + 1;
  }
  return result;
}

std::string generation(Client& client, const std::string& path, std::uint32_t tx = 0) {
  const std::string reply = client.ask(kDirectoryPart, std::string_view(zstrings({path, "0"})), tx);
  return reply.substr(0, reply.find('\0'));
}

TEST_F(Store, Read_B1_ReturnsTheRawValue) {
  Client client = connect();
  const std::string value("a\0b\0\n\xff", 6);
  ASSERT_EQ(client.write(at(), value), kOk);
  EXPECT_EQ(client.read(at()), value);
  EXPECT_EQ(client.read(at("/missing")), "!ENOENT");
  EXPECT_EQ(client.read("/"), "");
}

TEST_F(Store, Read_B1_C3_SpecialPathsAreInvalid) {
  Client client = connect();
  for (const Type type : {kRead, kDirectory, kMkdir, kRm, kWrite}) {
    EXPECT_EQ(client.ask(type, {"@releaseDomain"}), "!EINVAL") << type_name(type);
    EXPECT_EQ(client.ask(type, {"@anything"}), "!EINVAL") << type_name(type);
  }
  EXPECT_EQ(client.ask(kDirectoryPart, {"@releaseDomain", "0"}), "!EINVAL");
}

TEST_F(Store, Write_B2_NeedsOneNulAndTakesAnyValue) {
  Client client = connect();
  EXPECT_EQ(client.ask(kWrite, at()), "!EINVAL");
  EXPECT_EQ(client.ask(kWrite, ""), "!EINVAL");
  EXPECT_EQ(client.write(at(), ""), kOk);
  EXPECT_EQ(client.read(at()), "");
  EXPECT_EQ(client.ask(kWrite, {at(), "arg", "arg2"}), kOk) << "L17: reserved tails are value";
  EXPECT_EQ(client.read(at()), "arg\0arg2\0"s);
}

TEST_F(Store, Write_B2_MissingAncestorsAreCreatedEmpty) {
  Client client = connect();
  ASSERT_EQ(client.write(at("/a/b/c"), "v"), kOk);
  EXPECT_EQ(client.read(at("/a")), "");
  EXPECT_EQ(client.read(at("/a/b")), "");
  EXPECT_EQ(client.list(at("/a")), "b");
}

TEST_F(Store, Write_B2_ImplicitAncestorsFireNothing) {
  Client client = connect();
  ASSERT_EQ(client.watch("/", "t"), kOk);
  ASSERT_EQ(client.write(at("/a/b"), "v"), kOk);
  EXPECT_THAT(client.heard(), ElementsAre(at("/a/b")));
}

TEST_F(Store, Write_B2_TheRootMayBeWritten) {
  Client client = connect();
  ASSERT_EQ(client.write("/", "root"), kOk);
  EXPECT_EQ(client.read("/"), "root");
  ASSERT_EQ(client.write("/", ""), kOk);
}

TEST_F(Store, Write_B2_TheSameValueStillChangesTheGenerationAndFires) {
  Client client = connect();
  ASSERT_EQ(client.write(at(), "v"), kOk);
  ASSERT_EQ(client.watch(at(), "t"), kOk);
  const std::string before = generation(client, at());
  ASSERT_EQ(client.write(at(), "v"), kOk);
  EXPECT_NE(generation(client, at()), before);
  EXPECT_THAT(client.heard(), ElementsAre(at()));
}

TEST_F(Store, Mkdir_B3_ExistingNodeIsOkAndUntouchedAndSilent) {
  Client client = connect();
  ASSERT_EQ(client.mkdir(at("/a/b")), kOk);
  ASSERT_EQ(client.write(at("/a/b"), "v"), kOk);
  ASSERT_EQ(client.watch(at(), "t"), kOk);
  const std::string before = generation(client, at("/a/b"));
  EXPECT_EQ(client.mkdir(at("/a/b")), kOk);
  EXPECT_EQ(client.mkdir("/"), kOk);
  EXPECT_EQ(client.read(at("/a/b")), "v");
  EXPECT_EQ(generation(client, at("/a/b")), before);
  EXPECT_THAT(client.heard(), IsEmpty());
}

TEST_F(Store, Rm_B4_TakesTheWholeSubtreeWhoeverOwnsIt) {
  Client client = connect();
  ASSERT_EQ(client.write(at("/a/b/c"), "v"), kOk);
  ASSERT_EQ(client.set_perms(at("/a/b"), "n7"), kOk);
  ASSERT_EQ(client.rm(at("/a")), kOk);
  EXPECT_EQ(client.read(at("/a")), "!ENOENT");
  EXPECT_EQ(client.read(at("/a/b/c")), "!ENOENT");
  EXPECT_EQ(client.list(at()), "");
}

TEST_F(Store, Rm_B4_RootIsEinvalAndNothingGoes) {
  Client client = connect();
  EXPECT_EQ(client.rm("/"), "!EINVAL");
  EXPECT_EQ(client.list("/tool"), "xenstored");
  EXPECT_EQ(client.perms("@releaseDomain"), "n0 r32757");
}

TEST_F(Store, Rm_B4_L6_MissingNodeIsOkIfItsParentExists) {
  Client client = connect();
  ASSERT_EQ(client.mkdir(at()), kOk);
  ASSERT_EQ(client.watch(at(), "t"), kOk);
  EXPECT_EQ(client.rm(at("/missing")), kOk);
  EXPECT_EQ(client.rm(at("/missing/child")), "!ENOENT");
  EXPECT_THAT(client.heard(), IsEmpty());
}

TEST_F(Store, Rm_B4_AChildGoesThoughItsParentIsOverTheNodeSize) {
  Client client = connect();
  ASSERT_EQ(client.mkdir(at("/child")), kOk);
  ASSERT_EQ(client.write(at(), std::string(4000, 'v')), kOk);
  ASSERT_EQ(client.set_perms(at(), "n9"), kOk);
  EXPECT_EQ(client.rm(at("/child")), kOk);
}

TEST_F(Store, Directory_B5_CreationOrderWithoutGaps) {
  Client client = connect();
  for (const char* name : {"/z", "/a", "/m", "/b"}) ASSERT_EQ(client.mkdir(at() + name), kOk);
  EXPECT_EQ(client.list(at()), "z a m b");
  ASSERT_EQ(client.rm(at("/a")), kOk);
  EXPECT_EQ(client.list(at()), "z m b");
  ASSERT_EQ(client.mkdir(at("/a")), kOk);
  EXPECT_EQ(client.list(at()), "z m b a");
}

TEST_F(Store, Directory_B5_SpecialNodesAreNotListed) {
  EXPECT_THAT(connect().list("/"), testing::Not(HasSubstr("@")));
}

TEST_F(Store, DirectoryPart_B6_K2_ExactlyTwoStrings) {
  Client client = connect();
  for (const auto& payload : {""s, "/\0"s, "/\0000"s, "/\0000\0001\0"s}) {
    EXPECT_EQ(client.ask(kDirectoryPart, payload), "!EINVAL");
  }
  EXPECT_EQ(client.ask(kDirectoryPart, {at("/missing"), "0"}), "!ENOENT");
  EXPECT_EQ(client.ask(kDirectoryPart, {"/bad//path", "0"}), "!EINVAL");
}

TEST_F(Store, DirectoryPart_B6_OneExtraNulEndsTheList) {
  Client client = connect();
  ASSERT_EQ(client.mkdir(at("/a")), kOk);
  ASSERT_EQ(client.mkdir(at("/bc")), kOk);
  const std::string gen = generation(client, at()) + '\0';
  EXPECT_EQ(client.ask(kDirectoryPart, {at(), "0"}), gen + "a\0bc\0\0"s);
  EXPECT_EQ(client.ask(kDirectoryPart, {at(), "2"}), gen + "bc\0\0"s);
  EXPECT_EQ(client.ask(kDirectoryPart, {at(), "3"}), gen + "c\0\0"s) << "any byte will do";
  EXPECT_EQ(client.ask(kDirectoryPart, {at(), "5"}), gen + "\0"s);
  EXPECT_EQ(client.ask(kDirectoryPart, {at(), "999999"}), gen + "\0"s);
  EXPECT_EQ(client.ask(kDirectoryPart, {at("/a"), "0"}), generation(client, at("/a")) + "\0\0"s);
}

TEST_F(Store, DirectoryPart_B6_LongListsComeInWholeNames) {
  Client client = connect();
  std::vector<std::string> names;
  for (int i = 0; i < 700; ++i) {
    names.push_back("child" + std::string(static_cast<std::size_t>(i % 40), 'x') +
                    std::to_string(i));
    ASSERT_EQ(client.mkdir(at("/") + names.back()), kOk);
  }
  EXPECT_EQ(client.ask(kDirectory, {at()}), "!E2BIG");
  EXPECT_EQ(list_in_parts(client, at()), names);
}

TEST_F(Store, DirectoryPart_B6_GenerationChangesWithEveryChangeOfTheNode) {
  Client client = connect();
  ASSERT_EQ(client.write(at("/n"), "v"), kOk);
  std::string last = generation(client, at("/n"));
  const auto changed = [&] {
    const std::string now = generation(client, at("/n"));
    return now != std::exchange(last, now);
  };
  EXPECT_FALSE(changed());
  ASSERT_EQ(client.write(at("/n"), "w"), kOk);
  EXPECT_TRUE(changed());
  ASSERT_EQ(client.set_perms(at("/n"), "r0"), kOk);
  EXPECT_TRUE(changed());
  ASSERT_EQ(client.mkdir(at("/n/child")), kOk);
  EXPECT_TRUE(changed());
  ASSERT_EQ(client.rm(at("/n/child")), kOk);
  EXPECT_TRUE(changed());
  ASSERT_EQ(client.write(at("/neighbour"), "w"), kOk);
  EXPECT_FALSE(changed());
}

TEST_F(Store, GetPerms_B7_LettersAndDomids) {
  Client client = connect();
  ASSERT_EQ(client.mkdir(at()), kOk);
  EXPECT_EQ(client.perms(at()), "n0");
  EXPECT_EQ(client.perms("/"), "n0");
  ASSERT_EQ(client.set_perms(at(), "b5 w7 r8 n9"), kOk);
  EXPECT_EQ(client.perms(at()), "b5 w7 r8 n9");
  EXPECT_EQ(client.perms(at("/missing")), "!ENOENT");
}

TEST_F(Store, GetPerms_B7_D19_WorksForTheSpecialNodesOnly) {
  Client client = connect();
  EXPECT_EQ(client.perms("@introduceDomain"), "n0");
  EXPECT_EQ(client.perms("@releaseDomain"), "n0 r32757");
  EXPECT_EQ(client.perms("@foo"), "!ENOENT");
}

}  // namespace
}  // namespace vxs::conformance
