// What several clients of the soak demand of answers: "" if it is the right one, else what is
// wrong.
#pragma once

#include <cstdint>
#include <string>

#include "tests/support/frame_client.hh"

namespace vxs::test::kept {

// `error` is the error's name, or "" for OK, which is three bytes (B0.5).
std::string judge_outcome(const support::Frame& reply, const std::string& error);

// The answer to TRANSACTION_START, whose id it puts into `tx_id`.
std::string judge_start(const support::Frame& reply, std::uint32_t& tx_id);

}  // namespace vxs::test::kept
