// B14..B23: requests about domains, in a daemon without Xen (design §8).
#include "tests/conformance/fixture.hh"

namespace vxs::conformance {
namespace {

using namespace std::string_literals;

class Domain : public Conformance {
 protected:
  Client client_ = connect();
};

TEST_F(Domain, B14_F2_IntroduceWithValidArgumentsIsEinvalAsAFailedMapping) {
  EXPECT_EQ(client_.ask(kIntroduce, {"5", "1", "1"}), "!EINVAL");
  EXPECT_TRUE(eventually([] { return logged("INTRODUCE of domain 5"); })) << "and why";
  EXPECT_EQ(client_.ask(kIsDomainIntroduced, {"5"}), "F\0"s);
}

TEST_F(Domain, B14_L17_L18_IntroduceChecksItsArguments) {
  for (const auto& payload :
       {""s, "5\0"s, "5\0001\0"s, "5\0001\0001"s, "x\0001\0001\0"s, "65536\0001\0001\0"s,
        "-1\0001\0001\0"s, "\0001\0001\0"s, "5\0001\0000\0"s, "5\0001\0x\0"s}) {
    EXPECT_EQ(client_.ask(kIntroduce, payload), "!EINVAL");
  }
  EXPECT_EQ(client_.ask(kIntroduce, {"5", "1", "1", "reserved"}), "!EINVAL") << "still no ring";
}

TEST_F(Domain, B14_F5_DomainZeroIsNotIntroducedAgain) {
  EXPECT_EQ(client_.ask(kIntroduce, {"0", "1", "1"}), "!EINVAL");
  EXPECT_EQ(client_.ask(kIsDomainIntroduced, {"0"}), "T\0"s);
}

TEST_F(Domain, B15_F12_L16_ReleaseAndResume) {
  for (const Type type : {kRelease, kResume}) {
    EXPECT_EQ(client_.ask(type, {"x"}), "!EINVAL") << type_name(type);
    EXPECT_EQ(client_.ask(type, {"65536"}), "!EINVAL") << type_name(type);
    EXPECT_EQ(client_.ask(type, {""}), "!EINVAL") << type_name(type);
    EXPECT_EQ(client_.ask(type, {"0"}), "!EINVAL") << type_name(type) << ": the store domain";
    EXPECT_EQ(client_.ask(type, {"5"}), "!ENOENT") << type_name(type);
  }
  EXPECT_EQ(client_.list("/tool"), "xenstored");
}

TEST_F(Domain, B16_SetTargetNeedsTwoIntroducedDomains) {
  for (const auto& payload : {""s, "5\0"s, "5\0006"s, "x\0006\0"s, "5\0x\0"s, "70000\0006\0"s}) {
    EXPECT_EQ(client_.ask(kSetTarget, payload), "!EINVAL");
  }
  EXPECT_EQ(client_.ask(kSetTarget, {"5", "6"}), "!ENOENT");
  EXPECT_EQ(client_.ask(kSetTarget, {"0", "6"}), "!ENOENT");
}

TEST_F(Domain, B17_IsDomainIntroduced) {
  EXPECT_EQ(client_.ask(kIsDomainIntroduced, {"0"}), "T\0"s);
  EXPECT_EQ(client_.ask(kIsDomainIntroduced, {"32752"}), "T\0"s) << "DOMID_SELF";
  EXPECT_EQ(client_.ask(kIsDomainIntroduced, {"5"}), "F\0"s) << "known is not introduced";
  EXPECT_EQ(client_.ask(kIsDomainIntroduced, {"40000"}), "F\0"s);
  for (const char* bad : {"x", "", "65536", "-1", "5x"}) {
    EXPECT_EQ(client_.ask(kIsDomainIntroduced, {bad}), "!EINVAL") << bad;
  }
}

TEST_F(Domain, B18_L18_GetDomainPath) {
  EXPECT_EQ(client_.ask(kGetDomainPath, {"7"}), "/local/domain/7\0"s);
  EXPECT_EQ(client_.ask(kGetDomainPath, {"0007"}), "/local/domain/7\0"s);
  EXPECT_EQ(client_.ask(kGetDomainPath, {"65535"}), "/local/domain/65535\0"s);
  EXPECT_EQ(client_.ask(kGetDomainPath, {""}), "/local/domain/0\0"s);
  for (const char* bad : {"x", "7x", "-7", "65536", "99999999999999999999"}) {
    EXPECT_EQ(client_.ask(kGetDomainPath, {bad}), "!EINVAL") << bad;
  }
}

TEST_F(Domain, B19_A19_SocketsHaveFeatures14AndDomainsAreOffered15) {
  EXPECT_EQ(client_.ask(kGetFeature, ""), "14\0"s);
  EXPECT_EQ(client_.ask(kGetFeature, {"5"}), "15\0"s);
}

TEST_F(Domain, B19_GetFeatureArguments) {
  EXPECT_EQ(client_.ask(kGetFeature, {"5", "6"}), "!EINVAL");
  EXPECT_EQ(client_.ask(kGetFeature, {"x"}), "!EINVAL");
  EXPECT_EQ(client_.ask(kGetFeature, {"40000"}), "!ENOENT");
  EXPECT_NE(client_.ask(kGetFeature, {""}), "!EINVAL") << "a lone NUL is domain 0";
}

TEST_F(Domain, B20_SetFeatureChecksInOrder) {
  EXPECT_EQ(client_.ask(kSetFeature, {"5"}), "!EINVAL");
  EXPECT_EQ(client_.ask(kSetFeature, {"5", "1", "1"}), "!EINVAL");
  EXPECT_EQ(client_.ask(kSetFeature, {"40000", "1024"}), "!ENOENT");
  EXPECT_EQ(client_.ask(kSetFeature, {"0", "1024"}), "!EBUSY");
  EXPECT_EQ(client_.ask(kSetFeature, {"5", "1024"}), "!EINVAL");
  EXPECT_EQ(client_.ask(kSetFeature, {"6", "4"}), kOk);
  EXPECT_EQ(client_.ask(kGetFeature, {"6"}), "4\0"s);
}

TEST_F(Domain, B21_L9_GetQuotaNamesGlobalsAndDomains) {
  EXPECT_EQ(client_.ask(kGetQuota, ""),
            "nodes watches outstanding memory transactions transaction-nodes node-permissions "
            "path-max node-size soft-memory\0"s);
  EXPECT_EQ(client_.ask(kGetQuota, {"watches"}), "128\0"s);
  EXPECT_EQ(client_.ask(kGetQuota, {"5", "watches"}), "128\0"s);
  EXPECT_EQ(client_.ask(kGetQuota, {"permissions"}), "5\0"s) << "both names";
  EXPECT_EQ(client_.ask(kGetQuota, {"node-permissions"}), "5\0"s);
  EXPECT_EQ(client_.ask(kGetQuota, {"5", "nodes", "x"}), "!EINVAL");
  EXPECT_EQ(client_.ask(kGetQuota, {"unknown"}), "!EINVAL");
  EXPECT_EQ(client_.ask(kGetQuota, {"5", "unknown"}), "!EINVAL");
  EXPECT_EQ(client_.ask(kGetQuota, {"40000", "nodes"}), "!ENOENT");
}

TEST_F(Domain, G1_DefaultsAreThoseOfTheTable) {
  const std::vector<std::pair<const char*, const char*>> table = {
      {"nodes", "1000"},         {"watches", "128"},     {"outstanding", "20"},
      {"memory", "2621440"},     {"transactions", "10"}, {"transaction-nodes", "1024"},
      {"node-permissions", "5"}, {"path-max", "2048"},   {"node-size", "2048"},
      {"soft-memory", "2097152"}};
  for (const auto& [name, value] : table) {
    EXPECT_EQ(client_.ask(kGetQuota, {"9", name}), zstrings({value})) << name;
  }
}

TEST_F(Domain, B22_G8_SetQuotaOfGlobalsSeedsLaterDomainsOnly) {
  ASSERT_EQ(client_.ask(kGetQuota, {"51", "watches"}), "128\0"s);
  ASSERT_EQ(client_.ask(kSetQuota, {"watches", "200"}), kOk);
  EXPECT_EQ(client_.ask(kGetQuota, {"51", "watches"}), "128\0"s);
  EXPECT_EQ(client_.ask(kGetQuota, {"52", "watches"}), "200\0"s);
  ASSERT_EQ(client_.ask(kSetQuota, {"51", "watches", "0"}), kOk);
  EXPECT_EQ(client_.ask(kGetQuota, {"51", "watches"}), "0\0"s);
  EXPECT_EQ(client_.ask(kSetQuota, {"soft-memory", "1000000"}), kOk);
  EXPECT_EQ(client_.ask(kSetQuota, {"watches", "128"}), kOk);
  EXPECT_EQ(client_.ask(kSetQuota, {"soft-memory", "2097152"}), kOk);
}

TEST_F(Domain, B22_BadArgumentsAreEinvalAndUnknownDomainsEnoent) {
  for (const auto& strings :
       {zstrings({"watches"}), zstrings({"1", "2", "3", "4"}), zstrings({"watches", "x"}),
        zstrings({"watches", "-1"}), zstrings({"unknown", "1"}), zstrings({"5", "unknown", "1"}),
        zstrings({"watches", "99999999999"})}) {
    EXPECT_EQ(client_.ask(kSetQuota, strings), "!EINVAL");
  }
  EXPECT_EQ(client_.ask(kSetQuota, {"40000", "watches", "1"}), "!ENOENT");
  EXPECT_EQ(client_.ask(kGetQuota, {"watches"}), "128\0"s);
}

TEST_F(Domain, F1_RecordsOfDomainsThatWereNeverIntroduced) {
  EXPECT_EQ(client_.ask(kSetQuota, {"61", "nodes", "7"}), kOk);
  EXPECT_EQ(client_.ask(kSetFeature, {"61", "2"}), kOk);
  EXPECT_EQ(client_.ask(kIsDomainIntroduced, {"61"}), "F\0"s);
  EXPECT_THAT(client_.control({"quota", "61"}), HasSubstr("nodes            :        0 (max        0)"));
}

TEST_F(Domain, K12_K8_DeviceTreesOfDomainsNobodyIntroducedWork) {
  ASSERT_EQ(client_.write("/local/domain/71/device/vif/0/state", "1"), kOk);
  ASSERT_EQ(client_.set_perms("/local/domain/71/device/vif/0", "n71 r0"), kOk);
  ASSERT_EQ(client_.write("/local/domain/0/backend/vif/71/0/state", "2"), kOk);
  ASSERT_EQ(client_.set_perms("/local/domain/0/backend/vif/71/0", "n0 r71"), kOk);
  ASSERT_EQ(client_.watch("/local/domain/71/device/vif/0/state", "fe"), kOk);
  for (const char* state : {"2", "3", "4", "5", "6"}) {
    ASSERT_EQ(client_.write("/local/domain/71/device/vif/0/state", state), kOk);
    EXPECT_THAT(client_.heard(), ElementsAre("/local/domain/71/device/vif/0/state"));
  }
}

}  // namespace
}  // namespace vxs::conformance
