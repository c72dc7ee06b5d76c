// Input: one byte of flags, two of the caller's domid, then the path.
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "protocol/path.hh"
#include "tests/fuzz/check.hh"
#include "tests/protocol/plain_path_rules.hh"

namespace {

using vxs::fuzz::check;
using vxs::fuzz::lies_in;
using namespace vxs::protocol;

void check_canonical(std::string_view path) {
  std::string joined;
  std::size_t count = 0;
  for (const std::string_view name : PathComponents(path)) {
    check(!name.empty() && lies_in(name, path), "components are parts of the path");
    if (!is_special(path) || count > 0) joined += '/';
    joined += name;
    ++count;
    if (joined.size() == path.size()) check(name == base_name(path), "base name is the last");
  }
  check((joined.empty() ? std::string_view("/") : joined) == path, "components make the path");
  std::size_t steps = 0;
  for (std::string_view at = path; at != "/"; at = parent_path(at)) {
    check(!at.empty() && ++steps <= count, "parents end at the root");
  }
  check(steps == count, "as many parents as components");
  check(parent_path("/").empty(), "the root has no parent");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  if (size < 3) return 0;
  PathContext context;
  context.is_privileged = (data[0] & 1U) != 0;
  context.allow_special = (data[0] & 2U) != 0;
  if ((data[0] & 4U) != 0) context.guest_limit = data[0];
  std::memcpy(&context.base_domid, data + 1, sizeof(context.base_domid));
  const std::string_view raw(reinterpret_cast<const char*>(data) + 3, size - 3);

  std::string scratch = "old";
  const auto path = canonicalize_path(raw, context, scratch);
  check(path.has_value() == is_valid_plainly(raw, context), "plain rules agree");
  if (!path) {
    check(path.error() == Error::kInval, "the only error is EINVAL");
    return 0;
  }
  const bool is_relative = raw.front() != '/' && raw.front() != '@';
  check(lies_in(*path, is_relative ? std::string_view(scratch) : raw), "view where promised");
  check(path->ends_with(raw), "a canonical path ends as it was given");
  std::string other;
  const auto again = canonicalize_path(*path, context, other);
  check(again.has_value() && *again == *path, "canonical paths are fixed points");
  check_canonical(*path);
  return 0;
}
