#include "tests/bench/block_script.hh"

#include <charconv>

#include "tests/bench/bulk.hh"
#include "tests/bench/error.hh"

namespace vxs::bench {

namespace {

constexpr std::string_view kNulView("\0", 1);
constexpr std::string_view kCommit("T\0", 2);

std::uint32_t transaction_id(const Reply& reply) {
  std::uint32_t id = 0;
  const auto parsed = std::from_chars(reply.body.data(), reply.body.data() + reply.body.size(), id);
  if (reply.type != MessageType::kTransactionStart || parsed.ec != std::errc{} || id == 0) {
    throw BenchError("TRANSACTION_START was answered without a transaction id");
  }
  return id;
}

}  // namespace

void BlockScript::enter_block() {
  request_ = 0;
  transaction_ = 0;
  phase_ = blocks_[block_].transactional ? Phase::kStart : Phase::kBody;
}

Step BlockScript::finish_block() {
  ++block_;
  if (block_ == blocks_.size()) {
    blocks_.clear();
    return Step::kDone;
  }
  enter_block();
  return Step::kContinue;
}

bool BlockScript::next_request(std::string& out) {
  if (blocks_.empty()) {
    blocks_ = refill();
    if (blocks_.empty()) return false;
    block_ = 0;
    enter_block();
  }
  switch (phase_) {
    case Phase::kStart:
      append_request(out, MessageType::kTransactionStart, 0, {kNulView});
      break;
    case Phase::kBody: {
      const BlockRequest& request = blocks_[block_].requests[request_];
      append_request(out, request.type, transaction_, {request.body});
      break;
    }
    case Phase::kEnd:
      append_request(out, MessageType::kTransactionEnd, transaction_, {kCommit});
      break;
  }
  return true;
}

Step BlockScript::on_reply(const Reply& reply) {
  const Block& block = blocks_[block_];
  switch (phase_) {
    case Phase::kStart:
      transaction_ = transaction_id(reply);
      phase_ = Phase::kBody;
      return Step::kContinue;
    case Phase::kBody:
      require_harmless(reply);
      if (++request_ < block.requests.size()) return Step::kContinue;
      if (!block.transactional) return finish_block();
      phase_ = Phase::kEnd;
      return Step::kContinue;
    case Phase::kEnd:
      if (reply.is_error("EAGAIN")) {
        enter_block();
        return Step::kRetry;
      }
      if (reply.type == MessageType::kError) throw BenchError("a commit was refused");
      return finish_block();
  }
  return Step::kContinue;
}

}  // namespace vxs::bench
