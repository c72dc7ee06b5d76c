#include "tests/conformance/fixture.hh"

namespace vxs::conformance {

std::unique_ptr<VxenstoredProcess> Conformance::daemon_;

void Conformance::SetUpTestSuite() {
  daemon_ = std::make_unique<VxenstoredProcess>(VxenstoredOptions{.parent_dir = "/dev/shm"});
}

void Conformance::TearDownTestSuite() {
  const auto status = daemon_->terminate();
  EXPECT_TRUE(status == 0) << "it did not end in order:\n" << daemon_->output();
  daemon_.reset();
}

std::string Conformance::at(const std::string& below) {
  return std::string("/") + testing::UnitTest::GetInstance()->current_test_info()->name() + below;
}

std::string Conformance::status(Client& client, const std::string& key) {
  const std::string text = "\n" + client.control({"vxs-status"});
  const auto begin = text.find("\n" + key + ": ");
  if (begin == std::string::npos) return "no " + key + " in" + text;
  const auto value = begin + key.size() + 3;
  return text.substr(value, text.find('\n', value) - value);
}

}  // namespace vxs::conformance
