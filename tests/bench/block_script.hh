#pragma once
// A script made of blocks of requests, each block in a transaction or outside.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/bench/script.hh"

namespace vxs::bench {

struct BlockRequest {
  MessageType type = MessageType::kRead;
  std::string body;
};

// With `transactional`, the block is wrapped in TRANSACTION_START and
// TRANSACTION_END and begun again when the latter answers EAGAIN. ENOENT and
// EEXIST are ordinary answers ("does it exist?", removal of what may be absent).
struct Block {
  bool transactional = false;
  std::vector<BlockRequest> requests;

  // Requests on the wire when nothing has to be tried again.
  [[nodiscard]] std::size_t request_count() const {
    return requests.size() + (transactional ? 2 : 0);
  }
};

// Plays a list of blocks as one operation, then asks refill() for another list.
class BlockScript : public Script {
 public:
  bool next_request(std::string& out) final;
  Step on_reply(const Reply& reply) final;

 protected:
  // The blocks of the next operation; empty at the end.
  virtual std::vector<Block> refill() = 0;

 private:
  enum class Phase { kStart, kBody, kEnd };

  void enter_block();
  Step finish_block();

  std::vector<Block> blocks_;
  std::size_t block_ = 0;
  std::size_t request_ = 0;
  Phase phase_ = Phase::kBody;
  std::uint32_t transaction_ = 0;
};

}  // namespace vxs::bench
