#include "store/journal/crc32c.hh"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace vxs::store {
namespace {

TEST(Crc32c, GivesTheCheckValuesOfRfc3720) {
  EXPECT_EQ(crc32c(0, "123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c(0, std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(crc32c(0, std::string(32, '\xff')), 0x62A8AB43U);
  EXPECT_EQ(crc32c(0, ""), 0U);
}

TEST(Crc32c, TheInstructionAndTheTableAgreeAndContinue) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 300; ++round) {
    std::string data(random() % 300, '\0');
    for (char& c : data) c = static_cast<char>(random());
    const std::size_t cut = data.empty() ? 0 : random() % data.size();
    const std::uint32_t whole = crc32c(0, data);
    EXPECT_EQ(crc32c_portable(0, data.data(), data.size()), whole);
    EXPECT_EQ(crc32c(crc32c(0, data.substr(0, cut)), data.substr(cut)), whole);
    const std::uint32_t begun = crc32c_portable(0, data.data(), cut);
    EXPECT_EQ(crc32c_portable(begun, data.data() + cut, data.size() - cut), whole);
  }
}

}  // namespace
}  // namespace vxs::store
