#include "tools/vxs/client_format.hh"

#include <fmt/format.h>

#include <iterator>

namespace vxs::tools {

std::string client_value(std::string_view value) {
  std::string text;
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
      case '\t':
        text += "\\t";
        break;
      case '\n':
        text += "\\n";
        break;
      case '\r':
        text += "\\r";
        break;
      case '\\':
        text += "\\\\";
        break;
      default:
        if (byte >= 0x20 && byte < 0x7f) {
          text += c;
        } else if (byte < 8) {
          fmt::format_to(std::back_inserter(text), "\\{:03o}", byte);
        } else {
          fmt::format_to(std::back_inserter(text), "\\x{:02x}", byte);
        }
    }
  }
  return text;
}

}  // namespace vxs::tools
