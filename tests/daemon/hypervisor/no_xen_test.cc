// The real libraries on a machine without Xen.
#include <gtest/gtest.h>
#include <unistd.h>

#include "daemon/hypervisor/xen_hypervisor.hh"

namespace vxs::daemon {
namespace {

TEST(XenHypervisor, WithoutXenOpeningFailsWithASentence) {
  if (::access("/dev/xen/evtchn", F_OK) == 0) GTEST_SKIP() << "this machine runs Xen";
  const auto opened = XenHypervisor::open({});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error(),
            "cannot talk to Xen: the event-channel device: No such file or directory");
}

}  // namespace
}  // namespace vxs::daemon
