// The rules of C1 to C5 once more, in the plainest words, to judge the fast
// ones of protocol/path.cc by.
#pragma once

#include <string>
#include <string_view>

#include "protocol/path.hh"

namespace vxs::protocol {

/// The length of a leading "/local/domain/<1 to 5 digits>/", or 0.
inline std::size_t plain_domain_prefix(std::string_view path) {
  const std::string_view base = "/local/domain/";
  if (path.substr(0, base.size()) != base) return 0;
  const std::size_t slash = path.find('/', base.size());
  if (slash == std::string_view::npos) return 0;
  const std::string_view domid = path.substr(base.size(), slash - base.size());
  const bool is_number = domid.find_first_not_of("0123456789") == std::string_view::npos;
  return is_number && !domid.empty() && domid.size() <= 5 ? slash + 1 : 0;
}

inline bool is_valid_plainly(std::string_view raw, const PathContext& context) {
  if (raw.empty()) return false;
  if (raw.front() == '@' && !context.allow_special) return false;
  for (const char c : raw) {
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool is_digit = c >= '0' && c <= '9';
    if (!is_letter && !is_digit && c != '-' && c != '/' && c != '_' && c != '@') return false;
  }
  if (raw.find("//") != std::string_view::npos) return false;
  if (raw != "/" && raw.back() == '/') return false;
  std::string whole(raw);
  if (raw.front() != '/' && raw.front() != '@') {
    whole = "/local/domain/" + std::to_string(context.base_domid) + "/" + whole;
  }
  if (context.is_privileged) return whole.size() <= 3072;
  return whole.size() - plain_domain_prefix(whole) <= context.guest_limit;
}

}  // namespace vxs::protocol
