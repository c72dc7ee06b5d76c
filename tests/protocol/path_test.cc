#include "protocol/path.hh"

#include <gtest/gtest.h>

#include <string>

#include "tests/protocol/bytes.hh"

namespace vxs::protocol {
namespace {

constexpr PathContext kGuest5{.base_domid = 5};
constexpr PathContext kDom0{.is_privileged = true};
constexpr PathContext kDom0Watch{.is_privileged = true, .allow_special = true};

std::string canonical(std::string_view raw, const PathContext& context = kGuest5) {
  std::string scratch;
  const auto path = canonicalize_path(raw, context, scratch);
  return path ? std::string(*path) : std::string(error_name(path.error()));
}

TEST(Path, C1_ExactlySixtySixBytesAreAllowed) {
  const std::string_view allowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-/_@";
  for (int c = 0; c < 256; ++c) {
    const std::string path = std::string("/a") + static_cast<char>(c) + "b";
    const bool is_allowed = allowed.find(static_cast<char>(c)) != std::string_view::npos;
    EXPECT_EQ(canonical(path), is_allowed ? path : "EINVAL") << c;
  }
  EXPECT_EQ(allowed.size(), 66U);
}

TEST(Path, C1_ForbiddenByteIsSeenAnywhere) {
  for (const std::string_view bad : {"/a+", "+/a", "/.a", "/a:b", "/a b", "/~a", "a.b", "/a\n"}) {
    EXPECT_EQ(canonical(bad), "EINVAL") << bad;
  }
  EXPECT_EQ(canonical(bytes("/a\0")), "EINVAL");
  EXPECT_EQ(canonical(bytes("\0")), "EINVAL");
}

TEST(Path, C1_AtSignMayStandInAName) {
  EXPECT_EQ(canonical("/a@b"), "/a@b");
  EXPECT_EQ(canonical("/@a"), "/@a");
  EXPECT_EQ(canonical("a/@b"), "/local/domain/5/a/@b");
}

TEST(Path, C2_EmptyAndEmptyComponentsAreRefused) {
  for (const std::string_view bad : {"", "//", "//a", "/a//b", "/a//", "a//b", "///"}) {
    EXPECT_EQ(canonical(bad), "EINVAL") << bad;
  }
}

TEST(Path, C2_TrailingSlashIsRefusedButForTheRoot) {
  EXPECT_EQ(canonical("/"), "/");
  for (const std::string_view bad : {"/a/", "a/", "/a/b/"}) EXPECT_EQ(canonical(bad), "EINVAL");
}

TEST(Path, C2_LocalDomainWithSlashIsRefused) {
  EXPECT_EQ(canonical("/local/domain/"), "EINVAL");
  EXPECT_EQ(canonical("/local/domain/", kDom0), "EINVAL");
  EXPECT_EQ(canonical("/local/domain/5/"), "EINVAL");
  EXPECT_EQ(canonical("/local/domain"), "/local/domain");
  EXPECT_EQ(canonical("/local/domain/5"), "/local/domain/5");
}

TEST(Path, C3_SpecialNamesOnlyWhereAllowed) {
  EXPECT_EQ(canonical("@releaseDomain", kDom0), "EINVAL");
  EXPECT_EQ(canonical("@releaseDomain", kDom0Watch), "@releaseDomain");
  EXPECT_EQ(canonical("@anything", kDom0Watch), "@anything");
}

TEST(Path, C3_SpecialNamesObeyTheSameGrammar) {
  EXPECT_EQ(canonical("@releaseDomain/5", kDom0Watch), "@releaseDomain/5");  // D18
  for (const std::string_view bad : {"@a/", "@a//b", "@a b", "@a."}) {
    EXPECT_EQ(canonical(bad, kDom0Watch), "EINVAL") << bad;
  }
}

TEST(Path, C4_RelativePathsStartAtTheDomainsHome) {
  EXPECT_EQ(canonical("device"), "/local/domain/5/device");
  EXPECT_EQ(canonical("control/shutdown", kDom0), "/local/domain/0/control/shutdown");
  EXPECT_EQ(canonical("a", {.base_domid = 65535}), "/local/domain/65535/a");
}

TEST(Path, C4_AbsolutePathsComeBackAsTheVeryBytesGiven) {
  const std::string raw = "/local/domain/5/device";
  std::string scratch = "untouched";
  EXPECT_EQ(canonicalize_path(raw, kGuest5, scratch)->data(), raw.data());
  EXPECT_EQ(scratch, "untouched");
}

TEST(Path, C4_ScratchMayBeUsedAgain) {
  std::string scratch;
  EXPECT_EQ(canonicalize_path("a", kGuest5, scratch), "/local/domain/5/a");
  EXPECT_EQ(canonicalize_path("bb", kGuest5, scratch), "/local/domain/5/bb");
}

std::string path_of_length(std::string prefix, std::size_t length) {
  return prefix.append(length - prefix.size(), 'x');
}

TEST(Path, C5_GuestMayHave2048BytesAnd2049AreRefused) {
  EXPECT_EQ(canonical(path_of_length("/a", 2048)).size(), 2048U);
  EXPECT_EQ(canonical(path_of_length("/a", 2049)), "EINVAL");
}

TEST(Path, C5_DomainPrefixIsNotCounted) {
  for (const std::string prefix : {"/local/domain/1/", "/local/domain/65535/"}) {
    const std::size_t most = prefix.size() + 2048;
    EXPECT_EQ(canonical(path_of_length(prefix, most)).size(), most);
    EXPECT_EQ(canonical(path_of_length(prefix, most + 1)), "EINVAL");
  }
  EXPECT_EQ(canonical(path_of_length("a", 2048)).size(), 2048U + 16U);
  EXPECT_EQ(canonical(path_of_length("a", 2049)), "EINVAL");
}

TEST(Path, C5_OnlyOneToFiveDigitsMakeADomainPrefix) {
  EXPECT_EQ(guest_path_length("/local/domain/12345/a"), 1U);
  EXPECT_EQ(guest_path_length("/local/domain/99999/a/b"), 3U);
  for (const std::string_view whole :
       {"/local/domain/123456/a", "/local/domain/x/a", "/local/domain/5", "/local/domain/5x/a",
        "/local/domain//a", "/local/domain", "/local/domains/5/a", "/a/local/domain/5/a", "/"}) {
    EXPECT_EQ(guest_path_length(whole), whole.size()) << whole;
  }
}

TEST(Path, C5_PrivilegedMayHave3072BytesInAll) {
  EXPECT_EQ(canonical(path_of_length("/a", 3072), kDom0).size(), 3072U);
  EXPECT_EQ(canonical(path_of_length("/a", 3073), kDom0), "EINVAL");
  EXPECT_EQ(canonical(path_of_length("/local/domain/5/", 3073), kDom0), "EINVAL");
  EXPECT_EQ(canonical(path_of_length("a", 3072 - 16), kDom0).size(), 3072U);
  EXPECT_EQ(canonical(path_of_length("a", 3072 - 15), kDom0), "EINVAL");
}

TEST(Path, C5_LimitAppliesToSpecialNamesToo) {
  EXPECT_EQ(canonical(path_of_length("@a", 3072), kDom0Watch).size(), 3072U);
  EXPECT_EQ(canonical(path_of_length("@a", 3073), kDom0Watch), "EINVAL");
}

TEST(Path, C5_ConfiguredGuestLimitIsTheOneThatCounts) {
  const PathContext context{.base_domid = 5, .guest_limit = 10};
  EXPECT_EQ(canonical("/aaaaaaaaa", context), "/aaaaaaaaa");
  EXPECT_EQ(canonical("/aaaaaaaaaa", context), "EINVAL");
  EXPECT_EQ(canonical("aaaaaaaaaa", context), "/local/domain/5/aaaaaaaaaa");
  EXPECT_EQ(canonical("aaaaaaaaaaa", context), "EINVAL");
}

TEST(Path, J8_LengthIsLookedAtBeforeARelativePathIsCopied) {
  std::string scratch = "untouched";
  EXPECT_FALSE(canonicalize_path(std::string(100'000, 'x'), kDom0, scratch).has_value());
  EXPECT_EQ(scratch, "untouched");
}

TEST(Path, J23_LocalDomainSlashHasAnErrorOfItsOwn) {
  std::string scratch;
  const auto path = canonicalize_path("/local/domain/", kDom0, scratch);
  ASSERT_FALSE(path.has_value());
  EXPECT_EQ(path.error(), Error::kInval);
}

TEST(Path, B18_DomainPathIsPlainDecimal) {
  std::string out;
  append_domain_path(0, out);
  append_domain_path(65535, out);
  EXPECT_EQ(out, "/local/domain/0/local/domain/65535");
}

}  // namespace
}  // namespace vxs::protocol
