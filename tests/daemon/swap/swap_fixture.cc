#include "tests/daemon/swap/swap_fixture.hh"

#include <gmock/gmock.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>

#include "tests/support/requests.hh"

namespace vxs::test {

using support::FakeGuest;
using support::FrameClient;
using support::WireClient;
using support::zstrings;

void SwapFixture::TearDown() {
  if (HasFailure()) std::printf("the daemons said:\n%s\n", output().c_str());
}

FakeGuest SwapFixture::guest(std::uint32_t domid) {
  machine().create_domain(domid);
  FakeGuest guest(machine().machine(), domid);
  WireClient dom0 = client();
  EXPECT_EQ(support::make_home(dom0, domid), "");
  const std::string home = "/local/domain/" + std::to_string(domid);
  EXPECT_EQ(write(dom0, home + "/store/port", std::to_string(guest.port())), "");
  EXPECT_EQ(dom0.call(support::kIntroduce, guest.introduction()).payload, zstrings({"OK"}));
  return guest;
}

void SwapFixture::there() {
  WireClient requester = client();
  ASSERT_EQ(live_update(requester, our_binary()), "OK");
  ASSERT_EQ(read(requester, "/"), "");
  ASSERT_EQ(program(), std::filesystem::canonical(our_binary()).string());
}

void SwapFixture::back(const std::vector<std::string>& start) {
  WireClient requester = client();
  ASSERT_EQ(live_update(requester, stock_binary(), start), "OK");
  ASSERT_EQ(read(requester, "/"), "");
  ASSERT_EQ(program(), stock_binary());
  EXPECT_THAT(children(), testing::IsEmpty());
}

std::string SwapFixture::program() const {
  return std::filesystem::read_symlink("/proc/" + std::to_string(pid()) + "/exe").string();
}

std::vector<pid_t> SwapFixture::children() const {
  const std::string name = std::to_string(pid());
  std::ifstream file("/proc/" + name + "/task/" + name + "/children");
  return {std::istream_iterator<pid_t>(file), {}};
}

std::string SwapFixture::write(FrameClient& client, std::string_view path, std::string_view value,
                               std::uint32_t tx) {
  return client.call(support::kWrite, zstrings({path}) + std::string(value), tx).error();
}

std::string SwapFixture::read(FrameClient& client, std::string_view path, std::uint32_t tx) {
  const auto reply = client.call(support::kRead, zstrings({path}), tx);
  return reply.is_error() ? reply.error() : reply.payload;
}

}  // namespace vxs::test
