// Input: what follows SET_PERMS' path.
#include <string>
#include <string_view>

#include "protocol/arguments.hh"
#include "protocol/permissions.hh"
#include "tests/fuzz/check.hh"

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
  for (const PermEntry& entry : *entries) {
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
