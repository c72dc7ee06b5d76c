// A journal that is killed and read again.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "store/journal/format.hh"
#include "store/journal/journal.hh"
#include "tests/store/fault_env.hh"
#include "tests/store/journal/workload.hh"

namespace vxs::store::test {

class RecoveryTest : public ::testing::Test {
 protected:
  void fill(Workload& w, int records, int batch = 5) {
    ASSERT_TRUE(w.open()) << w.error.message;
    for (int i = 0; i < records; ++i) {
      ASSERT_TRUE(w.commit());
      if (i % batch == batch - 1) {
        ASSERT_TRUE(w.wait_safe());
      }
    }
    ASSERT_TRUE(w.wait_safe());
    kill(w);
  }
  void kill(Workload& w) {
    env.freeze();
    w.drop();
    env.thaw();
  }
  [[nodiscard]] std::vector<std::string> segments() const {
    std::vector<std::string> out;
    for (const auto& name : env.names()) {
      if (name.find("segment-") != std::string::npos) out.push_back(name);
    }
    return out;
  }
  // Offset of a frame with that Seq in a file, found by its bytes; 0 if none.
  [[nodiscard]] std::uint64_t find_seq(const std::string& file, Seq seq) const {
    const std::string bytes = env.contents(file);
    SegmentIdentity identity;
    EXPECT_EQ(decode_identity(bytes, identity), HeaderState::kGood);
    for (std::size_t at = kSegmentHeaderBytes; at + kFrameHeaderBytes < bytes.size(); at += 8) {
      const auto frame = parse_frame(std::string_view(bytes).substr(at), identity.seed());
      if (frame && frame->seq == seq) return at;
    }
    return 0;
  }

  FaultEnv env{5};
};

}  // namespace vxs::store::test
