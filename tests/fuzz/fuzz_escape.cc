// Input: bytes to show, which are also read as a shown text.
#include <string>
#include <string_view>

#include "protocol/escape.hh"
#include "tests/fuzz/check.hh"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using vxs::fuzz::check;
  using namespace vxs::protocol;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const std::string shown = escaped(bytes);
  check(shown.size() <= 4 * bytes.size(), "four bytes for one at most");
  for (const char c : shown) check(c >= ' ' && c <= '~', "only printable ASCII comes out");
  check(unescape(shown) == bytes, "unescape is the inverse");
  if (const auto raw = unescape(bytes)) {
    check(raw->size() <= bytes.size(), "unescaping never grows");
    check(unescape(escaped(*raw)) == raw, "what was read can be shown again");
  }
  return 0;
}
