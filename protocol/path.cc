#include "protocol/path.hh"

#include <array>
#include <charconv>
#include <cstdint>

namespace vxs::protocol {

namespace {

constexpr std::string_view kDomainPrefix = "/local/domain/";
constexpr std::size_t kMaxDomIdDigits = 5;

// The values are chosen so that one AND of neighbours finds `//`, and one OR of
// all finds a forbidden byte.
enum : std::uint8_t { kPlain = 0, kSlash = 1, kForbidden = 2 };

constexpr std::array<std::uint8_t, 256> make_classes() {
  std::array<std::uint8_t, 256> classes{};
  classes.fill(kForbidden);
  for (unsigned char c = '0'; c <= '9'; ++c) classes[c] = kPlain;
  for (unsigned char c = 'A'; c <= 'Z'; ++c) classes[c] = kPlain;
  for (unsigned char c = 'a'; c <= 'z'; ++c) classes[c] = kPlain;
  for (const char c : {'-', '_', '@'}) classes[static_cast<unsigned char>(c)] = kPlain;
  classes['/'] = kSlash;
  return classes;
}
constexpr std::array<std::uint8_t, 256> kClasses = make_classes();

/// C1 and the `//` of C2. Neighbours are compared within `path` only.
bool has_valid_bytes(std::string_view path) noexcept {
  unsigned bad = 0;
  unsigned previous = kPlain;
  for (const char c : path) {
    const unsigned current = kClasses[static_cast<unsigned char>(c)];
    bad |= (current & kForbidden) | (current & previous & kSlash);
    previous = current;
  }
  return bad == 0;
}

bool is_within_limit(std::string_view canonical, const PathContext& context) noexcept {
  if (context.is_privileged) return canonical.size() <= kPrivilegedPathLimit;
  // The common case needs no look at the prefix.
  return canonical.size() <= context.guest_limit ||
         guest_path_length(canonical) <= context.guest_limit;
}

}  // namespace

std::size_t guest_path_length(std::string_view canonical) noexcept {
  if (!canonical.starts_with(kDomainPrefix)) return canonical.size();
  std::size_t digits = 0;
  std::size_t at = kDomainPrefix.size();
  while (at < canonical.size() && canonical[at] >= '0' && canonical[at] <= '9') {
    ++at;
    ++digits;
  }
  const bool is_domain =
      digits >= 1 && digits <= kMaxDomIdDigits && at < canonical.size() && canonical[at] == '/';
  return is_domain ? canonical.size() - (at + 1) : canonical.size();
}

void append_domain_path(DomId domid, std::string& out) {
  std::array<char, kMaxDomIdDigits> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), domid).ptr;
  out.append(kDomainPrefix);
  out.append(digits.data(), end);
}

tl::expected<std::string_view, Error> canonicalize_path(std::string_view raw,
                                                        const PathContext& context,
                                                        std::string& scratch) {
  if (raw.empty() || (is_special(raw) && !context.allow_special)) {
    return tl::unexpected(Error::kInval);
  }
  std::string_view canonical = raw;
  if (raw.front() != '/' && !is_special(raw)) {
    // No relative path can be this long; do not copy it to find out.
    if (raw.size() > kPrivilegedPathLimit) return tl::unexpected(Error::kInval);
    scratch.clear();
    append_domain_path(context.base_domid, scratch);
    scratch += '/';
    scratch += raw;
    canonical = scratch;
  }
  if (!is_within_limit(canonical, context)) return tl::unexpected(Error::kInval);
  // The base needs no check, and raw does not begin with a slash after it.
  if (!has_valid_bytes(raw)) return tl::unexpected(Error::kInval);
  if (canonical.size() > 1 && canonical.back() == '/') return tl::unexpected(Error::kInval);
  return canonical;
}

std::string_view parent_path(std::string_view canonical) noexcept {
  const std::size_t slash = canonical.rfind('/');
  if (slash == std::string_view::npos) return is_special(canonical) ? "/" : std::string_view{};
  if (slash != 0) return canonical.substr(0, slash);
  return canonical.size() == 1 ? std::string_view{} : canonical.substr(0, 1);
}

std::string_view base_name(std::string_view canonical) noexcept {
  return canonical.substr(canonical.rfind('/') + 1);  // npos + 1 == 0
}

}  // namespace vxs::protocol
