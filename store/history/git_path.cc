#include "store/history/git_path.hh"

#include <openssl/sha.h>

#include <algorithm>
#include <array>

#include "protocol/path.hh"

namespace vxs::store {
namespace {

constexpr std::size_t kHashedNameLength = 2 + 2 * SHA256_DIGEST_LENGTH;
constexpr std::size_t kMaxNumberDigits = 9;
constexpr std::string_view kHexDigits = "0123456789abcdef";

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool is_hex(char c) noexcept { return is_digit(c) || (c >= 'a' && c <= 'f'); }

bool is_number(std::string_view name) noexcept {
  return !name.empty() && name.size() <= kMaxNumberDigits &&
         (name.front() != '0' || name.size() == 1) && std::ranges::all_of(name, is_digit);
}

std::array<unsigned char, SHA256_DIGEST_LENGTH> sha256(std::string_view text) noexcept {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return digest;
}

void append_hex(std::string& out, unsigned char byte) {
  out += kHexDigits[byte >> 4U];
  out += kHexDigits[byte & 0xFU];
}

}  // namespace

void append_git_name(std::string& out, std::string_view name) {
  if (name.size() <= kMaxPlainName) {
    out += name;
    return;
  }
  out += "~h";
  for (const unsigned char byte : sha256(name)) append_hex(out, byte);
}

std::string git_name(std::string_view name) {
  std::string out;
  append_git_name(out, name);
  return out;
}

void append_bucket_name(std::string& out, std::string_view name) {
  out += '~';
  if (is_number(name)) {
    if (name.size() <= 2) {
      out += '0';
    } else {
      out += name.substr(0, name.size() - 2);
    }
    out += "xx";
    return;
  }
  append_hex(out, sha256(name).front());
}

std::string bucket_name(std::string_view name) {
  std::string out;
  append_bucket_name(out, name);
  return out;
}

bool is_hashed_name(std::string_view git_name) noexcept {
  return git_name.size() == kHashedNameLength && git_name.starts_with("~h") &&
         std::ranges::all_of(git_name.substr(2), is_hex);
}

bool is_bucket_name(std::string_view git_name) noexcept {
  if (!git_name.starts_with('~')) return false;
  const std::string_view rest = git_name.substr(1);
  if (rest.size() == 2 && is_hex(rest[0]) && is_hex(rest[1])) return true;
  return rest.size() > 2 && rest.ends_with("xx") && is_number(rest.substr(0, rest.size() - 2));
}

bool is_fanned_from_start(std::string_view path) noexcept {
  constexpr std::string_view kDomains = "/local/domain";
  if (path == "/vm" || path == kDomains) return true;
  if (!path.starts_with(kDomains) || path.size() == kDomains.size() ||
      path[kDomains.size()] != '/') {
    return false;
  }
  // N, "backend", K and nothing else
  std::string_view rest = path.substr(kDomains.size() + 1);
  const std::size_t number_end = rest.find('/');
  if (number_end == std::string_view::npos || !is_number(rest.substr(0, number_end))) return false;
  rest.remove_prefix(number_end);
  constexpr std::string_view kBackend = "/backend/";
  if (!rest.starts_with(kBackend)) return false;
  rest.remove_prefix(kBackend.size());
  return !rest.empty() && rest.find('/') == std::string_view::npos;
}

std::string git_path(std::string_view path, const IsFanned& is_fanned) {
  if (protocol::is_special(path)) return ".special/" + std::string(path.substr(1));
  std::string out;
  std::size_t directory_end = 0;  // of the directory's Xenstore path; 0 is the root
  for (const std::string_view name : protocol::PathComponents(path)) {
    const std::string_view directory = directory_end == 0 ? "/" : path.substr(0, directory_end);
    const bool fanned = is_fanned(out, directory);
    if (!out.empty()) out += '/';
    if (fanned) {
      append_bucket_name(out, name);
      out += '/';
    }
    append_git_name(out, name);
    directory_end += 1 + name.size();
  }
  return out;
}

}  // namespace vxs::store
