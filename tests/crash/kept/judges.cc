#include "tests/crash/kept/judges.hh"

#include "tests/crash/kept/board.hh"

namespace vxs::test::kept {

std::string judge_outcome(const support::Frame& reply, const std::string& error) {
  if (reply.error() != error) return "expected was " + (error.empty() ? "OK" : error);
  if (!reply.is_error() && reply.payload != std::string("OK\0", 3)) return "that is no OK";
  return "";
}

std::string judge_start(const support::Frame& reply, std::uint32_t& tx_id) {
  if (reply.is_error() || !reply.payload.ends_with('\0')) return "expected was an id";
  const auto id = number_of(reply.payload.substr(0, reply.payload.size() - 1));
  if (id <= 0) return "that is no transaction's id";
  tx_id = static_cast<std::uint32_t>(id);
  return "";
}

}  // namespace vxs::test::kept
