// Which values do not belong into history (docs/git-layout.md, "Redacted values"). Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vxs::store {

/// What stands in a value's place, in blobs of mode 100755 as no value escaped does.
inline constexpr std::string_view kRedacted = "<redacted>";

class Redaction {
 public:
  Redaction() = default;
  /// Patterns as protocol/path_glob.hh has them; others fit nothing.
  explicit Redaction(std::vector<std::string> globs);

  /// True if this value of this node is kept out of history. An empty value tells nothing: it
  /// stays.
  [[nodiscard]] bool hides(std::string_view path, std::string_view value) const noexcept;

 private:
  std::vector<std::string> globs_;
};

}  // namespace vxs::store
