// Input: what follows SET_PERMS' path.
#include <algorithm>
#include <string>
#include <string_view>

#include "protocol/arguments.hh"
#include "protocol/permissions.hh"
#include "tests/fuzz/check.hh"

namespace {

/// The number of an entry that was accepted, read once more in plain words;
/// anything over 65535 counts as 65536.
unsigned plain_number(std::string_view entry) {
  std::string_view digits = entry.substr(1);
  const bool is_hex = digits.starts_with("0x") || digits.starts_with("0X");
  if (is_hex) digits.remove_prefix(2);
  unsigned value = 0;
  for (const char c : digits) {
    const int lower = c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c;
    const int digit = lower >= 'a' ? lower - 'a' + 10 : lower - '0';
    value = std::min(65536U, value * (is_hex ? 16U : 10U) + static_cast<unsigned>(digit));
  }
  return value;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using vxs::fuzz::check;
  using namespace vxs::protocol;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto entries = parse_perm_entries(text);
  if (!entries) {
    check(entries.error() == Error::kInval, "the only error is EINVAL");
    return 0;
  }
  check(!entries->empty(), "a list has an owner");
  check(entries->size() == count_strings(text), "one entry for each string");
  check(entries->front().domid != vxs::kDomIdAny, "everybody owns nothing");
  std::string_view rest = text;
  for (const PermEntry& entry : *entries) {
    const auto cut = split_first(rest);
    check(cut.has_value() && !cut->first.empty(), "an entry has a text");
    check(entry.domid == plain_number(cut->first), "the domid is the one written");
    check(access_letter(entry.access) == cut->first.front(), "the letter is the one written");
    rest = cut->rest;
    check(entry.incarnation == 0, "incarnations are bound later");
    check(access_from_letter(access_letter(entry.access)) == entry.access, "letters are inverse");
  }
  std::string printed;
  append_perm_entries(*entries, printed);
  check(parse_perm_entries(printed) == *entries, "the printed list parses to the same");
  std::string again;
  append_perm_entries(*parse_perm_entries(printed), again);
  check(again == printed, "the printed form is canonical");
  return 0;
}
