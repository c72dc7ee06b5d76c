// The grammar of Xenstore paths (conformance C1..C5) and small helpers for
// canonical ones. Pure.
#pragma once

#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>

#include "protocol/error.hh"
#include "protocol/ids.hh"

#include <tl/expected.hpp>

namespace vxs::protocol {

/// C5 PICK, in bytes, each length itself still allowed: for guests what remains
/// after "/local/domain/<1 to 5 digits>/", for privileged callers the whole
/// canonical path.
inline constexpr std::size_t kGuestPathLimit = 2048;
inline constexpr std::size_t kPrivilegedPathLimit = 3072;

/// Who names a path, and for which request.
struct PathContext {
  /// Relative paths start at /local/domain/<base_domid> (C4).
  DomId base_domid = 0;
  /// Selects the length rule (C5).
  bool is_privileged = false;
  /// WATCH, UNWATCH, GET_PERMS and SET_PERMS take names that begin with `@`;
  /// for every other request they are errors (C3).
  bool allow_special = false;
  /// The length rule's limit for unprivileged callers (option -M).
  std::size_t guest_limit = kGuestPathLimit;
};

/// Turns what a client sent (without its NUL) into a canonical path: "/", an
/// absolute path without a trailing slash, or a special name "@name" or
/// "@name/more".
///
/// An absolute or special `raw` comes back as a view of `raw` itself, without a
/// copy; a relative one is built in `scratch`, whose former content is lost and
/// which must outlive the result. `raw` must not lie in `scratch`.
///
/// Errors: kInval and nothing else, for: an empty path; a byte outside
/// A-Z a-z 0-9 - / _ @ (C1; `@` may stand anywhere in a name); an empty
/// component, that is `//` or a trailing `/` (C2; "/" alone is fine,
/// "/local/domain/" is not); a special name where none is allowed (C3); a path
/// over the limit (C5). Length is looked at before content (XSA-323).
[[nodiscard]] tl::expected<std::string_view, Error> canonicalize_path(std::string_view raw,
                                                                      const PathContext& context,
                                                                      std::string& scratch);

/// Appends "/local/domain/<domid>", the base of relative paths and the answer
/// to GET_DOMAIN_PATH (C4, B18).
void append_domain_path(DomId domid, std::string& out);

/// The length C5 compares with guest_limit: that of `canonical` without a
/// leading "/local/domain/<1 to 5 digits>/".
[[nodiscard]] std::size_t guest_path_length(std::string_view canonical) noexcept;

// The helpers below take canonical paths.

/// True for a name that begins with `@`.
[[nodiscard]] constexpr bool is_special(std::string_view canonical) noexcept {
  return !canonical.empty() && canonical.front() == '@';
}

/// "/a/b" -> "/a", "/a" -> "/", "@name/5" -> "@name", "@name" -> "/" (D19).
/// "/" has no parent: the result is empty.
[[nodiscard]] std::string_view parent_path(std::string_view canonical) noexcept;

/// The last component: "/a/b" -> "b", "@name" -> "@name", "/" -> "".
[[nodiscard]] std::string_view base_name(std::string_view canonical) noexcept;

/// The components of a canonical path, first to last: "/a/b" gives "a", "b";
/// "/" gives none; "@name/5" gives "@name", "5". The views point into the path.
///
///     for (std::string_view name : PathComponents(path)) ...
class PathComponents {
 public:
  class Iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = std::string_view;
    using difference_type = std::ptrdiff_t;
    using pointer = const std::string_view*;
    using reference = const std::string_view&;

    constexpr Iterator() noexcept = default;
    constexpr explicit Iterator(std::string_view rest) noexcept : rest_(rest) { advance(); }

    constexpr reference operator*() const noexcept { return component_; }
    constexpr pointer operator->() const noexcept { return &component_; }
    constexpr Iterator& operator++() noexcept {
      advance();
      return *this;
    }
    constexpr Iterator operator++(int) noexcept {
      Iterator before = *this;
      advance();
      return before;
    }
    /// Iterators of one path differ in how much of it is left.
    friend constexpr bool operator==(const Iterator& a, const Iterator& b) noexcept {
      return a.component_.size() == b.component_.size() && a.rest_.size() == b.rest_.size();
    }

   private:
    constexpr void advance() noexcept {
      const std::size_t slash = rest_.find('/');
      component_ = rest_.substr(0, slash);
      rest_ = slash == std::string_view::npos ? std::string_view{} : rest_.substr(slash + 1);
    }

    std::string_view component_;
    std::string_view rest_;
  };

  constexpr explicit PathComponents(std::string_view canonical) noexcept
      : rest_(canonical.starts_with('/') ? canonical.substr(1) : canonical) {}

  [[nodiscard]] constexpr Iterator begin() const noexcept { return Iterator(rest_); }
  [[nodiscard]] constexpr Iterator end() const noexcept { return Iterator(); }

 private:
  std::string_view rest_;
};

}  // namespace vxs::protocol
