// What a transaction was told about, as paths: enough to say whether a write could make it fail
// (design §4).
#pragma once

#include <set>
#include <span>
#include <string>
#include <string_view>

#include "transactions/branch.hh"

namespace vxs::daemon {

/// A value. Errs on the side of "could".
class Observed {
 public:
  explicit Observed(std::span<const transactions::LoggedOperation> log);

  /// Could making, writing, removing or giving other permissions to `path` change an answer?
  [[nodiscard]] bool concerned_by(std::string_view path) const;

 private:
  std::set<std::string, std::less<>> paths_;
  std::set<std::string, std::less<>> directories_;  ///< whose children were listed
};

}  // namespace vxs::daemon
