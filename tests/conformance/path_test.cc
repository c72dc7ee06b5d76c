// Chapter C: which paths there are.
#include "tests/conformance/fixture.hh"

namespace vxs::conformance {
namespace {

using namespace std::string_literals;

class Paths : public Conformance {
 protected:
  Client client_ = connect();
};

TEST_F(Paths, C1_L19_AllowedBytesAndNoOthers) {
  for (int byte = 1; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    if (c == '/') continue;
    const bool allowed = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                         (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '@';
    EXPECT_EQ(client_.write(at("/x") + c + "y", "v"), allowed ? kOk : "!EINVAL") << byte;
  }
  EXPECT_EQ(client_.read(at("/x@y")), "v");
}

TEST_F(Paths, C2_J23_MalformedPathsAreEinvalForEveryRequest) {
  for (const char* path : {"", "//", "/a//b", "/a/", "/local/domain/", "a//b", "a/", "//a"}) {
    for (const Type type : {kRead, kWrite, kMkdir, kRm, kDirectory, kGetPerms}) {
      EXPECT_EQ(client_.ask(type, {path}), "!EINVAL") << type_name(type) << " " << path;
    }
    EXPECT_EQ(client_.ask(kWatch, {path, "t"}), "!EINVAL") << path;
    EXPECT_EQ(client_.ask(kUnwatch, {path, "t"}), "!EINVAL") << path;
    EXPECT_EQ(client_.ask(kSetPerms, {path, "n0"}), "!EINVAL") << path;
    EXPECT_EQ(client_.ask(kDirectoryPart, {path, "0"}), "!EINVAL") << path;
  }
}

TEST_F(Paths, C4_L3_RelativePathsStartAtTheStoreDomain) {
  ASSERT_EQ(client_.write("relative/key", "v"), kOk);
  EXPECT_EQ(client_.read("/local/domain/0/relative/key"), "v");
  EXPECT_EQ(client_.list("relative"), "key");
}

TEST_F(Paths, C5_L4_SocketsMayUse3072BytesAndNoMore) {
  const std::string longest = "/" + std::string(3071, 'p');
  EXPECT_EQ(client_.write(longest, "v"), kOk);
  EXPECT_EQ(client_.read(longest), "v");
  EXPECT_EQ(client_.write(longest + "p", "v"), "!EINVAL");
  EXPECT_EQ(client_.rm(longest), kOk);
}

TEST_F(Paths, C5_TheLimitHoldsForTheWholePathOfARelativeOne) {
  const std::string base = "/local/domain/0/";
  const std::string rest(3072 - base.size(), 'p');
  EXPECT_EQ(client_.write(rest, "v"), kOk);
  EXPECT_EQ(client_.read(base + rest), "v");
  EXPECT_EQ(client_.write(rest + "p", "v"), "!EINVAL");
  EXPECT_EQ(client_.rm(rest), kOk);
}

TEST_F(Paths, C7_I12_InitialTreeHasNoMoreThanTheToolDirectory) {
  const VxenstoredProcess fresh({.parent_dir = "/dev/shm"});
  Client client(fresh.socket_path());
  EXPECT_EQ(client.list("/"), "tool");
  EXPECT_EQ(client.list("/tool"), "xenstored");
  EXPECT_EQ(client.read("/tool/xenstored"), "");
  EXPECT_EQ(client.list("/tool/xenstored"), "") << "K13: domid would mean a stub domain";
  EXPECT_EQ(client.perms("/"), "n0");
  EXPECT_EQ(client.perms("/tool/xenstored"), "n0");
  EXPECT_EQ(client.perms("@introduceDomain"), "n0");
}

TEST_F(Paths, C8_L8_ReleaseDomainIsReadableByAll) {
  EXPECT_EQ(client_.perms("@releaseDomain"), "n0 r32757");
}

TEST_F(Paths, C9_C15_SocketsReadWhateverThePermissions) {
  ASSERT_EQ(client_.write(at("/a/b"), "v"), kOk);
  ASSERT_EQ(client_.set_perms(at("/a"), "n5"), kOk);
  ASSERT_EQ(client_.set_perms(at("/a/b"), "n6 n0"), kOk);
  EXPECT_EQ(client_.read(at("/a/b")), "v");
  EXPECT_EQ(client_.write(at("/a/b"), "w"), kOk);
}

TEST_F(Paths, C14_ErrorIsTheTrueOneForThePrivileged) {
  EXPECT_EQ(client_.read(at("/a/b/c/d")), "!ENOENT");
  EXPECT_EQ(client_.perms(at("/a/b/c/d")), "!ENOENT");
}

}  // namespace
}  // namespace vxs::conformance
