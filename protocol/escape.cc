#include "protocol/escape.hh"

#include <cstddef>

namespace vxs::protocol {

namespace {

constexpr bool is_printable(unsigned char c) noexcept { return c >= 0x20 && c <= 0x7e; }

void append_escape_of(std::string& out, unsigned char c) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  out += '\\';
  switch (c) {
    case '\\':
      out += '\\';
      break;
    case '\n':
      out += 'n';
      break;
    case '\t':
      out += 't';
      break;
    case '\r':
      out += 'r';
      break;
    case '\0':
      out += '0';
      break;
    default:
      out += 'x';
      out += kDigits[c >> 4U];
      out += kDigits[c & 15U];
  }
}

/// The value of a hexadecimal digit, or -1.
constexpr int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// Takes one escape, without its backslash, from the front of `rest`.
std::optional<char> take_escape(std::string_view& rest) noexcept {
  if (rest.empty()) return std::nullopt;
  const char kind = rest.front();
  rest.remove_prefix(1);
  switch (kind) {
    case '\\':
      return '\\';
    case 'n':
      return '\n';
    case 't':
      return '\t';
    case 'r':
      return '\r';
    case '0':
      return '\0';
    case 'x': {
      if (rest.size() < 2) return std::nullopt;
      const int high = hex_value(rest[0]);
      const int low = hex_value(rest[1]);
      if (high < 0 || low < 0) return std::nullopt;
      rest.remove_prefix(2);
      return static_cast<char>(high * 16 + low);
    }
    default:
      return std::nullopt;
  }
}

}  // namespace

void append_escaped(std::string& out, std::string_view bytes) {
  std::size_t plain = 0;  // start of the run that needs no escape
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto c = static_cast<unsigned char>(bytes[i]);
    if (is_printable(c) && c != '\\') continue;
    out.append(bytes.substr(plain, i - plain));
    append_escape_of(out, c);
    plain = i + 1;
  }
  out.append(bytes.substr(plain));
}

std::string escaped(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  append_escaped(out, bytes);
  return out;
}

std::optional<std::string> unescape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    if (!is_printable(static_cast<unsigned char>(c))) return std::nullopt;
    if (c != '\\') {
      out += c;
      continue;
    }
    const std::optional<char> byte = take_escape(text);
    if (!byte) return std::nullopt;
    out += *byte;
  }
  return out;
}

}  // namespace vxs::protocol
