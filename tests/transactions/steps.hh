// Random histories of requests: what a property test does is read from raw bytes.
#pragma once

#include <rapidcheck.h>

#include <array>
#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#include "tests/transactions/oracle.hh"

namespace vxs::transactions::test {

/// Raw bytes that a step reads its choices from: they shrink well.
using Step = std::array<std::uint8_t, 8>;

inline const std::vector<Caller>& callers() {
  static const std::vector<Caller> all{
      Caller{},
      Caller{.domid = 1, .privileged = false},
      Caller{.domid = 2, .privileged = false, .target = 1},
  };
  return all;
}

inline std::vector<protocol::PermEntry> perms_of(std::uint8_t byte) {
  using protocol::Access;
  static const std::vector<std::vector<protocol::PermEntry>> all{
      {{.domid = 0}},
      {{.domid = 0, .access = Access::kRead}},
      {{.domid = 0, .access = Access::kBoth}},
      {{.domid = 1}, {.domid = 2, .access = Access::kRead}},
      {{.domid = 2, .access = Access::kWrite}},
      {{.domid = 1, .access = Access::kBoth}},
      {{.domid = 0}, {.domid = kDomIdAny, .access = Access::kRead}},
      {{.domid = 0}, {.domid = 1, .access = Access::kBoth, .incarnation = kIncarnationStale}},
  };
  return all[byte % all.size()];
}

inline std::string path_of(std::uint8_t a, std::uint8_t b, bool special) {
  if (special && a % 16 == 0) return b % 2 == 0 ? "@introduceDomain" : "@releaseDomain";
  const std::size_t depth = b % 4;
  std::string path;
  for (std::size_t i = 0; i < depth; ++i) {
    path += '/';
    path += static_cast<char>('a' + (a >> (2 * i)) % 3);
  }
  return path.empty() ? "/" : path;
}

inline OracleRequest request_of(const Step& step) {
  OracleRequest request;
  request.kind = static_cast<OperationKind>(step[2] % 8);
  const bool special =
      request.kind == OperationKind::kGetPerms || request.kind == OperationKind::kSetPerms;
  request.path = path_of(step[3], step[4], special);
  request.value = std::string(step[5] % 3, 'v');
  request.perms = perms_of(step[6]);
  request.offset = step[5] % 8;
  return request;
}

/// The views are of `request`.
inline Operation operation_of(const OracleRequest& request, store::PermTable& table) {
  return Operation{.kind = request.kind,
                   .path = request.path,
                   .value = request.value,
                   .perms = request.kind == OperationKind::kSetPerms ? table.intern(request.perms)
                                                                     : store::PermRef{},
                   .offset = request.offset};
}

/// Runs `property` (RC_ASSERT) on that many histories; what failed and how to see it again, or
/// nothing. Lengths grow from nothing to `longest`, so that a failure shrinks to few steps. Seed:
/// RC_PARAMS.
template <typename Property>
std::string check_histories(int cases, int longest, const Property& property) {
  rc::detail::TestParams params = rc::detail::configuration().testParams;
  params.maxSuccess = cases;
  params.maxSize = longest;
  const auto generator = rc::gen::container<std::vector<Step>>(
      rc::gen::container<Step>(rc::gen::resize(100, rc::gen::arbitrary<std::uint8_t>())));
  const auto result =
      rc::detail::checkTestable([&] { property(*generator); }, rc::detail::TestMetadata{}, params);
  if (result.template is<rc::detail::SuccessResult>()) return {};
  std::ostringstream report;
  rc::detail::printResultMessage(result, report);
  return report.str();
}

}  // namespace vxs::transactions::test
